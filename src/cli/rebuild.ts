import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { loadMasterKey } from '../platform/master-key.ts';
import { Secrets } from '../platform/secrets.ts';
import { SubjectKeys } from '../platform/subject-keys.ts';
import { rebuildAudit } from '../projections/audit-rebuild.ts';
import { openEngine } from '../projections/engine.ts';
import { protocolReadModels } from '../projections/index.ts';
import { rebuild } from '../projections/rebuild.ts';
import { options } from './options.ts';
import { showProgress } from './progress.ts';

/**
 * Drops the read models and builds them anew from the log, showing how far it is. With --dry-run it
 * builds and compares them, and keeps those in use.
 */
export async function rebuildCommand(): Promise<void> {
  const { 'dry-run': dryRun } = options({ 'dry-run': { type: 'boolean', default: false } });
  const config = loadConfig(process.env);
  const log = createLogger(config.logLevel);
  const secrets = new Secrets(loadMasterKey(config));
  const engine = await openEngine(config, log, { project: false });
  try {
    const { events, divergences } = await rebuild({
      pool: engine.pool,
      store: engine.store,
      projections: protocolReadModels,
      progress: showProgress(await engine.head()),
      dryRun,
    });
    process.stdout.write(`\n${events} events\n`);
    for (const { table } of protocolReadModels) {
      const rows = divergences.filter((divergence) => divergence.table === table).length;
      if (rows > 0) process.stdout.write(`  ${table}: ${rows} rows differed\n`);
    }
    if (divergences.length === 0) process.stdout.write('The read models are as they were.\n');
    if (dryRun) return;

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
