import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/platform/embedded-postgres.ts';
import { packageFolder, symlinksOf } from '../../src/platform/postgres-binaries.ts';
import { dieWithParent, launcher, unprivilegedUser } from '../../src/platform/postgres-launcher.ts';

const root = process.getuid?.() === 0;
const linux = process.platform === 'linux';
const testAsRoot = root ? test : test.skip;
const testOnLinux = linux ? test : test.skip;

let scratch: string;
/** Used by one test after the other: a first start costs a second. */
let dataDir: string;
const running = new Set<EmbeddedPostgres>();
const owners = new Set<ChildProcess>();

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'muniment-embedded-')); // mode 0700
  dataDir = join(scratch, 'data');
});
afterEach(async () => {
  for (const owner of owners) owner.kill('SIGKILL');
  owners.clear();
  for (const server of running) await server.stop();
  running.clear();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, ...options });
  running.add(server);
  return server;
}

/** For databases that nobody will miss: making one takes half the time. */
const quick = { settings: { fsync: 'off' } };

/** A server owned by another process, which a test may kill. */
async function startElsewhere(): Promise<{ owner: ChildProcess; pid: number; url: pg.PoolConfig }> {
  const script = new URL('../support/postgres-owner.ts', import.meta.url).pathname;
  const owner = spawn(process.execPath, [script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  owners.add(owner);
  const [line] = await once(createInterface({ input: owner.stdout }), 'line');
  const { pid, connection } = JSON.parse(line);
  return { owner, pid, url: connection };
}

async function killed(process: ChildProcess): Promise<void> {
  process.kill('SIGKILL');
  await once(process, 'exit');
}

async function query(connection: pg.ClientConfig, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !linux || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

const note = (text: string) =>
  `create table if not exists notes (text text); insert into notes values ('${text}')`;

describe('a server of our own', () => {
  test('is durable, private and reached by Unix socket only', async () => {
    const { connection } = await start();
    const rows = await query(
      connection,
      `select current_setting('server_version_num')::int / 10000 as major,
              current_setting('fsync') as fsync, current_setting('synchronous_commit') as commits,
              current_setting('full_page_writes') as pages, current_setting('listen_addresses') as tcp,
              current_setting('max_connections') as connections,
              current_setting('shared_buffers') as buffers,
              current_database() as database, current_setting('server_encoding') as encoding,
              (select datcollate from pg_database where datname = current_database()) as collation`,
    );
    expect(rows).toEqual([
      {
        major: 18,
        fsync: 'on',
        commits: 'on',
        pages: 'on',
        tcp: '',
        connections: '100',
        buffers: '128MB',
        database: 'muniment',
        encoding: 'UTF8',
        collation: 'C',
      },
    ]);
    for (const folder of [dataDir, String(connection.host), join(dataDir, 'postgres')]) {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    }
  });

  test('keeps what it was given over a stop, which ends open transactions', async () => {
    const server = await start();
    await query(server.connection, note('kept'));
    const open = new pg.Client(server.connection);
    const broken = new Promise((resolve) => open.on('error', resolve));
    await open.connect();
    await open.query(`begin; insert into notes values ('never committed')`);

    await Promise.all([server.stop(), server.stop()]);
    await broken;
    await server.ended;
    expect(lives(server.pid)).toBe(false);

    const again = await start();
    expect(await query(again.connection, 'select * from notes')).toEqual([{ text: 'kept' }]);
  });

  test('says nothing of statements and values in its log', async () => {
    const lines: string[] = [];
    const { connection, stop } = await start({ log: (line) => lines.push(line) });
    const wrong = [
      `select 'canary'::int`,
      `insert into canary values (1)`,
      `create temp table t (v text unique); insert into t values ('canary'), ('canary')`,
    ];
    for (const sql of wrong) await expect(query(connection, sql)).rejects.toThrow();
    await stop();
    expect(lines.join('\n')).toContain('ready to accept connections');
    expect(lines.join('\n')).not.toContain('canary');
  });

  testOnLinux('is told nothing of our environment', async () => {
    const { pid } = await start();
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
    const names = environment.map((entry) => entry.split('=')[0]).sort();
    expect(names).toEqual(['LC_ALL', 'PATH', 'TZ']);
  });

  test('has a socket also where the data folder lies too deep for one', async () => {
    const deep = join(scratch, 'd'.repeat(60), 'e'.repeat(60));
    const { connection } = await start({ ...quick, dataDir: deep });
    expect(Buffer.byteLength(deep)).toBeGreaterThan(107);
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(statSync(String(connection.host)).mode & 0o777).toBe(0o700);
    await expect(start({ ...quick, dataDir: deep })).rejects.toThrow(deep);
    rmSync(String(connection.host), { recursive: true });
  });

  test('makes its files all or nothing', async () => {
    const interrupted = join(scratch, 'inter,rupted "by" kill');
    mkdirSync(join(interrupted, 'postgres.new'), { recursive: true });
    writeFileSync(join(interrupted, 'postgres.new', 'PG_VERSION'), '18\n');
    const { connection } = await start({ ...quick, dataDir: interrupted });
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('refuses files of another major version', async () => {
    const old = join(scratch, 'old');
    mkdirSync(join(old, 'postgres'), { recursive: true });
    writeFileSync(join(old, 'postgres', 'PG_VERSION'), '17\n');
    await expect(start({ dataDir: old })).rejects.toThrow(
      /postgres was made by PostgreSQL 17, not 18/,
    );
  });

  test('says why it did not start', async () => {
    await expect(start({ settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
      /did not start on .*shared_buffers/s,
    );
    await expect(start()).resolves.toBeDefined();
  });

  test('names DATABASE_URL where there is no PostgreSQL for the platform', async () => {
    const { arch } = process;
    Object.defineProperty(process, 'arch', { value: 'sparc' });
    try {
      await expect(start()).rejects.toThrow(/sparc.*DATABASE_URL/);
    } finally {
      Object.defineProperty(process, 'arch', { value: arch });
    }
  });
});

describe('one data folder', () => {
  test('is not shared by two servers, of one process or of two', async () => {
    const server = await start();
    await expect(start()).rejects.toThrow(
      `the data folder ${dataDir} is in use by another Muniment (process ${process.pid})`,
    );
    await server.stop();

    const elsewhere = await startElsewhere();
    await expect(start()).rejects.toThrow(
      `the data folder ${dataDir} is in use by another Muniment (process ${elsewhere.owner.pid})`,
    );
    expect(await query(elsewhere.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('is not taken from a PostgreSQL that was started by hand', async () => {
    await (await start()).stop();
    const cluster = join(dataDir, 'postgres');
    const idle = 'setInterval(() => {}, 1000)';
    const other = spawn(process.execPath, ['-e', idle, '--', 'postgres', '-D', cluster]);
    owners.add(other);
    const pidFile = join(cluster, 'postmaster.pid');
    writeFileSync(pidFile, `${other.pid}\n`);
    await expect(start()).rejects.toThrow(/another PostgreSQL .* runs on .*stop it first/);
    await killed(other);
    await expect(start()).resolves.toBeDefined();
  });
});

describe('kill -9', () => {
  testOnLinux('of the owner ends the server, and nothing committed is lost', async () => {
    for (const round of [1, 2]) {
      const { owner, pid, url } = await startElsewhere();
      await query(url, note(`round ${round}`));
      await killed(owner);
      await until(() => !lives(pid));
    }
    const { connection } = await start();
    const rows = await query(connection, `select text from notes where text like 'round %'`);
    expect(rows.map((row) => row.text)).toEqual(['round 1', 'round 2']);
  });

  test('of the owner lets the next start wait for the server it left', async () => {
    const { owner, pid } = await startElsewhere();
    process.kill(pid, 'SIGSTOP');
    await killed(owner);
    const starting = start();
    const first = await Promise.race([starting.then(() => 'started'), sleep(300, 'waits')]);
    expect(first).toBe('waits');
    process.kill(pid, 'SIGCONT');
    const { connection } = await starting;
    expect(lives(pid)).toBe(false);
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('of both leaves a lock file that does not matter, whoever has its number now', async () => {
    const { owner, pid, url } = await startElsewhere();
    // A statement that does not notice for a while holds on to the shared memory.
    const busy = new pg.Client(url);
    busy.on('error', () => {});
    await busy.connect();
    busy.query('select count(*) from generate_series(1, 5000000)').catch(() => {});
    await query(url, 'select 1');
    process.kill(pid, 'SIGKILL');
    await killed(owner);

    const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
    expect(existsSync(pidFile)).toBe(true);
    writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(String(pid), String(process.pid)));
    const { connection } = await start();
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('of the server alone is noticed, and it can be started again', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    await expect(start()).resolves.toBeDefined();
  });
});

describe('an installation', () => {
  /** npm with install scripts forbidden, by root, in a folder nobody else can enter. */
  test('without install scripts, under a private folder, starts', async () => {
    const copy = join(scratch, 'package');
    const installed = String(packageFolder());
    const links = new Set(symlinksOf(installed).map(({ target }) => join(installed, target)));
    cpSync(installed, copy, { recursive: true, filter: (file) => !links.has(file) });
    for (const name of ['initdb', 'postgres']) chmodSync(join(copy, 'native/bin', name), 0o644);
    expect(links.size).toBeGreaterThan(0);

    const { connection } = await start({
      ...quick,
      packageFolder: copy,
      dataDir: join(scratch, 'private'),
    });
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }]);
    for (const { target } of symlinksOf(copy)) expect(existsSync(join(copy, target))).toBe(true);
  });

  test('that cannot be completed says so', async () => {
    const readOnly = join(scratch, 'read-only');
    mkdirSync(join(readOnly, 'native'), { recursive: true });
    const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so' }];
    writeFileSync(join(readOnly, 'native/pg-symlinks.json'), JSON.stringify(links));
    await expect(start({ packageFolder: readOnly })).rejects.toThrow(/libpq\.so.*DATABASE_URL/);
  });

  testAsRoot('whose root may not make user namespaces uses an OS user', async () => {
    chmodSync(scratch, 0o711);
    const user = unprivilegedUser();
    const asUser = launcher(dieWithParent(), user);
    const here = join(scratch, 'as-user');
    const copy = join(scratch, 'package');
    if (!existsSync(copy)) cpSync(String(packageFolder()), copy, { recursive: true });

    const server = await start({ ...quick, dataDir: here, launcher: asUser, packageFolder: copy });
    await query(server.connection, note('by another user'));
    expect(statSync(join(here, 'postgres')).uid).toBe(user?.uid);
    expect(statSync(here).mode & 0o777).toBe(0o711);
    expect(statSync(String(server.connection.host)).mode & 0o777).toBe(0o700);
    await server.stop();

    const asRoot = await start({ dataDir: here });
    expect(await query(asRoot.connection, 'select * from notes')).toHaveLength(1);
    await asRoot.stop();
    const asUserAgain = await start({
      ...quick,
      dataDir: here,
      launcher: asUser,
      packageFolder: copy,
    });
    expect(await query(asUserAgain.connection, 'select * from notes')).toHaveLength(1);
    chmodSync(scratch, 0o700);
  });
});
