import { openEngine } from '../app.ts';
import { type Position } from '../eventstore/event-store.ts';
import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { loadMasterKey } from '../platform/master-key.ts';
import { Secrets } from '../platform/secrets.ts';
import { SubjectKeys } from '../platform/subject-keys.ts';
import { rebuildAudit } from '../projections/audit-rebuild.ts';
import { protocolReadModels } from '../projections/index.ts';
import { rebuild } from '../projections/rebuild.ts';

const BAR_WIDTH = 30;

/** Drops the read models and builds them anew from the log, showing how far it is. */
export async function rebuildCommand(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger(config.logLevel);
  const secrets = new Secrets(loadMasterKey(config));
  const engine = await openEngine(config, log, { project: false });
  const start = performance.now();
  try {
    const head = await engine.head();
    const { events, differences } = await rebuild({
      pool: engine.pool,
      store: engine.store,
      projections: protocolReadModels,
      projected: config.eventStoreUrl !== null,
      progress: (done) => show(done, head, start),
    });
    process.stdout.write(`\n${events} events, ${rate(events, start)} events/s\n`);
    const tables = Object.entries(differences);
    for (const [table, rows] of tables) process.stdout.write(`  ${table}: ${rows} rows differed\n`);
    if (tables.length === 0) process.stdout.write('The read models are as they were.\n');

    const subjectKeys = new SubjectKeys(engine.pool, secrets);
    const keys = { secrets, subjectKeys };
    const audit = await rebuildAudit({ pool: engine.pool, store: engine.store, keys });
    process.stdout.write(
      audit.differences > 0
        ? `  audit index: ${audit.differences} rows differed\n`
        : 'The audit index is as it was.\n',
    );
  } finally {
    await engine.close();
  }
}

function show(done: { events: number; position: Position }, head: Position, start: number): void {
  const share = Number(done.position) / Math.max(Number(head), 1);
  const filled = Math.min(Math.round(BAR_WIDTH * share), BAR_WIDTH);
  const bar = '█'.repeat(filled).padEnd(BAR_WIDTH, '░');
  process.stdout.write(`\r${bar} ${done.events} events, ${rate(done.events, start)}/s `);
}

function rate(events: number, start: number): number {
  return Math.round(events / ((performance.now() - start) / 1000));
}
