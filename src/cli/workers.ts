import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../platform/config.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { gracefulServer } from '../platform/http.ts';
import { loadMasterKey } from '../platform/master-key.ts';
import { gatherMetrics } from '../platform/worker-metrics.ts';

/** A worker that lived shorter is not replaced at once: what ended it may well end the next one. */
const SHORT_LIFE_MS = 5_000;
/** Connections of a worker at most (see app.ts), and some for others. */
const CONNECTIONS = 24;

/** What a worker says to the process that watches over it. */
type Said = 'what is given?' | 'ready';

/** What a worker is told: all else of the configuration it reads itself. */
type Given = Pick<Config, 'masterKey' | 'databaseUrl' | 'port' | 'adminPort'>;

/**
 * Serves with several processes: this one owns the embedded PostgreSQL, sees to it that the ports are
 * free, and replaces workers that end by themselves. To each other they are nodes like any.
 * @throws Error when the first of them does not come to serve; it has said why
 */
export async function serveWithWorkers(config: Config, log: Logger): Promise<void> {
  const masterKey = loadMasterKey(config);
  const ports = await freePorts(config);
  const embedded = await ownPostgres(config, log);
  const databaseUrl = config.databaseUrl ?? embedded?.url ?? null;
  const given: Given = { masterKey, databaseUrl, ...ports };
  let stopping = false;

  async function stop(reason: object): Promise<void> {
    if (stopping) return;
    stopping = true;
    log.info(reason, 'stopping');
    await Promise.all(
      Object.values(cluster.workers ?? {}).map(async (worker) => {
        const gone = worker && once(worker, 'exit');
        worker?.process.kill('SIGTERM');
        await gone;
      }),
    );
    await embedded?.stop();
    log.info('stopped');
    process.exit(process.exitCode ?? 0);
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void stop({ signal }));
  void embedded?.ended.then(() => {
    if (stopping) return;
    log.fatal('the embedded PostgreSQL has ended, and the server with it');
    process.exitCode = 1;
    void stop({});
  });

  async function replace(began: number): Promise<void> {
    if (Date.now() - began < SHORT_LIFE_MS) await sleep(1_000);
    while (!stopping && !(await keepWorker())) await sleep(1_000);
  }

  /** Resolves when the worker serves, with whether it does. */
  async function keepWorker(): Promise<boolean> {
    const began = Date.now();
    const worker = cluster.fork();
    const ready = await served(worker, given);
    if (!ready) return false;
    log.info({ worker: worker.process.pid }, 'a worker serves');
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      log.error({ worker: worker.process.pid, code, signal }, 'a worker has ended');
      void replace(began);
    });
    return true;
  }

  // Where workers cannot have sockets of their own, each still takes connections itself from the one
  // they share: one that this process had given to a worker that then died would never be closed.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ serialization: 'advanced' });
  gatherMetrics();
  // One first: it prepares the database, and what is wrong is said once.
  if (!(await keepWorker())) {
    await embedded?.stop();
    process.exit(1);
  }
  await Promise.all(Array.from({ length: config.workers - 1 }, () => replace(0)));
  const { issuer, adminPort, workers } = config;
  log.info({ issuer, adminPort, workers }, 'serving');
}

/** For a worker: where its database is, and the master key. */
export async function askWhatIsGiven(): Promise<Given> {
  const answer = once(process, 'message');
  say('what is given?');
  return (await answer)[0] as Given;
}

/** For a worker: it serves. */
export function sayReady(): void {
  say('ready');
}

function say(what: Said): void {
  process.send?.(what);
}

async function served(worker: Worker, given: Given): Promise<boolean> {
  const ready = new Promise<boolean>((resolve) => {
    worker.on('message', (said: Said) => {
      if (said === 'what is given?') worker.send(given);
      else if (said === 'ready') resolve(true);
    });
  });
  return Promise.race([ready, once(worker, 'exit').then(() => false)]);
}

/**
 * Workers share their ports, and would share them with a stranger too.
 * @returns the ports that were configured, and free ones for 0
 * @throws Error naming one that is taken
 */
async function freePorts(config: Config): Promise<Pick<Config, 'port' | 'adminPort'>> {
  const { host, mtlsPort } = config;
  const probe = (port: number) =>
    gracefulServer(createServer(), { host, port, shutdownTimeout: 0 });
  const probes = [await probe(config.port), await probe(config.adminPort)] as const;
  if (mtlsPort) await (await probe(mtlsPort)).close();
  const [port, adminPort] = probes.map((each) => each.port) as [number, number];
  await Promise.all(probes.map((each) => each.close()));
  return { port, adminPort };
}

async function ownPostgres(config: Config, log: Logger): Promise<EmbeddedPostgres | undefined> {
  if (config.databaseUrl) return undefined;
  return startEmbeddedPostgres({
    dataDir: config.dataDir,
    settings: { max_connections: String(Math.max(100, CONNECTIONS * config.workers)) },
    log: (line) => log.debug({ line }, 'embedded PostgreSQL'),
  });
}
