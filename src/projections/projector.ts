import type pg from 'pg';
import type { EventStore, Position, RecordedEvent } from '../eventstore/event-store.ts';
import { upcast } from '../eventstore/upcast.ts';
import { listen } from '../platform/listen.ts';
import { applyEvents } from './apply.ts';
import type { AnyProjection } from './projection.ts';

/** Held by the one node that projects; whoever else writes the read models takes it first. */
export const PROJECTOR_LOCK = 746_620;
const CHANNEL = 'muniment_projected';
/** Asks the node that projects to let go of the lock for a while. */
const YIELD_CHANNEL = 'muniment_projector_yield';
const CANDIDATE_MS = 250;
const RETRY_MS = 1_000;

export interface ProjectorOptions {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly schema: string;
  readonly projections: readonly AnyProjection[];
  readonly signal: AbortSignal;
  /** Told why projecting stopped; it is taken up again from the checkpoint, and skips nothing. */
  readonly failed: (error: unknown) => void;
}

/**
 * Writes the read models from a log that does not write them itself. Of all nodes the one that holds
 * the advisory lock projects, on the very connection that holds it: a leader that has lost the lock
 * has lost the connection too, and can write nothing more.
 */
export async function runProjector(options: ProjectorOptions): Promise<void> {
  const { signal, failed } = options;
  while (!signal.aborted) {
    try {
      await lead(options);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    await pause(RETRY_MS, signal);
  }
}

async function lead({ pool, store, schema, projections, signal }: ProjectorOptions): Promise<void> {
  const client = await pool.connect();
  const lost = new AbortController();
  const asked = new AbortController();
  client.on('error', (error) => lost.abort(error));
  client.on('notification', () => asked.abort());
  const stop = AbortSignal.any([signal, lost.signal, asked.signal]);
  try {
    while (!(await lockedBy(client))) {
      await pause(CANDIDATE_MS, stop);
      if (stop.aborted) return;
    }
    await client.query(`listen ${YIELD_CHANNEL}`);
    const after = await checkpoint(client, schema);
    for await (const batch of store.subscribe({ after, signal: stop })) {
      if (batch.length > 0) await projectBatch(client, schema, projections, batch);
    }
    lost.signal.throwIfAborted();
  } finally {
    client.release(true);
  }
}

async function projectBatch(
  client: pg.PoolClient,
  schema: string,
  projections: readonly AnyProjection[],
  batch: readonly RecordedEvent[],
): Promise<void> {
  const { position } = batch.at(-1) as RecordedEvent;
  await client.query('begin');
  await applyEvents(client, schema, projections, batch.map(upcast));
  await saveCheckpoint(client, schema, position);
  await announcePosition(client, position);
  await client.query('commit');
}

/** Tells those who wait for a position, once the transaction is committed. */
export async function announcePosition(client: pg.ClientBase, position: Position): Promise<void> {
  await client.query(`select pg_notify('${CHANNEL}', $1)`, [position]);
}

/** Keeps asking whichever node projects to let go of the lock, while `work` waits for it. */
export async function askingToYield<T>(pool: pg.Pool, work: () => Promise<T>): Promise<T> {
  const ask = () => pool.query(`notify ${YIELD_CHANNEL}`).catch(() => undefined);
  const timer = setInterval(ask, CANDIDATE_MS);
  try {
    void ask();
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Position of the last event that the read models hold; undefined before the first. */
export async function checkpoint(
  client: pg.ClientBase | pg.Pool,
  schema: string,
): Promise<Position | undefined> {
  const { rows } = await client.query<{ position: Position }>(
    `select position from ${schema}.checkpoint`,
  );
  return rows[0]?.position;
}

export async function saveCheckpoint(
  client: pg.ClientBase,
  schema: string,
  position: Position,
): Promise<void> {
  await client.query(
    `insert into ${schema}.checkpoint (position) values ($1)
     on conflict (single) do update set position = excluded.position`,
    [position],
  );
}

async function lockedBy(client: pg.PoolClient): Promise<boolean> {
  const { rows } = await client.query('select pg_try_advisory_lock($1) as held', [PROJECTOR_LOCK]);
  return rows[0]?.held === true;
}

/**
 * Tells, on every node, how far the read models are.
 * @returns a wait for a position: resolves true once it is projected, false after `timeoutMs`
 */
export function projectionProgress(
  pool: pg.Pool,
  schema: string,
  signal: AbortSignal,
): (position: Position, timeoutMs: number) => Promise<boolean> {
  const waiting = new Map<() => void, Position>();
  let reached: Position = '';

  function advance(position: Position | undefined): void {
    if (position === undefined || position <= reached) return;
    reached = position;
    for (const [done, wanted] of waiting) if (wanted <= reached) done();
  }

  listen(
    pool,
    CHANNEL,
    (payload) => {
      if (payload !== undefined) advance(payload);
      else checkpoint(pool, schema).then(advance, () => undefined);
    },
    signal,
  );

  return (position, timeoutMs) => {
    if (position <= reached) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (projected: boolean) => {
        clearTimeout(timer);
        waiting.delete(done);
        resolve(projected);
      };
      const done = () => settle(true);
      const timer = setTimeout(() => settle(false), timeoutMs);
      waiting.set(done, position);
    });
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener('abort', wake, { once: true });
    if (signal.aborted) wake();
  });
}
