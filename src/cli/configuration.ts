import { readFile } from 'node:fs/promises';
import type { CommandContext } from '../commands/command.ts';
import { systemEnvelope } from '../commands/command.ts';
import { exportConfiguration } from '../commands/configuration/export.ts';
import {
  applyConfiguration,
  type EntityChange,
  planConfiguration,
} from '../commands/configuration/plan.ts';
import { executor } from '../eventstore/execute.ts';
import { logoutConsequences } from '../oidc/notices/backchannel-logout.ts';
import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { loadMasterKey } from '../platform/master-key.ts';
import { Secrets } from '../platform/secrets.ts';
import { SubjectKeys } from '../platform/subject-keys.ts';
import { configuredNames } from '../projections/configuration.ts';
import { openEngine } from '../projections/engine.ts';
import { ProtocolReads } from '../projections/protocol-reads.ts';

/** Shows what applying a file would change. */
export async function planCommand([file]: readonly string[]): Promise<void> {
  const document = await text(file);
  await withCommands(async (context) => {
    const { changes } = await planConfiguration(context, { document }, systemEnvelope().at);
    show(changes);
  });
}

/** Makes everything be as a file declares it, as one recorded act. */
export async function applyCommand([file]: readonly string[]): Promise<void> {
  const document = await text(file);
  await withCommands(async (context) => {
    const { changes } = await applyConfiguration(context, { document }, systemEnvelope());
    show(changes);
  });
}

/** Prints everything that is there as a configuration: in YAML, or with `json` in JSON. */
export async function exportCommand([format]: readonly string[]): Promise<void> {
  await withCommands(async (context, pool) => {
    const names = await configuredNames(pool);
    const written = await exportConfiguration(context, names, format === 'json' ? 'json' : 'yaml');
    process.stdout.write(written);
  });
}

function text(file: string | undefined): Promise<string> {
  if (!file) throw new Error('name the file with the configuration');
  return readFile(file, 'utf8');
}

async function withCommands(
  work: (
    context: CommandContext,
    pool: Awaited<ReturnType<typeof openEngine>>['pool'],
  ) => Promise<void>,
): Promise<void> {
  const config = loadConfig(process.env);
  const secrets = new Secrets(await loadMasterKey(config));
  const engine = await openEngine(config, createLogger(config.logLevel), { project: false });
  try {
    const { pool, store } = engine;
    const reads = new ProtocolReads(pool);
    const execute = executor(store, { consequences: logoutConsequences({ reads, secrets }) });
    const { signingAlgorithms } = config;
    const subjectKeys = new SubjectKeys(pool, secrets);
    await work({ execute, store, secrets, subjectKeys, signingAlgorithms }, pool);
  } finally {
    await engine.close();
  }
}

const SIGNS = { add: '+', change: '~', remove: '-' } as const;

function show(changes: readonly EntityChange[]): void {
  const lines = changes.flatMap(({ section, name, action, fields }) => [
    `${SIGNS[action]} ${section} ${name}`,
    ...fields.map(
      ({ field, before, after }) =>
        `    ${field}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`,
    ),
  ]);
  process.stdout.write(lines.length > 0 ? `${lines.join('\n')}\n` : 'Everything is as declared.\n');
}
