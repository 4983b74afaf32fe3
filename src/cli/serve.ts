import { startServer } from '../app.ts';
import type { FirstRun } from '../commands/seed/seed.ts';
import { type Config, loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';

/** Starts the server and runs until SIGTERM or SIGINT, finishing requests under way. */
export async function serveCommand(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger(config.logLevel);
  const server = await startServer(config, log);
  if (server.firstRun) process.stdout.write(welcome(config, server.firstRun));
  log.info({ issuer: config.issuer, adminPort: config.adminPort }, 'serving');

  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    await server.stop();
    log.info('stopped');
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
