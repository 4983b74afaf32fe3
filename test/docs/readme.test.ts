import { describe, expect, test } from '@jest/globals';
import { ROUTES } from '../../src/oidc/configuration.ts';
import { settings } from '../../src/platform/config.ts';
import { read } from './markdown.ts';

const readme = read('README.md');

describe('README.md', () => {
  test('has a row for every setting, with its default and description', () => {
    const rows = settings.map(
      ({ variable, default: byDefault, description }) =>
        `| \`${variable}\` | ${byDefault === null ? '' : `\`${byDefault}\``} | ${description} |`,
    );
    const table = ['| Variable | Default | |', '|---|---|---|', ...rows].join('\n');
    const written = /^<!-- configuration: .* -->\n\n([\s\S]*?)\n\n<!-- \/configuration -->$/m;
    expect(written.exec(readme)?.[1]).toBe(table);
  });

  test('names the path of every endpoint', () => {
    const paths = [...readme.matchAll(/^\| [^|]+ \| `(\/(?:connect\/|device)[^`]*)` \|/gm)].map(
      ([, path]) => path,
    );
    expect(paths.sort()).toEqual(Object.values(ROUTES).sort());
  });

  test('names no npm script that is not there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: object };
    const pages = [readme, read('CONTRIBUTING.md'), read('examples/web-app/README.md')];
    const named = pages.flatMap((page) => [
      ...page.matchAll(/\bnpm (?:run )?(start|test|(?<=run )\w+)/g),
    ]);
    expect(named.length).toBeGreaterThan(5);
    for (const [, script] of named) expect(Object.keys(scripts)).toContain(script);
  });
});
