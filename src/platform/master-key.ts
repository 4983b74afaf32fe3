import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Config, parseKey } from './config.ts';

/**
 * The master key: MASTER_KEY, or, with the embedded database, one that is made on the first start and
 * kept in `master.key` in the data folder, for this OS user alone. Call it before the database is made.
 * @throws Error when the database is there and its key is not, or other OS users can read the key
 */
export function loadMasterKey(
  config: Pick<Config, 'masterKey' | 'databaseUrl' | 'dataDir'>,
): Buffer {
  if (config.masterKey) return config.masterKey;
  if (config.databaseUrl) throw new Error('MASTER_KEY is required with DATABASE_URL');
  const path = join(config.dataDir, 'master.key');
  if (!existsSync(path)) {
    if (existsSync(join(config.dataDir, 'postgres'))) {
      throw new Error(
        `${path} is missing, and nothing in the database beside it can be read without it: ` +
          'restore it, or set MASTER_KEY to the key that was used',
      );
    }
    makeKey(config.dataDir, path);
  }
  return readKey(path);
}

function readKey(path: string): Buffer {
  const key = parseKey(readFileSync(path, 'utf8').trim());
  if (!key) throw new Error(`${path} does not hold a master key`);
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new Error(`${path} can be read by other OS users: chmod 600 it`);
  }
  return key;
}

/** Whole or not at all, on disk before it is used; of two that try at once, one makes it. */
function makeKey(dataDir: string, path: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  writeFileSync(file, `${randomBytes(32).toString('base64')}\n`);
  fsyncSync(file);
  closeSync(file);
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  const folder = openSync(dataDir, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
