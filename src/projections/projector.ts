import type pg from 'pg';
import type { EventStore, Position, RecordedEvent } from '../eventstore/event-store.ts';
import { upcast } from '../eventstore/upcast.ts';
import { endSilentHolder, lease } from '../platform/lease.ts';
import { listen } from '../platform/listen.ts';
import { LOCKS } from '../platform/locks.ts';
import { isTransient } from '../platform/postgres.ts';
import { Unprojectable } from './projection.ts';
import { READ_SCHEMA } from './version.ts';

/** Read models that share a checkpoint. Each such group has a projector of its own. */
export interface ProjectionGroup {
  /** Held by the one node that projects; whoever else writes the read models takes it first. */
  readonly lock: number;
  /** Where it is told how far they are (NOTIFY). */
  readonly channel: string;
}

/** Each version of the read models is projected by itself. */
export const PROJECTOR_LOCK = LOCKS.project * 2 ** 32 + Number.parseInt(READ_SCHEMA.slice(-8), 16);
/** What the protocol reads. */
export const PROTOCOL_GROUP: ProjectionGroup = {
  lock: PROJECTOR_LOCK,
  channel: `muniment_${READ_SCHEMA}`,
};
const CANDIDATE_MS = 250;
const RETRY_MS = 1_000;
/** How often it is asked whether there is still something to do. */
const TURN_MS = 1_000;

export interface ProjectorObserver {
  /** This node begins to project, or no longer does. */
  leading(leads: boolean): void;
  failed(): void;
}

export interface ProjectorOptions {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly schema: string;
  /** What the protocol reads when absent. */
  readonly group?: ProjectionGroup;
  /** Writes what the events tell, in the transaction that moves the checkpoint. */
  readonly write: (client: pg.ClientBase, events: readonly RecordedEvent[]) => Promise<void>;
  /**
   * Asked before it begins, and from time to time: false while there is nothing to project. Runs on
   * the connection that holds the lock, and may write the read models.
   */
  readonly needed?: (client: pg.PoolClient) => Promise<boolean>;
  /** Milliseconds between two transactions once it has caught up, so that they are few; 0 when absent. */
  readonly pause?: number;
  readonly signal: AbortSignal;
  /** Told why projecting stopped; it is taken up again from the checkpoint, and skips nothing. */
  readonly failed: (error: unknown) => void;
  readonly observe?: ProjectorObserver;
  /** Told that it goes on, once after it began and after each failure. */
  readonly recovered?: () => Promise<void>;
}

/**
 * Writes the read models from a log that does not write them itself. Of all nodes the one that holds
 * the advisory lock projects, on the very connection that holds it: a leader that has lost the lock
 * has lost the connection too, and can write nothing more. One that falls silent loses both.
 */
export async function runProjector(options: ProjectorOptions): Promise<void> {
  const { signal, failed } = options;
  while (!signal.aborted) {
    let recovering = true;
    const recovered = async () => {
      if (recovering) await options.recovered?.();
      recovering = false;
    };
    try {
      await lead({ ...options, recovered });
    } catch (error) {
      if (signal.aborted) return;
      options.observe?.failed();
      failed(error);
    }
    await pause(RETRY_MS, signal);
  }
}

async function lead(options: ProjectorOptions): Promise<void> {
  const { pool, store, schema, group = PROTOCOL_GROUP, signal } = options;
  const client = await pool.connect();
  const lost = new AbortController();
  const asked = new AbortController();
  client.on('error', (error) => lost.abort(error));
  client.on('notification', () => asked.abort());
  const stop = AbortSignal.any([signal, lost.signal, asked.signal]);
  let end = () => {};
  try {
    // Before it has the lock: it may fall silent as soon as it has it.
    end = await lease(client);
    while (!(await lockedBy(client, group))) {
      await endSilentHolder(client, group.lock);
      await pause(CANDIDATE_MS, stop);
      if (stop.aborted) return;
    }
    options.observe?.leading(true);
    await client.query(`listen ${yieldChannel(group)}`);
    let told: Position | undefined;
    while (!stop.aborted) {
      const needed = (await options.needed?.(client)) ?? true;
      const after = await checkpoint(client, schema);
      if (after !== told && after !== undefined) await announcePosition(client, after, group);
      told = after;
      if (!needed) {
        await options.recovered?.();
        await pause(CANDIDATE_MS, stop);
        continue;
      }
      const turn = options.needed ? AbortSignal.any([stop, AbortSignal.timeout(TURN_MS)]) : stop;
      let caughtUp = false;
      for await (const batch of store.subscribe({ after, signal: turn })) {
        caughtUp ||= batch.length === 0;
        if (batch.length > 0) await projectBatch(client, options, batch);
        await options.recovered?.();
        if (caughtUp && options.pause) await pause(options.pause, turn);
      }
    }
    lost.signal.throwIfAborted();
  } finally {
    options.observe?.leading(false);
    end();
    client.release(true);
  }
}

/** What can be projected is; what cannot is found out, event by event. @throws Unprojectable */
async function projectBatch(
  client: pg.PoolClient,
  options: ProjectorOptions,
  batch: readonly RecordedEvent[],
): Promise<void> {
  try {
    await projectAtOnce(client, options, batch);
  } catch (error) {
    if (isPassing(error)) throw error;
    await client.query('rollback');
    for (const event of batch) {
      await projectAtOnce(client, options, [event]).catch((cause) => {
        throw cause instanceof Unprojectable || isPassing(cause)
          ? cause
          : new Unprojectable(event, cause);
      });
    }
  }
}

/** Whether no event is to blame: the database was away, was stopped, or could not serve all at once. */
function isPassing(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return isTransient(error) || /^(25P0[23]|40|53|55|57|58)/.test(code);
}

async function projectAtOnce(
  client: pg.PoolClient,
  { schema, group, write }: ProjectorOptions,
  batch: readonly RecordedEvent[],
): Promise<void> {
  const { position } = batch.at(-1) as RecordedEvent;
  await client.query('begin');
  await write(client, batch.map(upcast));
  await saveCheckpoint(client, schema, position);
  await announcePosition(client, position, group);
  await client.query('commit');
}

/** Tells those who wait for a position, once the transaction is committed. */
export async function announcePosition(
  client: pg.ClientBase,
  position: Position,
  { channel }: ProjectionGroup = PROTOCOL_GROUP,
): Promise<void> {
  await client.query('select pg_notify($1, $2)', [channel, position]);
}

/** Keeps asking whichever node projects to let go of the lock, while `work` waits for it. */
export async function askingToYield<T>(
  pool: pg.Pool,
  work: () => Promise<T>,
  group: ProjectionGroup = PROTOCOL_GROUP,
): Promise<T> {
  const ask = () => pool.query(`notify ${yieldChannel(group)}`).catch(() => undefined);
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

async function lockedBy(client: pg.PoolClient, { lock }: ProjectionGroup): Promise<boolean> {
  const { rows } = await client.query('select pg_try_advisory_lock($1) as held', [lock]);
  return rows[0]?.held === true;
}

/** Asks the node that projects to let go of the lock for a while. */
function yieldChannel({ channel }: ProjectionGroup): string {
  return `${channel}_yield`;
}

/**
 * Tells, on every node, how far the read models are.
 * @returns a wait for a position: resolves true once it is projected, false after `timeoutMs`
 */
export function projectionProgress(
  pool: pg.Pool,
  schema: string,
  signal: AbortSignal,
  { channel }: ProjectionGroup = PROTOCOL_GROUP,
): (position: Position, timeoutMs: number) => Promise<boolean> {
  const waiting = new Map<(projected: boolean) => void, Position>();
  let reached: Position = '';

  function advance(position: Position | undefined): void {
    if (position === undefined || position <= reached) return;
    reached = position;
    for (const [settle, wanted] of waiting) if (wanted <= reached) settle(true);
  }

  listen(
    pool,
    channel,
    (payload) => {
      if (payload !== undefined) advance(payload);
      else checkpoint(pool, schema).then(advance, () => undefined);
    },
    signal,
  );

  signal.addEventListener('abort', () => {
    for (const settle of waiting.keys()) settle(false);
  });

  return (position, timeoutMs) => {
    if (position <= reached) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (projected: boolean) => {
        clearTimeout(timer);
        waiting.delete(settle);
        resolve(projected);
      };
      const timer = setTimeout(() => settle(false), timeoutMs);
      waiting.set(settle, position);
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
