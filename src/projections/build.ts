import type pg from 'pg';
import type { EventStore, From, Position } from '../eventstore/event-store.ts';
import { present } from '../eventstore/present.ts';
import { upcast } from '../eventstore/upcast.ts';
import { isDuplicate } from '../platform/postgres.ts';
import { applyChanges, insertStaged, readModelSql, tablesSql } from './apply.ts';
import { copyRows } from './copy-rows.ts';
import { type AnyProjection, type Changes, project, type RowChange } from './projection.ts';
import { checkpoint, saveCheckpoint } from './projector.ts';

/** Events that are folded in memory before their rows are written: an interruption costs two such chunks. */
const CHUNK = 10_000;
/** Events asked for at once. */
const PAGE = 2_500;

export interface BuildProgress {
  /** Since this build began or was resumed. */
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly position: Position;
}

/**
 * Builds read models in `schema` from the log, or goes on where it was interrupted, up to what is its
 * end when this resolves. Many events become one row before it is written, and rows go into tables
 * without indexes; these are made last.
 * @param options.chunk how many events are folded before their rows are written
 * @throws Unprojectable when an event cannot be projected, and what `signal` aborts with; what is being
 *   written then is written first
 */
export async function buildReadModels(options: {
  client: pg.ClientBase;
  store: EventStore;
  schema: string;
  projections: readonly AnyProjection[];
  signal?: AbortSignal;
  progress?: (progress: BuildProgress) => void | Promise<void>;
  chunk?: number;
}): Promise<number> {
  const { client, store, schema, projections, progress, chunk: most = CHUNK } = options;
  const signal = options.signal ?? new AbortController().signal;
  await client.query('set statement_timeout = 0');
  await client.query(tablesSql(schema, projections));
  const start = performance.now();
  let events = 0;
  const target: Target = { client, schema, told: new Set() };
  let chunk: Chunk = { changes: new Map(), events: 0, position: undefined };
  let writing = Promise.resolve();

  async function write(written: Chunk): Promise<void> {
    if (written.position === undefined) return;
    await writeChunk(target, projections, written);
    events += written.events;
    const eventsPerSecond = Math.round(events / ((performance.now() - start) / 1_000));
    await progress?.({ events, eventsPerSecond, position: written.position });
  }

  /** One chunk is written while the next is folded. */
  async function flush(): Promise<void> {
    await writing;
    signal.throwIfAborted();
    writing = write(chunk);
    // Told when it is waited for.
    writing.catch(() => undefined);
    chunk = { changes: new Map(), events: 0, position: undefined };
  }

  const after = await checkpoint(client, schema);
  const facts = { subscribe: (from: From) => store.facts(from) };
  const batches = present(facts, { after, page: Math.min(PAGE, most), signal });
  try {
    for await (const batch of ahead(batches)) {
      project(projections, batch.map(upcast), chunk.changes);
      chunk.events += batch.length;
      chunk.position = batch.at(-1)?.position;
      if (chunk.events >= most) await flush();
    }
    await flush();
  } finally {
    // Whatever ends this, the connection is nobody else's before it has ended.
    await writing;
  }
  await client.query(readModelSql(schema, projections));
  await client.query('reset statement_timeout');
  return events;
}

/** What comes next is asked for while what has come is worked on. Ends when `items` does. */
async function* ahead<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  const ask = () => {
    const asked = iterator.next();
    // Told when it is waited for, if it ever is.
    asked.catch(() => undefined);
    return asked;
  };
  for (let asked = ask(); ; ) {
    const { done, value } = await asked;
    if (done) return;
    asked = ask();
    yield value;
  }
}

/** Where rows are written. */
interface Target {
  readonly client: pg.ClientBase;
  readonly schema: string;
  /** Tables with rows that are told of as a whole more than once. */
  readonly told: Set<string>;
}

interface Chunk {
  changes: Changes;
  events: number;
  position: Position | undefined;
}

async function writeChunk(
  target: Target,
  projections: readonly AnyProjection[],
  { changes, position }: Chunk,
): Promise<void> {
  const { client, schema } = target;
  await client.query('begin');
  try {
    const others: Changes = new Map();
    for (const projection of projections) {
      const rows = changes.get(projection.table) ?? new Map<string, RowChange>();
      const whole = [...rows.values()].filter(({ op }) => op === 'put');
      const parts = [...rows].filter(([, { op }]) => op !== 'put');
      if (whole.length > 0) await writeRows(target, projection, whole);
      if (parts.length > 0) others.set(projection.table, new Map(parts));
    }
    await applyChanges(client, schema, others);
    await saveCheckpoint(client, schema, position as Position);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** By COPY: into the table itself while no row is there already, else beside it and from there. */
async function writeRows(
  { client, schema, told }: Target,
  projection: AnyProjection,
  changes: readonly RowChange[],
): Promise<void> {
  const { table } = projection;
  const name = `${schema}.${table}`;
  const columns = { ...projection.columns, revision: 'integer' };
  const whole = changes.map(({ row }) => row);
  if (!told.has(table)) {
    await client.query('savepoint copied');
    try {
      await copyRows(client, name, columns, whole);
      return;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      await client.query('rollback to savepoint copied');
      told.add(table);
    }
  }
  await client.query(`create temporary table staged (like ${name}) on commit drop`);
  await copyRows(client, 'staged', columns, whole);
  await insertStaged(client, schema, projection);
  await client.query('drop table staged');
}
