import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { lock } from './data-dir-lock.ts';
import { packageFolder, preparedBinaries } from './postgres-binaries.ts';
import { chooseLauncher, type Launcher } from './postgres-launcher.ts';
import { endOrphan } from './postgres-orphan.ts';

const NAME = 'muniment';
const MAJOR_VERSION = '18';
const PORT = 5432;
/** Crash recovery replays at most max_wal_size (1 GB); this is ample even on a slow disk. */
const START_TIMEOUT_MS = 300_000;
const FAST_SHUTDOWN_MS = 30_000;
const IMMEDIATE_SHUTDOWN_MS = 10_000;
/** `sun_path` of sockaddr_un, without its final NUL. */
const SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;

const SETTINGS = {
  cluster_name: NAME,
  max_connections: '100',
  shared_buffers: '128MB',
  wal_compression: 'on',
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
  /** The server's own folder. Made when missing (0700); the database is kept in `postgres/` in it. */
  dataDir: string;
  /** Takes what PostgreSQL says, line by line. */
  log?: (line: string) => void;
  /** Settings of PostgreSQL in place of ours. */
  settings?: Readonly<Record<string, string>>;
  /** How to start its programs; found out when absent. */
  launcher?: Launcher;
}

export interface EmbeddedPostgres {
  /** Unix socket only, database `muniment`; the socket's folder is open to this OS user alone. */
  readonly connection: pg.PoolConfig;
  readonly pid: number;
  /** Resolves when PostgreSQL has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends open transactions and shuts down cleanly; after 30 s, at once. May be repeated. */
  stop(): Promise<void>;
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
  const folder = packageFolder();
  if (!folder) {
    throw new Error(
      `no embedded PostgreSQL for ${process.platform}-${process.arch} is installed; set DATABASE_URL`,
    );
  }
  const launcher = options.launcher ?? chooseLauncher();
  const dataDir = privateFolder(options.dataDir, null);
  // Whoever PostgreSQL runs as must reach its own folder below; it still cannot list this one.
  if (launcher.owner) chmodSync(dataDir, 0o711);
  const socketDir = privateFolder(socketFolder(dataDir), launcher.owner);

  const claim = await lock(join(socketDir, 'owner'));
  if ('heldBy' in claim) {
    throw new Error(`the data folder ${dataDir} is in use by another Muniment (${claim.heldBy})`);
  }
  try {
    const cluster = join(dataDir, 'postgres');
    await endOrphan(cluster, socketDir);
    const binaries = preparedBinaries(folder);
    const settings = { ...SETTINGS, ...options.settings };
    await initialise(cluster, binaries.initdb, launcher, settings.fsync === 'on');
    const server = await start(cluster, socketDir, binaries.postgres, launcher, settings, options);
    server.ended.then(() => claim.release());
    return server;
  } catch (error) {
    claim.release();
    throw error;
  }
}

/** PostgreSQL's socket and our claim, beside the data or, where the path is too long, in /tmp. */
function socketFolder(dataDir: string): string {
  const beside = join(dataDir, 'run');
  if (Buffer.byteLength(join(beside, `.s.PGSQL.${PORT}`)) <= SOCKET_PATH_BYTES) return beside;
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return join(realpathSync(tmpdir()), `${NAME}-${name}`);
}

/** Makes a folder that only `owner` (or this OS user) can enter, and refuses one of someone else's. */
function privateFolder(path: string, owner: Launcher['owner']): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(realpathSync(path));
  if (uid !== process.getuid?.() && uid !== owner?.uid) {
    throw new Error(`the folder ${path} belongs to another OS user`);
  }
  chmodSync(path, 0o700);
  if (owner) chownSync(path, owner.uid, owner.gid);
  return realpathSync(path);
}

/** Makes the database's files, all or nothing: initdb leaves half of them when it is killed. */
async function initialise(
  cluster: string,
  initdb: string,
  launcher: Launcher,
  durable: boolean,
): Promise<void> {
  if (existsSync(cluster)) {
    const version = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
    if (version === MAJOR_VERSION) return;
    throw new Error(`${cluster} was made by PostgreSQL ${version}, not ${MAJOR_VERSION}`);
  }
  const unfinished = `${cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  privateFolder(unfinished, launcher.owner);
  const args = ['-D', unfinished, '-U', NAME, '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  if (!durable) args.push('--no-sync');
  await promisify(execFile)(...launcher.command(initdb, args)).catch((error) => {
    throw new Error(`PostgreSQL could not make its files in ${cluster}: ${error.message}`);
  });
  renameSync(unfinished, cluster);
  const parent = openSync(dirname(cluster), 'r');
  fsyncSync(parent);
  closeSync(parent);
}

async function start(
  cluster: string,
  socketDir: string,
  postgres: string,
  launcher: Launcher,
  settings: Readonly<Record<string, string>>,
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const sockets = {
    listen_addresses: '',
    port: String(PORT),
    unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
  };
  const flags = Object.entries({ ...settings, ...sockets }).flatMap(([k, v]) => [
    '-c',
    `${k}=${v}`,
  ]);
  const [file, args, spawning] = launcher.command(postgres, ['-D', cluster, ...flags]);
  // A process group of its own: Ctrl-C is for us, who stop PostgreSQL last.
  const child = spawn(file, args, {
    ...spawning,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const said: string[] = [];
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    said.push(line);
    if (said.length > 20) said.shift();
    options.log?.(line);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => said.push(error.message));
  });
  const endWithUs = () => child.kill('SIGINT');
  process.once('exit', endWithUs);
  ended.then(() => process.off('exit', endWithUs));

  const connection = { host: socketDir, port: PORT, user: NAME, database: NAME, ssl: false };
  try {
    await untilReady(cluster, ended);
    await ensureDatabase(connection);
  } catch (error) {
    await shutDown(child, ended);
    const reason = said.length > 0 ? said.join('\n') : String(error);
    throw new Error(`PostgreSQL did not start on ${cluster}: ${reason}`);
  }
  let stopping: Promise<void> | undefined;
  return {
    connection,
    pid: child.pid as number,
    ended,
    stop() {
      stopping ??= shutDown(child, ended);
      return stopping;
    },
  };
}

/** PostgreSQL writes into its lock file when it takes connections; polling that troubles nobody. */
async function untilReady(cluster: string, ended: Promise<void>): Promise<void> {
  let running = true;
  ended.then(() => {
    running = false;
  });
  const status = () => readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[7]?.trim();
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (!running) throw new Error('it ended');
    if (Date.now() > deadline) throw new Error(`not ready after ${START_TIMEOUT_MS / 1000} s`);
    if (existsSync(join(cluster, 'postmaster.pid')) && status() === 'ready') return;
    await Promise.race([sleep(10), ended]);
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

/** Fast shutdown (SIGINT); what does not obey in time is ended by immediate shutdown, then by force. */
async function shutDown(child: ChildProcess, ended: Promise<void>): Promise<void> {
  const steps: [NodeJS.Signals, number][] = [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
    ['SIGKILL', IMMEDIATE_SHUTDOWN_MS],
  ];
  for (const [signal, patience] of steps) {
    child.kill(signal);
    const late = new AbortController();
    const timeout = sleep(patience, true, { signal: late.signal }).catch(() => true);
    const timedOut = await Promise.race([ended.then(() => false), timeout]);
    late.abort();
    if (!timedOut) return;
  }
}
