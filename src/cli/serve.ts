import cluster from 'node:cluster';
import { startServer } from '../app.ts';
import type { FirstRun } from '../commands/seed/seed.ts';
import { type Config, loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { startTracing } from '../platform/tracing-sdk.ts';
import { askWhatIsGiven, sayReady, serveWithWorkers } from './workers.ts';

/** Starts the server and runs until SIGTERM or SIGINT, finishing requests under way. */
export async function serveCommand(): Promise<void> {
  const given = cluster.isWorker ? await askWhatIsGiven() : {};
  const config = { ...loadConfig(process.env), ...given };
  const whose = cluster.isWorker ? { worker: process.pid } : {};
  const log = createLogger(config.logLevel).child(whose);
  if (cluster.isPrimary && config.workers > 1) return serveWithWorkers(config, log);

  const endTracing = await startTracing(process.env, log);
  const server = await startServer(config, log);
  if (server.firstRun) process.stdout.write(welcome(config, server.firstRun));
  if (cluster.isWorker) sayReady();
  else log.info({ issuer: config.issuer, adminPort: config.adminPort }, 'serving');

  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    if (cluster.isPrimary) log.info({ signal }, 'stopping');
    await server.stop();
    await endTracing();
    if (cluster.isPrimary) log.info('stopped');
    // An idle library timer must not keep the process: everything that is ours has ended.
    process.exit(process.exitCode ?? 0);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void stop(signal));
}

/** Shown once: what the first start made up is nowhere to be read again. */
function welcome(config: Config, first: FirstRun): string {
  const given = '(as configured)';
  return `
Muniment is set up. These are shown this once; keep them safe.

  Operator        ${first.adminUsername}
  Password        ${first.adminPassword ?? given}
  Admin client    muniment-admin
  Client secret   ${first.adminClientSecret ?? given}

  Issuer          ${config.issuer}
  Admin API       http://localhost:${config.adminPort}/graphql

`;
}
