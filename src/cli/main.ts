#!/usr/bin/env node
import cluster from 'node:cluster';
import { ConfigError } from '../platform/config.ts';
import { applyCommand, exportCommand, planCommand } from './configuration.ts';
import { logCommand } from './log-copy.ts';
import { rebuildCommand } from './rebuild.ts';
import { schemaCommand } from './schema.ts';
import { serveCommand } from './serve.ts';
import { verifyCommand } from './verify.ts';

const USAGE = `Usage: muniment <command>

  serve     start the server
  rebuild   build the read models anew from the log; --dry-run compares only
  verify    hold the read models to the log; --repair mends rows that differ
  log       copy the log to another engine or database, and prove it: log copy --from A --to B
  plan      show what applying a configuration would change: plan FILE
  apply     make everything be as a configuration declares it: apply FILE
  export    print everything that is there as a configuration: export [json]
  schema    print the GraphQL schema of the Admin API

Configuration is by environment variables; see README.md.
`;

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  plan: planCommand,
  apply: applyCommand,
  export: exportCommand,
  serve: serveCommand,
  rebuild: rebuildCommand,
  verify: verifyCommand,
  log: logCommand,
  schema: schemaCommand,
};

const command = commands[process.argv[2] ?? ''];
if (!command) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  try {
    await command(process.argv.slice(3));
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : describe(error)}\n`);
    // A worker is kept alive by its connection to the process that watches over it.
    if (cluster.isWorker) process.exit(1);
    process.exitCode = 1;
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `muniment: ${error.message}` : String(error);
}
