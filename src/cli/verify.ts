import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { differenceOf } from '../projections/compare.ts';
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

function describe(finding: Finding): string {
  const { table, key, told } = finding;
  const row = `  ${table} ${JSON.stringify(key)}`;
  const { what, columns } = differenceOf(finding);
  const wrong = {
    missing: 'is missing',
    unexpected: 'should not be',
    different: `differs in ${columns}`,
  }[what];
  if (!told) return `${row} ${wrong}; no event tells of it`;
  const { type, revision, stream, id } = told;
  return `${row} ${wrong}; last told of by ${type}, revision ${revision} of ${stream} (${id})`;
}
