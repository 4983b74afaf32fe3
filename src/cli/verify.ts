import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { openEngine } from '../projections/engine.ts';
import { protocolReadModels } from '../projections/index.ts';
import { type Finding, verify } from '../projections/verify.ts';
import { options } from './options.ts';
import { showProgress } from './progress.ts';

/** Exit code 1 while rows are not what the log tells. With --repair they are made so. */
export async function verifyCommand(): Promise<void> {
  const { repair } = options({ repair: { type: 'boolean', default: false } });
  const config = loadConfig(process.env);
  const engine = await openEngine(config, createLogger(config.logLevel), { project: false });
  try {
    const { events, findings } = await verify({
      pool: engine.pool,
      store: engine.store,
      projections: protocolReadModels,
      progress: showProgress(await engine.head()),
      repair,
    });
    process.stdout.write(`\n${events} events\n`);
    for (const finding of findings) process.stdout.write(`${describe(finding)}\n`);
    if (findings.length === 0) process.stdout.write('The read models are what the log tells.\n');
    else if (repair) process.stdout.write(`${findings.length} rows have been mended.\n`);
    else process.exitCode = 1;
  } finally {
    await engine.close();
  }
}

/** Names of columns only: what is in them may be nobody's business. */
function describe({ table, key, found, expected, told }: Finding): string {
  const row = `  ${table} ${JSON.stringify(key)}`;
  const columns = Object.keys(found ?? {}).filter(
    (column) => JSON.stringify(found?.[column]) !== JSON.stringify(expected?.[column]),
  );
  const what = !found ? 'is missing' : !expected ? 'should not be' : `differs in ${columns}`;
  if (!told) return `${row} ${what}; no event tells of it`;
  const { type, revision, stream, id } = told;
  return `${row} ${what}; last told of by ${type}, revision ${revision} of ${stream} (${id})`;
}
