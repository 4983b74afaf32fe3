import type pg from 'pg';
import type { EventStore, Position } from '../eventstore/event-store.ts';
import { exclusively } from '../eventstore/postgres-schema.ts';
import { upcast } from '../eventstore/upcast.ts';
import { lease } from '../platform/lease.ts';
import { LOCKS } from '../platform/locks.ts';
import { applyEvents, READ_SCHEMA, readModelSql } from './apply.ts';
import { type BuildProgress, buildReadModels } from './build.ts';
import { compareReadModels, type Divergence, stillDiverging } from './compare.ts';
import type { AnyProjection } from './projection.ts';
import {
  announcePosition,
  askingToYield,
  checkpoint,
  PROJECTOR_LOCK,
  saveCheckpoint,
} from './projector.ts';
import { pruneAll, readPruning, savePruning } from './prune.ts';
import { inlineVersion } from './versions.ts';

/** Where the new read models grow while the old ones are in use. */
export const NEXT_SCHEMA = `${READ_SCHEMA}_next`;
/** Those that were in use before, for the way back. */
export const FORMER_SCHEMA = `${READ_SCHEMA}_former`;

export interface RebuildOptions {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly projections: readonly AnyProjection[];
  readonly progress?: (progress: BuildProgress) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

export interface Rebuilt {
  /** Events read; of a rebuild that was interrupted before, those since then. */
  readonly events: number;
  /** Where the read models as they were differ from what the log tells. */
  readonly divergences: readonly Divergence[];
}

/**
 * Drops the read models and builds them anew from the log. They grow beside the old ones; only for
 * the last few events and the change-over are writers kept waiting. What was interrupted goes on
 * where it was. The old ones are kept until the next rebuild.
 * @param options.dryRun builds and compares, and changes nothing
 */
export async function rebuild(options: RebuildOptions & { dryRun?: boolean }): Promise<Rebuilt> {
  return beside(options, NEXT_SCHEMA, (client, { inline }) =>
    options.dryRun
      ? client.query(`drop schema ${NEXT_SCHEMA} cascade`)
      : exchange(client, options.projections, { next: NEXT_SCHEMA, inline }),
  );
}

/**
 * Goes back to the read models that were in use before the last rebuild, brought up to date.
 * @throws Error when there are none
 */
export async function rollBack(options: RebuildOptions): Promise<void> {
  const { pool, store, projections } = options;
  await standingStill(pool, async (client) => {
    const { rows } = await client.query('select to_regnamespace($1) is not null as kept', [
      FORMER_SCHEMA,
    ]);
    if (!rows[0]?.kept) throw new Error('no read models of before are kept');
    const inline = (await inlineVersion(client)) === READ_SCHEMA;
    const until = inline ? undefined : ((await checkpoint(client, READ_SCHEMA)) ?? '');
    await catchUp(client, { store, projections }, FORMER_SCHEMA, until);
    await client.query(`drop schema if exists ${NEXT_SCHEMA} cascade`);
    await exchange(client, projections, { next: FORMER_SCHEMA, inline });
  });
}

/**
 * Builds read models from the log in `schema`, or goes on with it, and compares those in use with
 * them. What differs is looked at once more while neither changes and both show the same events.
 * @param settle runs in that moment, told which rows differ
 */
export async function beside(
  options: RebuildOptions,
  schema: string,
  settle: (
    client: pg.PoolClient,
    state: { inline: boolean; divergences: readonly Divergence[] },
  ) => Promise<unknown>,
): Promise<Rebuilt> {
  const { pool, store, projections } = options;
  const sides = { found: READ_SCHEMA, expected: schema };
  return alone(pool, async (client) => {
    let events = await buildReadModels({ ...options, client, schema });
    await client.query('set statement_timeout = 0');
    await pruneAll(client, schema, await readPruning(client, READ_SCHEMA));
    const suspects = await compareReadModels(client, projections, sides);
    return standingStill(pool, async (last) => {
      const inline = (await inlineVersion(last)) === READ_SCHEMA;
      const all = { store, projections };
      if (!inline) await catchUp(last, all, READ_SCHEMA);
      const until = inline ? undefined : await checkpoint(last, READ_SCHEMA);
      events += await catchUp(last, all, schema, until);
      // What was over at the last pruning is over in both, whenever each of them saw it.
      const pruning = await readPruning(last, READ_SCHEMA);
      await savePruning(last, schema, pruning);
      for (const each of [READ_SCHEMA, schema]) await pruneAll(last, each, pruning);
      const divergences = await stillDiverging(last, projections, sides, suspects);
      await settle(last, { inline, divergences });
      if (until) await announcePosition(last, until);
      return { events, divergences };
    });
  });
}

/** On a connection that holds the lock of rebuilds. @throws Error when somebody else rebuilds */
async function alone<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query('select pg_try_advisory_lock($1) as free', [LOCKS.rebuild]);
    if (!rows[0]?.free) throw new Error('the read models are being rebuilt or verified already');
    return await work(client);
  } finally {
    client.release(true);
  }
}

/** In a transaction in which nobody appends or projects. */
async function standingStill<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const locked = Promise.withResolvers<void>();
  const done = exclusively(pool, PROJECTOR_LOCK, async (client) => {
    locked.resolve();
    await client.query('set local statement_timeout = 0');
    const end = await lease(client, 'local');
    try {
      await client.query('select pg_advisory_xact_lock($1)', [LOCKS.prune]);
      await client.query('select pg_advisory_xact_lock($1)', [LOCKS.append]);
      return await work(client);
    } finally {
      end();
    }
  });
  await askingToYield(pool, () => Promise.race([done, locked.promise]));
  return done;
}

/** Projects into a schema what it does not hold yet, to the end of the log or a position in it. */
export async function catchUp(
  client: pg.ClientBase,
  { store, projections }: Pick<RebuildOptions, 'store' | 'projections'>,
  schema: string,
  until?: Position,
): Promise<number> {
  const stop = new AbortController();
  const after = await checkpoint(client, schema);
  let events = 0;
  for await (const batch of store.subscribe({ after, signal: stop.signal })) {
    const wanted = until === undefined ? batch : batch.filter(({ position }) => position <= until);
    const last = wanted.at(-1);
    if (!last) break;
    await applyEvents(client, schema, projections, wanted.map(upcast));
    await saveCheckpoint(client, schema, last.position);
    events += wanted.length;
  }
  stop.abort();
  return events;
}

/** Puts one copy of the read models into the place of the other, which is kept. */
async function exchange(
  client: pg.ClientBase,
  projections: readonly AnyProjection[],
  { next, inline }: { next: string; inline: boolean },
): Promise<void> {
  const position = await checkpoint(client, next);
  // Where appends write the rows, nobody has noted how far they are.
  if (inline && position) await saveCheckpoint(client, READ_SCHEMA, position);
  await client.query(`alter schema ${next} rename to muniment_exchanged`);
  await client.query(`drop schema if exists ${FORMER_SCHEMA} cascade`);
  await client.query(`alter schema ${READ_SCHEMA} rename to ${FORMER_SCHEMA}`);
  await client.query(`alter schema muniment_exchanged rename to ${READ_SCHEMA}`);
  for (const schema of [READ_SCHEMA, FORMER_SCHEMA]) {
    await client.query(readModelSql(schema, projections));
  }
}
