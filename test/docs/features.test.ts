import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROOT, read } from './markdown.ts';

const PAGE = 'docs/features.md';

/** The rows of the table, cell by cell, without its head. */
const rows = read(PAGE)
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map((line) =>
    line
      .slice(1, line.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim()),
  );

describe('docs/features.md', () => {
  test('tells of each feature its specification, what switches it on, and its test', () => {
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter((cells) => cells.length !== 4 || cells.some((cell) => cell === ''))).toEqual(
      [],
    );
  });

  test.each(rows.map(([feature = '', , , shown = '']) => [feature, shown]))(
    '%s: is shown by a test that is there',
    (_feature, shown) => {
      const tests = [...shown.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
      expect(tests.length).toBeGreaterThan(0);
      for (const [, title = '', link = ''] of tests) {
        const path = posix.join(posix.dirname(PAGE), link);
        expect(path).toMatch(/^test\/.*\.test\.ts$/);
        expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
        // As it stands in the source, where a quote in it may be escaped.
        expect(read(path).replaceAll("\\'", "'")).toContain(title);
      }
    },
  );
});
