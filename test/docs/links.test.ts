import { existsSync, globSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { prose, ROOT, read } from './markdown.ts';

const pages = globSync('{*,docs/**/*,examples/**/*}.md', { cwd: ROOT });

/** Where the links of a page lead, but those to other hosts. */
function links(page: string): string[] {
  return [...prose(read(page)).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(
    ([, to]) => to as string,
  );
}

/** The anchors of a page's headings, as Git hosts make them. */
function anchors(page: string): string[] {
  return [...prose(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

describe('the documentation', () => {
  test('is where a newcomer looks', () => {
    expect(pages).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'docs/map.md']));
  });

  test.each(pages)('%s: every link leads somewhere', (page) => {
    const broken = links(page).filter((to) => {
      const [path = '', anchor] = to.split('#');
      const target = path === '' ? page : posix.join(posix.dirname(page), path);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchors(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  // A path in backticks that begins with one of the project's folders.
  test.each(pages)('%s: every path it names is there', (page) => {
    const named = prose(read(page)).matchAll(
      /`((?:src|test|docs|bench|examples|dist)\/[\w./-]*|[\w-]+\.(?:json|js|ts|graphql|yml|md))`/g,
    );
    const beside = (path: string) =>
      join(ROOT, path.includes('/') ? '' : posix.dirname(page), path);
    const missing = [...named]
      .map(([, path]) => path as string)
      .filter(
        (path) =>
          !path.startsWith('dist/') && !existsSync(join(ROOT, path)) && !existsSync(beside(path)),
      );
    expect(missing).toEqual([]);
  });
});
