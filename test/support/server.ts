import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Admin, openAdmin } from './admin.ts';
import { type EventStoreDouble, startEventStoreDouble } from './eventstoredb/double.ts';
import { eventually } from './eventually.ts';
import { createDatabase, type TestDatabase } from './postgres.ts';

/** The program that `npm run build` made. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const ISSUER_HOST = 'localhost';
/** Milliseconds after which a server that was told to stop is not going to: SHUTDOWN_TIMEOUT and some. */
const STOP_MS = 30_000;

export type EngineName = 'postgres' | 'eventstoredb';
export const ENGINES: readonly EngineName[] = ['postgres', 'eventstoredb'];

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** One server process. Several share an issuer, and differ in where they listen. */
export interface TestNode {
  /** Where it listens; its links lead to the issuer all the same. */
  readonly url: string;
  readonly adminUrl: string;
  /** Sends what is addressed to the issuer to this node. */
  readonly fetch: Fetch;
  /** Resolves when the process is gone; SIGTERM by default. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Holds the process where it is, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts the process again where it was, and resolves when it is ready. What is given stays so. */
  restart(other?: Release): Promise<void>;
}

/** What a node can be started again with. */
export interface Release {
  /** Its `dist/cli/main.js`: what `npm run build` made when absent. */
  readonly main?: string;
  /** Variables in place of those it had. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface TestServer {
  readonly issuer: string;
  readonly nodes: readonly TestNode[];
  /** The first node. */
  readonly node: TestNode;
  readonly database: TestDatabase;
  /** The EventStoreDB double, on that engine. */
  readonly double: EventStoreDouble | undefined;
  readonly admin: Admin;
  readonly adminPassword: string;
  readonly adminClientSecret: string;
  /** Everything the processes have written to their standard streams. */
  output(): string;
  /** Runs another command of the program with the servers' configuration. */
  run(
    command: string,
    ...args: string[]
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** @throws Error when the servers have reported errors, which no test expects unless it says so */
  stop(): Promise<void>;
}

/**
 * Starts the program that `npm run build` made, as real processes on a database of their own.
 * @param options.env variables beside those for addresses, database and secrets
 * @param options.nodeEnv variables of one node, for a way of its own to the database
 * @param options.machines where each node runs; here when absent
 * @param options.postgres URL of a server that takes the place of the run's one
 * @param options.errors whether the servers may report errors in their log
 */
export async function startTestServer(options: {
  engine: EngineName;
  nodes?: number;
  postgres?: string;
  env?: Readonly<Record<string, string>>;
  nodeEnv?: (
    nth: number,
    database: TestDatabase,
    double: EventStoreDouble | undefined,
  ) => Promise<Record<string, string>>;
  machines?: readonly { readonly address: string; readonly prefix: readonly string[] }[];
  errors?: boolean;
}): Promise<TestServer> {
  const database = await createDatabase(options.postgres);
  const double = options.engine === 'eventstoredb' ? await startEventStoreDouble() : undefined;
  const masterKey = randomBytes(32);
  const adminPassword = randomBytes(24).toString('base64url');
  const adminClientSecret = randomBytes(32).toString('base64url');
  const places = await Promise.all(
    Array.from({ length: options.nodes ?? 1 }, async (_, nth) => ({
      port: await freePort(),
      adminPort: await freePort(),
      own: await options.nodeEnv?.(nth, database, double),
      ...(options.machines?.[nth] ?? { address: '127.0.0.1', prefix: [] }),
    })),
  );
  const issuer = `http://${ISSUER_HOST}:${places[0]?.port}`;
  const shared: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    ISSUER: issuer,
    DATABASE_URL: database.url,
    ...(double ? { EVENTSTORE_URL: double.url } : {}),
    MASTER_KEY: masterKey.toString('base64'),
    ADMIN_PASSWORD: adminPassword,
    ADMIN_CLIENT_SECRET: adminClientSecret,
    LOG_LEVEL: 'info',
    // Many processes of the same program: compiling it once saves a third of each start.
    NODE_COMPILE_CACHE: join(tmpdir(), 'muniment-test-compile-cache'),
    ...options.env,
  };

  let output = '';
  const hear = (chunk: string) => {
    output += chunk;
  };
  const nodes = places.map(({ address, prefix, port, adminPort, own }) =>
    serverProcess({
      issuer,
      url: `http://${address}:${port}`,
      adminUrl: `http://${address}:${adminPort}`,
      prefix,
      env: {
        ...shared,
        HOST: address,
        PORT: String(port),
        ADMIN_PORT: String(adminPort),
        ...own,
      },
      hear,
      output: () => output,
    }),
  );

  async function stop(): Promise<void> {
    await Promise.all(nodes.map((node) => node.kill()));
    await admin?.close();
    await double?.stop();
    await database.drop();
    const errors = output.split('\n').filter((line) => /^\{"level":"(error|fatal)"/.test(line));
    if (errors.length > 0 && !options.errors) {
      throw new Error(`the servers reported errors:\n${errors.join('\n')}`);
    }
  }

  let admin: Admin | undefined;
  try {
    await Promise.all(nodes.map((node) => node.restart()));
    admin = openAdmin({ database, eventStoreUrl: double?.url, masterKey });
  } catch (error) {
    // Why it did not start says more than that it ended.
    await stop().catch(() => {});
    throw error;
  }
  return {
    issuer,
    nodes,
    node: nodes[0] as TestNode,
    database,
    double,
    admin,
    adminPassword,
    adminClientSecret,
    output: () => output,
    async run(...args) {
      const child = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], {
        env: shared,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ]);
      return { code: child.exitCode, stdout, stderr };
    },
    stop,
  };
}

function serverProcess(place: {
  issuer: string;
  url: string;
  adminUrl: string;
  prefix: readonly string[];
  env: Record<string, string | undefined>;
  hear: (chunk: string) => void;
  output: () => string;
}): TestNode {
  let child: ChildProcess | undefined;
  let killed = false;
  let release = { main: MAIN, env: place.env };
  const ended = () => child && (child.exitCode !== null || child.signalCode !== null);
  return {
    url: place.url,
    adminUrl: place.adminUrl,

    async fetch(url, init) {
      try {
        return await fetch(String(url).replace(place.issuer, place.url), init);
      } catch (error) {
        if (!ended()) throw error;
        const how = child?.signalCode ?? child?.exitCode;
        throw new Error(`the server is gone (${how}):\n${place.output()}`, { cause: error });
      }
    },

    async kill(signal = 'SIGTERM') {
      if (!child || ended()) return;
      killed = true;
      const gone = once(child, 'close');
      child.kill(signal);
      const late = setTimeout(() => {
        place.hear('{"level":"fatal","msg":"the server would not stop"}\n');
        child?.kill('SIGKILL');
      }, STOP_MS);
      await gone;
      clearTimeout(late);
    },

    signal(signal) {
      child?.kill(signal);
    },

    async restart({ main = release.main, env } = {}) {
      release = { main, env: { ...release.env, ...env } };
      const command = [...place.prefix, process.execPath, '--enable-source-maps', main, 'serve'];
      const [program = '', ...args] = command;
      const started = spawn(program, args, {
        env: release.env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      killed = false;
      started.once('close', (code) => {
        if (!killed) place.hear(`{"level":"fatal","msg":"the server ended by itself: ${code}"}\n`);
      });
      started.stdout.setEncoding('utf8').on('data', place.hear);
      started.stderr.setEncoding('utf8').on('data', place.hear);
      await eventually('the server is ready', () => {
        if (ended()) throw new Error(`the server did not start:\n${place.output()}`);
        return answers(`${place.adminUrl}/health/ready`);
      }).catch((error) => {
        const said = place
          .output()
          .split('\n')
          .filter((line) => !line.includes('"request"'));
        throw new Error(`${error.message}\n${said.join('\n')}`);
      });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** A port below those the system gives to outgoing connections, so that a restart finds it free. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + (randomBytes(2).readUInt16BE() % 22_000);
    const probe = createServer().listen(port, '127.0.0.1');
    const free = await Promise.race([
      once(probe, 'listening').then(() => true),
      once(probe, 'error').then(() => false),
    ]).catch(() => false);
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}
