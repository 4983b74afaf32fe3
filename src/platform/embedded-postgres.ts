import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { lock } from './data-dir-lock.ts';
import { packageFolder, preparedBinaries } from './postgres-binaries.ts';
import { prepareCluster } from './postgres-cluster.ts';
import { chooseLauncher, giveTo, type Launcher, possibleOwners } from './postgres-launcher.ts';
import { endOrphan } from './postgres-orphan.ts';
import { type PostgresProcess, startProcess } from './postgres-process.ts';

const NAME = 'muniment';
const PORT = 5432;
const ORPHANED_STATEMENTS_MS = 30_000;
/** `sun_path` of sockaddr_un, without its final NUL. */
const SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;

const SETTINGS = {
  cluster_name: NAME,
  max_connections: '100',
  shared_buffers: '128MB',
  // After a checkpoint each page is logged whole when it is first changed, and digests change pages all
  // over their indexes: that is to be seldom, and not to be compressed by pglz, which costs more than the rest.
  wal_compression: 'off',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  fsync: 'on',
  synchronous_commit: 'on',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // What clients did wrong is told to them alone: statements and details hold personal data.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
} as const;

export interface EmbeddedPostgresOptions {
  /** Muniment's own folder, made when missing (0700); the database is in `postgres/` in it. */
  dataDir: string;
  /** Takes what PostgreSQL says, line by line. */
  log?: (line: string) => void;
  /** Settings of PostgreSQL in place of ours. */
  settings?: Readonly<Record<string, string>>;
  /** Where npm put the programs, and how to start them; both are found out when absent. */
  packageFolder?: string;
  launcher?: Launcher;
}

export interface EmbeddedPostgres extends PostgresProcess {
  /** Unix socket only, database `muniment`; the socket's folder is open to this OS user alone. */
  readonly connection: pg.PoolConfig;
  /** The same for those who take a `DATABASE_URL`. */
  readonly url: string;
}

/**
 * Starts a PostgreSQL of our own: a real, durable server that this process owns. It needs no OS user,
 * no TCP port and no set-up, and goes away with this process. One left behind by a process that was
 * killed is waited for.
 * @throws Error naming the folder when another process uses it, and DATABASE_URL when there is no
 *   way to run PostgreSQL here
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const folder = options.packageFolder ?? packageFolder();
  if (!folder) {
    throw new Error(
      `no embedded PostgreSQL for ${process.platform}-${process.arch} is installed; set DATABASE_URL`,
    );
  }
  const launcher = options.launcher ?? chooseLauncher();
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = realpathSync(options.dataDir);
  // Another OS user must get through to its own folder below; it still cannot list this one.
  if (launcher.owner) chmodSync(dataDir, statSync(dataDir).mode | 0o011);
  const socketDir = privateFolder(socketFolder(dataDir), launcher.owner);

  const claim = await lock(join(socketDir, 'owner'));
  if ('heldBy' in claim) {
    throw new Error(`the data folder ${dataDir} is in use by another Muniment (${claim.heldBy})`);
  }
  try {
    const cluster = join(dataDir, 'postgres');
    await endOrphan(cluster, socketDir);
    const { initdb, postgres } = preparedBinaries(folder);
    const settings = { ...SETTINGS, ...socketSettings(socketDir), ...options.settings };
    await prepareCluster(cluster, initdb, launcher, { sync: settings.fsync === 'on' });
    const server = await startPatiently(() =>
      startProcess(launcher, postgres, cluster, settings, options.log),
    );
    const connection = { host: socketDir, port: PORT, user: NAME, database: NAME, ssl: false };
    await ensureDatabase(connection).catch(async (error) => {
      await server.stop();
      throw error;
    });
    const ended = server.ended.then(() => claim.release());
    // Who was told that it has stopped may start it again.
    const url = `postgres://${NAME}@localhost:${PORT}/${NAME}?host=${encodeURIComponent(socketDir)}`;
    return { connection, url, ...server, ended, stop: () => server.stop().then(() => ended) };
  } catch (error) {
    await claim.release();
    throw error;
  }
}

function socketSettings(socketDir: string) {
  return {
    listen_addresses: '',
    port: String(PORT),
    unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
  };
}

/** PostgreSQL's socket and our claim, beside the data or, where that path is too long, in /tmp. */
function socketFolder(dataDir: string): string {
  const beside = join(dataDir, 'run');
  if (Buffer.byteLength(join(beside, `.s.PGSQL.${PORT}`)) <= SOCKET_PATH_BYTES) return beside;
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return join(realpathSync(tmpdir()), `${NAME}-${name}`);
}

/** Makes a folder that only PostgreSQL's OS user can enter, and refuses one of someone else's. */
function privateFolder(path: string, owner: Launcher['owner']): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(path);
  if (!lstatSync(path).isDirectory() || !possibleOwners().includes(uid)) {
    throw new Error(`${path} is not a folder of this OS user`);
  }
  giveTo(owner, path);
  chmodSync(path, 0o700);
  return path;
}

/** A killed PostgreSQL is gone only when the statements it was running have noticed. */
async function startPatiently(attempt: () => Promise<PostgresProcess>): Promise<PostgresProcess> {
  const deadline = Date.now() + ORPHANED_STATEMENTS_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!String(error).includes('shared memory block') || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

async function ensureDatabase(connection: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'postgres' });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [NAME]);
    if (rowCount === 0) await client.query(`create database ${NAME}`);
  } finally {
    await client.end();
  }
}
