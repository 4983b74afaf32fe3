import { type CopyProgress, copyLog } from '../eventstore/copy.ts';
import { type Checked, CopyCheck } from '../eventstore/copy-check.ts';
import type { RecordedEvent } from '../eventstore/event-store.ts';
import { eventStoreDbEnd, type LogEnd, postgresEnd } from '../eventstore/log-end.ts';
import { migrateLog } from '../eventstore/postgres-schema.ts';
import { loadConfig } from '../platform/config.ts';
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { connectPostgres } from '../platform/postgres.ts';
import { options } from './options.ts';
import { showProgress } from './progress.ts';

const USAGE =
  'log copy --from <engine or URL> --to <engine or URL> [--follow [--until-idle <seconds>]] [--verify-only]';

/**
 * Copies a log to another engine or database and holds the copy to it. Exit code 1 unless the target
 * is what the source is; what was interrupted goes on where it was when it is run again.
 */
export async function logCommand([action]: readonly string[]): Promise<void> {
  const given = options(
    {
      from: { type: 'string' },
      to: { type: 'string' },
      follow: { type: 'boolean', default: false },
      'until-idle': { type: 'string' },
      'verify-only': { type: 'boolean', default: false },
    },
    4,
  );
  if (action !== 'copy' || !given.from || !given.to) throw new Error(`use it so: ${USAGE}`);
  const idle = Number(given['until-idle'] ?? Number.NaN);
  if (given['until-idle'] !== undefined && !(given.follow && idle > 0)) {
    throw new Error('--until-idle: must be a number of seconds, with --follow');
  }
  const from = await openEnd(given.from);
  try {
    const to = await openEnd(given.to, { taking: !given['verify-only'] });
    try {
      const follow = given.follow
        ? { untilIdleMs: Number.isNaN(idle) ? undefined : idle * 1_000 }
        : undefined;
      const whole = given['verify-only'] ? await check(from, to) : await copy(from, to, follow);
      if (!whole) process.exitCode = 1;
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** @returns whether the target holds all that the source does, and nothing else */
async function copy(
  from: LogEnd,
  to: LogEnd,
  follow: { untilIdleMs?: number } | undefined,
): Promise<boolean> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  const checking = new CopyCheck(from.store, to.store);
  let progress = await progressOf(from);
  const { events, last } = await copyLog({
    from: from.store,
    to,
    signal: stop.signal,
    follow,
    progress: (done) => progress(done),
    async caughtUp(last) {
      if (!follow) return;
      // What is there is checked while servers still run: little is left to be once they have stopped.
      const checked = await checking.advance({ until: last?.position });
      if (checked.divergence) return stop.abort();
      process.stdout.write(`\rEverything is copied: ${checked.events} events. Following. `);
      progress = await progressOf(from);
    },
  });
  process.stdout.write(`\n${events} events copied\n`);
  const missing = !(await sameEnd(from, last));
  const checked = await checking.advance({
    until: last?.position,
    progress: checkProgress(await progressOf(from)),
  });
  if (!tell(checked)) return false;
  if (missing) process.stdout.write('The source holds more: run it again to go on.\n');
  return !missing;
}

async function check(from: LogEnd, to: LogEnd): Promise<boolean> {
  const progress = checkProgress(await progressOf(from));
  return tell(await new CopyCheck(from.store, to.store).advance({ progress }));
}

async function sameEnd(from: LogEnd, last: RecordedEvent | undefined): Promise<boolean> {
  return (await from.store.last())?.id === last?.id;
}

/** Names events only: what they hold may be nobody's business. */
function tell({ events, digests, divergence }: Checked): boolean {
  process.stdout.write(`\n${events} events are the same in both logs, in the same order.\n`);
  process.stdout.write(`  source ${digests.source}\n  target ${digests.target}\n`);
  if (!divergence) return true;
  const named = (event: RecordedEvent | null) =>
    event
      ? `${event.type}, revision ${event.revision} of ${event.stream} (${event.id}) at ${event.position}`
      : 'nothing';
  const { nth, source, target } = divergence;
  const [original, copied] = [named(source), named(target)];
  process.stdout.write(`Event ${nth} differs.\n  source ${original}\n  target ${copied}\n`);
  return false;
}

async function progressOf({ store }: LogEnd) {
  const head = await store.last();
  return showProgress(head?.position ?? '0');
}

function checkProgress(show: (progress: CopyProgress) => void) {
  const start = performance.now();
  return ({ events, position }: Pick<CopyProgress, 'events' | 'position'>): void => {
    const eventsPerSecond = Math.round(events / ((performance.now() - start) / 1_000));
    show({ events, eventsPerSecond, position });
  };
}

/** `postgres` and `eventstoredb` are those of the configuration. */
async function openEnd(name: string, { taking = false } = {}): Promise<LogEnd> {
  if (/^postgres(ql)?:\/\//.test(name)) return openPostgres(name, taking);
  if (/^(esdb|kurrentdb)(\+discover)?:\/\//.test(name)) return eventStoreDbEnd(name);
  const { databaseUrl, dataDir, eventStoreUrl } = loadConfig(process.env);
  if (name === 'eventstoredb' && eventStoreUrl) return eventStoreDbEnd(eventStoreUrl);
  if (name === 'postgres' && databaseUrl) return openPostgres(databaseUrl, taking);
  if (name === 'postgres') {
    const embedded = await startEmbeddedPostgres({ dataDir });
    const end = await openPostgres(embedded.connection, taking);
    return { ...end, close: () => end.close().then(() => embedded.stop()) };
  }
  throw new Error(
    `${name}: must be postgres, or eventstoredb where EVENTSTORE_URL says which, or a URL that begins with postgres:// or esdb://`,
  );
}

async function openPostgres(
  connection: Parameters<typeof connectPostgres>[0],
  taking: boolean,
): Promise<LogEnd> {
  const pool = connectPostgres(connection);
  if (taking) await migrateLog(pool);
  const end = postgresEnd(pool);
  return { ...end, close: () => end.close().then(() => pool.end()) };
}
