import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { buildSchema, findBreakingChanges } from 'graphql';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const present = read('../../schema.graphql');

/** What a change of the schema would break for clients of the last release. */
function breaking(before: string, after: string): string[] {
  return findBreakingChanges(buildSchema(before), buildSchema(after)).map(
    ({ description }) => description,
  );
}

test('nothing that clients of the last release rely on is gone, unless that is declared', () => {
  const declared: string[] = JSON.parse(read('breaking-changes.json'));
  expect(breaking(read('released.graphql'), present)).toEqual(declared);
});

test('a field that is gone would be noticed', () => {
  const renamed = present.replace(/^ {2}totalCount: Int$/m, '  count: Int');
  expect(renamed).not.toBe(present);
  expect(breaking(present, renamed).join()).toMatch(/totalCount was removed/);
});
