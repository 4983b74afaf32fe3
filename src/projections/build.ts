import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { EventStore, Position } from '../eventstore/event-store.ts';
import { upcast } from '../eventstore/upcast.ts';
import { applyChanges, insertStaged, readModelSql, tablesSql } from './apply.ts';
import { type AnyProjection, type Changes, project, type RowChange } from './projection.ts';
import { checkpoint, saveCheckpoint } from './projector.ts';

/** Events that are folded in memory before their rows are written: what an interruption costs. */
const CHUNK = 100_000;
/** Events asked for at once. */
const PAGE = 5_000;
/** Characters handed to COPY at once. */
const COPIED = 1 << 18;

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
 * @throws Unprojectable when an event cannot be projected, and at once what `signal` aborts with
 */
export async function buildReadModels(options: {
  client: pg.ClientBase;
  store: EventStore;
  schema: string;
  projections: readonly AnyProjection[];
  signal?: AbortSignal;
  progress?: (progress: BuildProgress) => void | Promise<void>;
}): Promise<number> {
  const { client, store, schema, projections, progress } = options;
  const signal = options.signal ?? new AbortController().signal;
  await client.query('set statement_timeout = 0');
  await client.query(tablesSql(schema, projections));
  const start = performance.now();
  let events = 0;
  let chunk: Chunk = { changes: new Map(), events: 0, position: undefined };

  async function flush(): Promise<void> {
    if (chunk.position === undefined) return;
    await writeChunk(client, schema, projections, chunk);
    events += chunk.events;
    const eventsPerSecond = Math.round(events / ((performance.now() - start) / 1_000));
    await progress?.({ events, eventsPerSecond, position: chunk.position });
    chunk = { changes: new Map(), events: 0, position: undefined };
  }

  const stop = new AbortController();
  const after = await checkpoint(client, schema);
  const batches = store.subscribe({
    after,
    page: PAGE,
    signal: AbortSignal.any([signal, stop.signal]),
  });
  for await (const batch of batches) {
    const last = batch.at(-1);
    if (!last) break;
    project(projections, batch.map(upcast), chunk.changes);
    chunk.events += batch.length;
    chunk.position = last.position;
    if (chunk.events >= CHUNK) await flush();
  }
  stop.abort();
  signal.throwIfAborted();
  await flush();
  await client.query(readModelSql(schema, projections));
  await client.query('reset statement_timeout');
  return events;
}

interface Chunk {
  changes: Changes;
  events: number;
  position: Position | undefined;
}

async function writeChunk(
  client: pg.ClientBase,
  schema: string,
  projections: readonly AnyProjection[],
  { changes, position }: Chunk,
): Promise<void> {
  await client.query('begin');
  try {
    const others: Changes = new Map();
    for (const projection of projections) {
      const rows = changes.get(projection.table) ?? new Map<string, RowChange>();
      const whole = [...rows.values()].filter(({ op }) => op === 'put');
      const parts = [...rows].filter(([, { op }]) => op !== 'put');
      if (whole.length > 0) await writeRows(client, schema, projection, whole);
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

/** By COPY: into the table itself while it is empty, else beside it and from there. */
async function writeRows(
  client: pg.ClientBase,
  schema: string,
  projection: AnyProjection,
  changes: readonly RowChange[],
): Promise<void> {
  const name = `${schema}.${projection.table}`;
  const { rows } = await client.query(`select exists (select from ${name}) as filled`);
  if (!rows[0]?.filled) return copyRows(client, name, projection, changes);
  await client.query(`create temporary table staged (like ${name}) on commit drop`);
  await copyRows(client, 'staged', projection, changes);
  await insertStaged(client, schema, projection);
  await client.query('drop table staged');
}

async function copyRows(
  client: pg.ClientBase,
  name: string,
  { columns }: AnyProjection,
  changes: readonly RowChange[],
): Promise<void> {
  const types = Object.entries({ ...columns, revision: 'integer' });
  const names = types.map(([column]) => column).join(', ');
  const copy = client.query(copyFrom(`copy ${name} (${names}) from stdin`));
  const done = once(copy, 'finish');
  let text = '';
  for (const { row } of changes) {
    text += `${types.map(([column, type]) => copied(row[column], type)).join('\t')}\n`;
    if (text.length < COPIED) continue;
    if (!copy.write(text)) await Promise.race([once(copy, 'drain'), done]);
    text = '';
  }
  copy.end(text);
  await done;
}

/** A value in the text format of COPY. */
function copied(value: unknown, type: string): string {
  if (value === null || value === undefined) return '\\N';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = type.startsWith('jsonb') ? JSON.stringify(value) : String(value);
  return /[\\\t\n\r]/.test(text) ? text.replaceAll(/[\\\t\n\r]/g, (it) => ESCAPES[it] ?? it) : text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};
