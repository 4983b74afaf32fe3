import { execFile } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { giveTo, type Launcher } from './postgres-launcher.ts';

const MAJOR_VERSION = '18';

/**
 * Sees to it that `cluster` holds a database's files that PostgreSQL will accept, making them on the
 * first start: UTF-8, C locale, superuser `muniment`, and trust in whoever reaches the socket.
 * @throws Error when they were made by another major version
 */
export async function prepareCluster(
  cluster: string,
  initdb: string,
  launcher: Launcher,
  options: { sync: boolean },
): Promise<void> {
  if (!existsSync(cluster)) await make(cluster, initdb, launcher, options);
  const version = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR_VERSION) {
    throw new Error(`${cluster} was made by PostgreSQL ${version}, not ${MAJOR_VERSION}`);
  }
  giveTo(launcher.owner, cluster);
}

/** All or nothing: initdb leaves half of the files when it is killed. */
async function make(
  cluster: string,
  initdb: string,
  launcher: Launcher,
  options: { sync: boolean },
): Promise<void> {
  const unfinished = `${cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  giveTo(launcher.owner, unfinished);
  const args = ['-D', unfinished, '-U', 'muniment', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  if (!options.sync) args.push('--no-sync');
  await promisify(execFile)(...launcher.command(initdb, args)).catch((error) => {
    throw new Error(`PostgreSQL could not make its files in ${cluster}: ${error.message}`);
  });
  renameSync(unfinished, cluster);
  const parent = openSync(dirname(cluster), 'r');
  fsyncSync(parent);
  closeSync(parent);
}
