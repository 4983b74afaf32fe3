import type pg from 'pg';
import type { EventStore, Position, RecordedEvent } from '../eventstore/event-store.ts';
import { APPEND_LOCK, exclusively } from '../eventstore/postgres-schema.ts';
import { upcast } from '../eventstore/upcast.ts';
import { applyEvents, migrateReadModels, READ_SCHEMA, readModelSql } from './apply.ts';
import type { AnyProjection } from './projection.ts';
import {
  announcePosition,
  askingToYield,
  checkpoint,
  PROJECTOR_LOCK,
  saveCheckpoint,
} from './projector.ts';
import { type Cutoffs, PRUNING_LOCK, prune, readPruning, savePruning } from './prune.ts';

/** Where the new read models grow while the old ones are in use. */
const NEXT = 'read_next';

export interface Rebuilt {
  readonly events: number;
  /** Rows that differ between the read models as they were and as the log tells them, by table. */
  readonly differences: Readonly<Record<string, number>>;
}

/**
 * Drops the read models and builds them anew from the log. They grow beside the old ones; only for
 * the last few events, the comparison and the change-over are writers kept waiting.
 * @param options.projected a projector writes the read models, some way behind the log
 * @param options.progress told after each batch
 */
export async function rebuild(options: {
  pool: pg.Pool;
  store: EventStore;
  projections: readonly AnyProjection[];
  projected?: boolean;
  progress?: (done: { events: number; position: Position }) => void;
}): Promise<Rebuilt> {
  const { pool, store, projections, progress } = options;
  let events = 0;

  /** Projects into a schema what it does not hold yet, to the end of the log or a position in it. */
  async function catchUp(client: pg.ClientBase, schema: string, until?: Position): Promise<void> {
    const after = await checkpoint(client, schema);
    const stop = new AbortController();
    for await (const batch of store.subscribe({ after, signal: stop.signal })) {
      const wanted = until ? batch.filter(({ position }) => position <= until) : batch;
      const last = wanted.at(-1);
      if (!last) break;
      await applyEvents(
        client,
        schema,
        projections,
        wanted.map((event: RecordedEvent) => upcast(event)),
      );
      await saveCheckpoint(client, schema, last.position);
      if (schema !== NEXT) continue;
      events += wanted.length;
      progress?.({ events, position: last.position });
    }
    stop.abort();
  }

  const client = await pool.connect();
  try {
    await client.query(`drop schema if exists ${NEXT} cascade`);
    await client.query(readModelSql(NEXT, projections));
    await catchUp(client, NEXT);
    await pruneAll(client, NEXT, await readPruning(client, READ_SCHEMA));
  } finally {
    client.release(true);
  }

  const locked = Promise.withResolvers<void>();
  const change = exclusively(pool, PROJECTOR_LOCK, async (last) => {
    locked.resolve();
    // Comparing takes as long as it takes.
    await last.query('set local statement_timeout = 0');
    await last.query('select pg_advisory_xact_lock($1)', [PRUNING_LOCK]);
    await last.query('select pg_advisory_xact_lock($1)', [APPEND_LOCK]);
    if (options.projected) await catchUp(last, READ_SCHEMA);
    const until = options.projected ? await checkpoint(last, READ_SCHEMA) : undefined;
    await catchUp(last, NEXT, until);
    // What was over at the last pruning is over in both, whenever each of them saw it.
    const pruning = await readPruning(last, READ_SCHEMA);
    await savePruning(last, NEXT, pruning);
    for (const schema of [READ_SCHEMA, NEXT]) await pruneAll(last, schema, pruning);
    const differences = await compare(last, projections);
    await last.query(`drop schema ${READ_SCHEMA} cascade`);
    await last.query(`alter schema ${NEXT} rename to ${READ_SCHEMA}`);
    await migrateReadModels(last, READ_SCHEMA, projections);
    if (until) await announcePosition(last, until);
    return { events, differences };
  });
  await askingToYield(pool, () => Promise.race([change, locked.promise]));
  return change;
}

/** Rows looked at by one statement, when nobody waits for them. */
const PRUNED_AT_ONCE = 10_000;

async function pruneAll(client: pg.ClientBase, schema: string, cutoffs: Cutoffs): Promise<void> {
  await prune(schema, cutoffs, {
    size: PRUNED_AT_ONCE,
    batch: async (work) => {
      await work(client);
      return true;
    },
  });
}

/** Counts, table by table, the rows that are in one of the two and not in the other. */
async function compare(
  client: pg.ClientBase,
  projections: readonly AnyProjection[],
): Promise<Record<string, number>> {
  const differences: Record<string, number> = {};
  for (const { table } of projections) {
    const [old, next] = [READ_SCHEMA, NEXT].map(
      (schema) => `select to_jsonb(t) from ${schema}.${table} t`,
    );
    const { rows } = await client.query<{ n: number }>(
      `select count(*)::int as n from ((${old} except ${next}) union all (${next} except ${old})) d`,
    );
    if (rows[0] && rows[0].n > 0) differences[table] = rows[0].n;
  }
  return differences;
}
