import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

/** The arrows: what each folder of src may import beside itself. A folder not named here may not be. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  platform: [],
  eventstore: ['domain', 'platform'],
  projections: ['domain', 'platform', 'eventstore'],
  commands: ['domain', 'platform', 'eventstore'],
  oidc: ['domain', 'platform', 'eventstore', 'projections', 'commands'],
  graphql: ['domain', 'platform', 'eventstore', 'projections', 'commands'],
  app: ['domain', 'platform', 'eventstore', 'projections', 'commands', 'oidc', 'graphql'],
  cli: ['domain', 'platform', 'eventstore', 'projections', 'commands', 'oidc', 'graphql', 'app'],
};

/** A leaf may know the names of the plainest things there are. */
const TYPES_FOR_ALL = 'src/domain/ids.ts';

/** Who writes to a database, and what: the rows of read models have one writer. */
const WRITERS: Readonly<Record<string, string>> = {
  'src/projections/apply.ts': 'read models',
  'src/projections/prune.ts': 'the end of rows in read models, and the cut-offs',
  'src/projections/operations.ts': 'what operators see of projections',
  'src/projections/projector.ts': 'the checkpoint of the read models',
  'src/projections/versions.ts': 'the registry of read models',
  'src/projections/audit-log.ts': 'the audit index',
  'src/eventstore/postgres.sql': 'the log and the technical rows beside it',
  'src/platform/subject-keys.ts': 'the keys of persons',
};

const MAX_LINES = 400;

interface Import {
  readonly specifier: string;
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

/** Every module that a source names: in import and export statements, import() and require(). */
function importsOf(source: string): Import[] {
  const statements = source.matchAll(
    /^[ \t]*(?:import|export)\b(?<type>\s+type\b)?(?:[^'";]*?\bfrom)?\s*(['"])(?<specifier>[^'"]+)\2/gm,
  );
  const calls = source.matchAll(
    /\b(?:import|require|require\.resolve)\s*\(\s*(['"`])(?<specifier>[^'"`]+)\1/g,
  );
  return [...statements, ...calls].map(({ groups }) => ({
    specifier: groups?.specifier ?? '',
    typeOnly: groups?.type !== undefined,
  }));
}

/** `src/app.ts` → `app`, `src/oidc/pages/pages.ts` → `oidc` */
function folderOf(path: string): string {
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
}

/** What is wrong with the imports of one file; each sentence begins with its path. */
function faults(path: string, source: string, packages: ReadonlySet<string>): string[] {
  const folder = folderOf(path);
  const allowed = MAY_IMPORT[folder];
  if (!allowed) return [`${path} is in no folder of the design`];
  return importsOf(source).flatMap(({ specifier, typeOnly }) => {
    const fault = (why: string) => [`${path} imports ${specifier}: ${why}`];
    if (/^[/\\]|^file:/.test(specifier)) return fault('an absolute path');
    if (!specifier.startsWith('.')) {
      if (folder === 'domain') return fault('the domain needs nothing but itself');
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      const known = specifier.startsWith('node:') ? isBuiltin(specifier) : packages.has(name);
      return known ? [] : fault('not a dependency');
    }
    const target = posix.join(posix.dirname(path), specifier);
    if (!target.startsWith('src/')) return fault('outside src');
    if (target === TYPES_FOR_ALL && typeOnly) return [];
    const other = folderOf(target);
    return other === folder || allowed.includes(other)
      ? []
      : fault(`${folder} may not know ${other}`);
  });
}

/** Whether a text holds SQL that changes rows. */
function writesRows(text: string): boolean {
  return /\binsert\s+into\s|\bdelete\s+from\s|\bmerge\s+into\s|\bupdate\s+[\w.${}]+(\s+\w+)?\s+set\s/i.test(
    text,
  );
}

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const packages = new Set<string>(
  Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
);
const sources = readdirSync(`${root}src`, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => posix.join(entry.parentPath.slice(root.length), entry.name))
  .map((path) => ({ path, text: readFileSync(root + path, 'utf8') }));
const modules = sources.filter(({ path }) => path.endsWith('.ts'));

describe('the source tree', () => {
  test('has every folder of the design', () => {
    const folders = new Set(modules.map(({ path }) => folderOf(path)));
    expect([...folders].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test('follows the arrows', () => {
    expect(modules.flatMap(({ path, text }) => faults(path, text, packages))).toEqual([]);
  });

  test(`has no file of ${MAX_LINES} lines or more`, () => {
    const long = modules
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines >= MAX_LINES);
    expect(long).toEqual([]);
  });

  test('has one writer for each kind of row', () => {
    const writers = sources.filter(({ text }) => writesRows(text)).map(({ path }) => path);
    expect(writers.sort()).toEqual(Object.keys(WRITERS).sort());
  });
});

describe('the check of the arrows', () => {
  const check = (path: string, source: string) => faults(path, source, new Set(['pg', '@a/b']));

  test.each([
    ['src/domain/client.ts', "import { same } from './decider.ts';"],
    ['src/eventstore/execute.ts', "import { fold } from '../domain/decider.ts';"],
    ['src/projections/apply.ts', "import type pg from 'pg';"],
    ['src/projections/apply.ts', "import b from '@a/b/deep/file.js';"],
    ['src/oidc/adapter/grant.ts', "import { digest } from '../../platform/secrets.ts';"],
    ['src/platform/secrets.ts', "import { createHash } from 'node:crypto';"],
    ['src/platform/log.ts', "import type { Digest } from '../domain/ids.ts';"],
    ['src/app.ts', "import { provider } from './oidc/provider.ts';"],
    ['src/cli/serve.ts', "import { startApp } from '../app.ts';"],
    ['src/domain/client.ts', "// import pg from 'pg';\n/**\n * import pg from 'pg';\n */"],
    ['src/domain/client.ts', "throw new Error(`a word from 'pg'`);"],
  ])('passes %s: %s', (path, source) => {
    expect(check(path, source)).toEqual([]);
  });

  test.each([
    ['src/domain/client.ts', "import { createHash } from 'node:crypto';"],
    ['src/domain/client.ts', "import pg from 'pg';"],
    ['src/domain/client.ts', "import type { Position } from '../eventstore/event-store.ts';"],
    ['src/eventstore/execute.ts', "import { project } from '../projections/projection.ts';"],
    ['src/projections/grants.ts', "import { provider } from '../oidc/provider.ts';"],
    ['src/commands/users.ts', "import { users } from '../projections/users.ts';"],
    ['src/oidc/provider.ts', "import { schema } from '../graphql/schema.ts';"],
    ['src/oidc/pages/pages.ts', "import { schema } from '../../graphql/schema.ts';"],
    ['src/graphql/schema.ts', "import type { Account } from '../oidc/account.ts';"],
    ['src/graphql/schema.ts', "import { startApp } from '../app.ts';"],
    ['src/app.ts', "import { serve } from './cli/serve.ts';"],
    ['src/platform/log.ts', "import { digest } from '../domain/ids.ts';"],
    ['src/platform/log.ts', "import type { Fact } from '../domain/decider.ts';"],
    ['src/platform/log.ts', "import { executor } from '../eventstore/execute.ts';"],
    ['src/oidc/a.ts', "import {\n  type A,\n  b,\n} from '../graphql/schema.ts';"],
    ['src/oidc/a.ts', 'import { a } from "../graphql/schema.ts";'],
    ['src/oidc/a.ts', "import a, * as b from '../graphql/schema.ts'"],
    ['src/oidc/a.ts', "import '../graphql/schema.ts';"],
    ['src/oidc/a.ts', "export * from '../graphql/schema.ts';"],
    ['src/oidc/a.ts', "export { a } from '../graphql/schema.ts';"],
    ['src/oidc/a.ts', "export type { A } from '../graphql/schema.ts';"],
    ['src/oidc/a.ts', "const a = await import('../graphql/schema.ts');"],
    ['src/oidc/a.ts', "type A = import('../graphql/schema.ts').A;"],
    ['src/oidc/a.ts', "const a = require('../graphql/schema.ts');"],
    ['src/oidc/a.ts', "import { b } from './b.ts';\nimport { a } from '../graphql/schema.ts';"],
    ['src/oidc/a.ts', "import { a } from '../../shared/a.ts';"],
    ['src/oidc/a.ts', "import { a } from '/srv/a.ts';"],
    ['src/oidc/a.ts', "import { a } from 'file:///srv/a.ts';"],
    ['src/oidc/a.ts', "import { a } from 'left-pad';"],
    ['src/oidc/a.ts', "import { a } from '@a/c';"],
    ['src/oidc/a.ts', "import { a } from 'fs';"],
    ['src/oidc/a.ts', "import { a } from 'node:no-such-module';"],
  ])('stops %s: %s', (path, source) => {
    expect(check(path, source)).toEqual([expect.stringContaining(path)]);
  });

  test('stops a folder that is not in the design', () => {
    expect(check('src/utils/misc.ts', '')).toEqual([expect.stringContaining('src/utils/misc.ts')]);
  });
});

describe('the check of writers', () => {
  test.each([
    'insert into read_x.clients values ($1)',
    'INSERT INTO clients',
    `update \${schema}.clients t\n  set (a) = (b)`,
    'update clients set a = 1',
    'delete from clients where a',
    'merge into clients using',
  ])('sees %s', (sql) => {
    expect(writesRows(sql)).toBe(true);
  });

  test.each([
    'select a from clients for update',
    'create trigger t after insert or update or delete on clients',
    'update a row and set it free',
  ])('lets pass %s', (text) => {
    expect(writesRows(text)).toBe(false);
  });
});
