import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { MAIN } from './server.ts';

/** Another release of the program, whose read models are another version. */
export interface OtherRelease {
  readonly main: string;
  readonly schema: string;
  remove(): void;
}

/** Makes one of what `npm run build` made: scopes have a column more. */
export function otherRelease(): OtherRelease {
  const schema = 'read_00000002';
  const built = dirname(dirname(MAIN));
  const folder = mkdtempSync(join(tmpdir(), 'muniment-release-'));
  cpSync(built, join(folder, 'dist'), { recursive: true });
  for (const name of ['node_modules', 'src', 'package.json']) {
    symlinkSync(join(dirname(built), name), join(folder, name));
  }
  change(join(folder, 'dist/projections/version.js'), READ_SCHEMA, schema);
  change(join(folder, 'dist/projections/scopes.js'), 'columns: {', "columns: { another: 'text',");
  return {
    main: join(folder, 'dist/cli/main.js'),
    schema,
    remove: () => rmSync(folder, { recursive: true }),
  };
}

function change(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${path} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}
