import type pg from 'pg';
import type { EventStore, Position } from '../eventstore/event-store.ts';
import { exclusively } from '../eventstore/postgres-schema.ts';
import { present } from '../eventstore/present.ts';
import { upcast } from '../eventstore/upcast.ts';
import { endSilentHolder, lease } from '../platform/lease.ts';
import { LOCKS } from '../platform/locks.ts';
import { applyEvents, applyFunctionSql, READ_SCHEMA } from './apply.ts';
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
 * Builds the read models anew from the log and takes them into use. They grow beside the old ones;
 * only for the last few events and the change-over are writers kept waiting. What was interrupted
 * goes on where it was. The old ones are kept until the next rebuild.
 * @param options.dryRun builds and compares, and changes nothing
 * @param options.held takes what it built into use only when told to: {@link switchOver}
 */
export async function rebuild(
  options: RebuildOptions & { dryRun?: boolean; held?: boolean },
): Promise<Rebuilt> {
  const { dryRun, held, projections } = options;
  return beside(options, NEXT_SCHEMA, {
    before: dryRun || held ? undefined : (client) => dropSchema(client, FORMER_SCHEMA),
    settle: async (client, { inline }) => {
      if (dryRun) await dropSchema(client, NEXT_SCHEMA);
      else if (!held) await exchange(client, projections, { next: NEXT_SCHEMA, inline });
    },
  });
}

/**
 * Takes the read models into use that a held rebuild has made, brought up to date.
 * @throws Error when there are none
 */
export function switchOver(options: RebuildOptions): Promise<number> {
  return changeOver(options, NEXT_SCHEMA);
}

/**
 * Goes back to the read models that were in use before the last change-over, brought up to date.
 * @throws Error when there are none
 */
export function rollBack(options: RebuildOptions): Promise<number> {
  return changeOver(options, FORMER_SCHEMA);
}

/** @returns how many events the other copy did not hold yet */
async function changeOver(options: RebuildOptions, next: string): Promise<number> {
  const { pool, projections } = options;
  return alone(options, async (client) => {
    if (!(await schemaExists(client, next))) throw new Error('no such read models are kept');
    await client.query('set statement_timeout = 0');
    const level = async (connection: pg.PoolClient) => {
      const inline = (await inlineVersion(connection)) === READ_SCHEMA;
      const until = inline ? undefined : ((await checkpoint(connection, READ_SCHEMA)) ?? '');
      const events = await catchUp(connection, options, next, until);
      const pruning = await readPruning(connection, READ_SCHEMA);
      await savePruning(connection, next, pruning);
      await pruneAll(connection, next, pruning);
      return { inline, until, events };
    };
    const { events } = await level(client);
    if (next !== FORMER_SCHEMA) await dropSchema(client, FORMER_SCHEMA);
    return standingStill(pool, async (last) => {
      const { inline, until, events: late } = await level(last);
      await exchange(last, projections, { next, inline });
      if (until) await announcePosition(last, until);
      return events + late;
    });
  });
}

/** Whether there is something to switch or to roll back to. */
export async function schemaExists(
  client: pg.ClientBase | pg.Pool,
  schema: string,
): Promise<boolean> {
  const { rows } = await client.query('select to_regnamespace($1) is not null as kept', [schema]);
  return rows[0]?.kept === true;
}

/**
 * Builds read models from the log in `schema`, or goes on with it, and compares those in use with
 * them. What differs is looked at once more while neither changes and both show the same events.
 * @param steps.before runs before that moment, on a connection of its own
 * @param steps.settle runs in that moment, told which rows differ
 */
export async function beside(
  options: RebuildOptions,
  schema: string,
  steps: {
    before?: (client: pg.PoolClient) => Promise<unknown>;
    settle: (
      client: pg.PoolClient,
      state: { inline: boolean; divergences: readonly Divergence[] },
    ) => Promise<unknown>;
  },
): Promise<Rebuilt> {
  const { pool, store, projections } = options;
  const sides = { found: READ_SCHEMA, expected: schema };
  return alone(options, async (client) => {
    let events = await buildReadModels({ ...options, client, schema });
    await client.query('set statement_timeout = 0');
    await pruneAll(client, schema, await readPruning(client, READ_SCHEMA));
    const suspects = await compareReadModels(client, projections, sides);
    await steps.before?.(client);
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
      await steps.settle(last, { inline, divergences });
      if (until) await announcePosition(last, until);
      return { events, divergences };
    });
  });
}

/** Somebody else rebuilds or verifies at the moment. */
export class RebuildUnderWay extends Error {
  override readonly name = 'RebuildUnderWay';
}

/**
 * On a connection that holds the lock of rebuilds. It is cut when the signal aborts: what is under way
 * is rolled back, and goes on another time.
 * @throws RebuildUnderWay
 */
async function alone<T>(
  { pool, signal }: Pick<RebuildOptions, 'pool' | 'signal'>,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let end = () => {};
  let released = false;
  const release = () => {
    if (!released) client.release(true);
    released = true;
  };
  const locked = async () => {
    const { rows } = await client.query('select pg_try_advisory_lock($1) as free', [LOCKS.rebuild]);
    return rows[0]?.free === true;
  };
  signal?.addEventListener('abort', release, { once: true });
  try {
    end = await lease(client);
    while (!(await locked())) {
      if (await endSilentHolder(client, LOCKS.rebuild)) continue;
      throw new RebuildUnderWay('the read models are being rebuilt or verified already');
    }
    return await work(client);
  } finally {
    end();
    signal?.removeEventListener('abort', release);
    // The end of a connection is noticed a moment later: the next one may begin at once.
    if (!released) await client.query('select pg_advisory_unlock_all()').catch(() => undefined);
    release();
  }
}

/** In a transaction in which nobody appends or projects. */
export async function standingStill<T>(
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
  const after = await checkpoint(client, schema);
  let events = 0;
  for await (const batch of present(store, { after })) {
    const wanted = until === undefined ? batch : batch.filter(({ position }) => position <= until);
    const last = wanted.at(-1);
    if (!last) break;
    await applyEvents(client, schema, projections, wanted.map(upcast));
    await saveCheckpoint(client, schema, last.position);
    events += wanted.length;
  }
  return events;
}

/**
 * Puts one copy of the read models into the place of the other, which is kept: there is none kept
 * already but the first. Schemas change their names, and no table is locked: whoever reads meanwhile
 * reads the one or the other.
 */
async function exchange(
  client: pg.ClientBase,
  projections: readonly AnyProjection[],
  { next, inline }: { next: string; inline: boolean },
): Promise<void> {
  const position = await checkpoint(client, next);
  // Where appends write the rows, nobody has noted how far they are.
  if (inline && position) await saveCheckpoint(client, READ_SCHEMA, position);
  await client.query(`alter schema ${next} rename to muniment_exchanged`);
  await client.query(`alter schema ${READ_SCHEMA} rename to ${FORMER_SCHEMA}`);
  await client.query(`alter schema muniment_exchanged rename to ${READ_SCHEMA}`);
  for (const schema of [READ_SCHEMA, FORMER_SCHEMA]) {
    await client.query(applyFunctionSql(schema, projections));
  }
}

export async function dropSchema(client: pg.ClientBase | pg.Pool, schema: string): Promise<void> {
  await client.query(`drop schema if exists ${schema} cascade`);
}
