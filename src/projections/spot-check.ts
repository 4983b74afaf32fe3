import type pg from 'pg';
import { deciders } from '../domain/index.ts';
import type { EventStore, Position, RecordedEvent } from '../eventstore/event-store.ts';
import { present } from '../eventstore/present.ts';
import { upcast } from '../eventstore/upcast.ts';
import { lease } from '../platform/lease.ts';
import { LOCKS } from '../platform/locks.ts';
import { periodically } from '../platform/periodically.ts';
import { keysSql } from './apply.ts';
import type { Divergence } from './compare.ts';
import { addDivergences, dropDivergences, lastLook, noteLook, type Place } from './operations.ts';
import { type AnyProjection, type Changes, project, rowKey } from './projection.ts';
import { checkpoint } from './projector.ts';
import { readPruning, wasPruned } from './prune.ts';
import { standingStill } from './rebuild.ts';
import type { Finding } from './verify.ts';
import { READ_SCHEMA } from './version.ts';
import { inlineVersion, versionOf } from './versions.ts';

/** Rows of one table that a turn begins with, and events of the log. */
const ROWS = 50;
const EVENTS = 50;
/** Entities with more events are left to `muniment verify`: a turn reads 20,000 of them at the very most. */
const LONG = 200;

export interface SpotCheckOptions {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly projections: readonly AnyProjection[];
  /** Seconds from one turn to the next, whichever node has it. */
  readonly period: number;
}

/**
 * Looks whether some rows are what the log tells, and others the next time, round and round: rows of
 * one table after the other, and rows that the events of the log tell of, one after the other. What
 * differs is looked at once more while nobody writes it, both at the same event.
 * @returns what is wrong; null when it is not time yet, or another node's turn
 */
export async function spotCheck(options: SpotCheckOptions): Promise<readonly Finding[] | null> {
  const { pool, period } = options;
  const client = await pool.connect();
  let end = () => {};
  try {
    end = await lease(client);
    const { rows } = await client.query('select pg_try_advisory_lock($1) as free', [LOCKS.look]);
    if (!rows[0]?.free) return null;
    if ((await versionOf(client, READ_SCHEMA))?.state === 'building') return null;
    const last = await lastLook(pool, READ_SCHEMA);
    // Half a period: clocks differ, and every node comes by once in a period.
    if (last && Date.now() - Date.parse(last.looked_at) < period * 500) return null;
    return await turn(options, last?.place ?? { table: 0, key: null, position: null });
  } finally {
    end();
    client.release(true);
  }
}

/** Does so once in a period, until the signal aborts. */
export function keepLooking(
  options: SpotCheckOptions,
  {
    signal,
    found,
    failed,
  }: {
    signal: AbortSignal;
    /** Told of each row that is wrong: its table, its key, and the last event that tells of it. */
    found: (finding: { table: string; key: object; eventId: string | null }) => void;
    failed: (error: unknown) => void;
  },
): void {
  const { period } = options;
  if (period === 0) return;
  const run = async () => {
    for (const { table, key, told } of (await spotCheck(options)) ?? []) {
      found({ table, key, eventId: told?.id ?? null });
    }
  };
  periodically(run, { periodMs: period * 1_000, signal, failed });
}

async function turn(options: SpotCheckOptions, place: Place): Promise<readonly Finding[]> {
  const { pool, store } = options;
  const sample = await sampled(options, place);
  await noteLook(pool, READ_SCHEMA, {
    place: sample.next,
    rows: sample.rows.length,
    events: sample.events,
  });
  const inline = (await inlineVersion(pool)) === READ_SCHEMA;
  const until = inline ? undefined : await checkpoint(pool, READ_SCHEMA);
  if (!inline && until === undefined) return [];
  const { looked, findings } = await lookAt(options, pool, sample, until);
  if (findings.length === 0) {
    await dropDivergences(pool, READ_SCHEMA, looked);
    return [];
  }
  // Rows that are being written look wrong for a moment.
  const again = {
    streams: new Set(findings.map(({ stream }) => stream)),
    rows: findings.map(({ table, key }) => ({ table, key })),
  };
  const wrong = await standingStill(pool, async (client) => {
    const inline = (await inlineVersion(client)) === READ_SCHEMA;
    const until = inline ? undefined : await checkpoint(client, READ_SCHEMA);
    return (await lookAt({ ...options, store }, client, again, until)).findings;
  });
  const named = new Set(wrong.map(({ table, key }) => nameOf(table, key)));
  const right = looked.filter(({ table, key }) => !named.has(nameOf(table, key)));
  await dropDivergences(pool, READ_SCHEMA, right);
  await addDivergences(pool, READ_SCHEMA, wrong, { mended: false });
  return wrong;
}

interface Row {
  readonly table: string;
  readonly key: Readonly<Record<string, unknown>>;
}

interface Sample {
  readonly streams: ReadonlySet<string>;
  readonly rows: readonly Row[];
}

/** What a turn looks at, and where the next one begins. */
async function sampled(
  { pool, store, projections }: SpotCheckOptions,
  place: Place,
): Promise<Sample & { next: Place; events: number }> {
  let events: readonly RecordedEvent[] = [];
  for await (const batch of present(store, { after: place.position ?? undefined, page: EVENTS })) {
    events = batch.slice(0, EVENTS);
    break;
  }
  const streams = new Set(events.map(({ stream }) => stream));

  for (let nth = 0; ; nth++) {
    const table = (place.table + nth) % projections.length;
    const projection = projections[table] as AnyProjection;
    const found = await rowsAfter(pool, projection, nth === 0 ? place.key : null);
    if (found.length === 0 && nth < projections.length) continue;
    for (const row of found) streams.add(streamOfRow(projection, row));
    const last = found.length === ROWS ? found.at(-1) : undefined;
    return {
      streams,
      rows: found.map((row) => ({ table: projection.table, key: keyOf(projection, row) })),
      events: events.length,
      next: {
        table: last ? table : (table + 1) % projections.length,
        key: last ? projection.key.map((column) => String(last[column])) : null,
        position: events.at(-1)?.position ?? null,
      },
    };
  }
}

async function rowsAfter(
  pool: pg.Pool,
  { table, key }: AnyProjection,
  after: readonly string[] | null,
): Promise<Record<string, unknown>[]> {
  const where = after ? `where (${key}) > (${key.map((_, nth) => `$${nth + 1}`)})` : '';
  const { rows } = await pool.query<{ row: Record<string, unknown> }>(
    `select to_jsonb(t) as row from ${READ_SCHEMA}.${table} t ${where}
     order by ${key} limit ${ROWS}`,
    [...(after ?? [])],
  );
  return rows.map(({ row }) => row);
}

type Suspect = Finding & { readonly stream: string };

/** Folds the streams, up to a position, and compares what they tell with the rows. */
async function lookAt(
  { store, projections, pool }: SpotCheckOptions,
  client: pg.ClientBase | pg.Pool,
  sample: Sample,
  until: Position | undefined,
): Promise<{ looked: readonly Row[]; findings: readonly Suspect[] }> {
  const read = await Promise.all(
    [...sample.streams].map(async (stream) => ({
      stream,
      events: await store.read(stream, { limit: LONG + 1 }),
    })),
  );
  const long = new Set(
    read.filter(({ events }) => events.length > LONG).map(({ stream }) => stream),
  );
  const told = new Map<string, RecordedEvent>();
  const changes: Changes = new Map();
  for (const { stream, events } of read) {
    if (long.has(stream)) continue;
    for (const event of events) {
      if (until !== undefined && event.position > until) break;
      for (const [table, rows] of project(projections, [upcast(event)])) {
        for (const key of rows.keys()) told.set(`${table} ${key}`, event);
      }
      project(projections, [upcast(event)], changes);
    }
  }
  const looked: Row[] = [];
  const findings: Suspect[] = [];
  for (const projection of projections) {
    const { table } = projection;
    const all = [...(changes.get(table)?.values() ?? [])];
    const keys = new Map<string, Row['key']>();
    for (const { row } of all)
      keys.set(nameOf(table, keyOf(projection, row)), keyOf(projection, row));
    for (const row of sample.rows) {
      if (row.table === table) keys.set(nameOf(table, row.key), row.key);
    }
    if (keys.size === 0) continue;
    const expected = all.filter(({ op }) => op === 'put').map(({ row }) => row);
    const differing = await compared(client, projection, [...keys.values()], expected);
    looked.push(...[...keys.values()].map((key) => ({ table, key })));
    if (differing.length === 0) continue;
    // Read after the rows: what is taken away meanwhile was announced before.
    const cutoffs = await readPruning(pool, READ_SCHEMA);
    for (const each of differing) {
      const event = told.get(`${table} ${rowKey(projection.key, each.key)}`);
      const row = each.found ?? each.expected ?? {};
      const stream = event?.stream ?? streamOfRow(projection, row);
      if (long.has(stream)) continue;
      if (!each.found && wasPruned(table, each.key, changes, cutoffs)) continue;
      findings.push({ ...each, stream, told: event ?? null });
    }
  }
  return { looked, findings };
}

async function compared(
  client: pg.ClientBase | pg.Pool,
  projection: AnyProjection,
  keys: readonly object[],
  expected: readonly object[],
): Promise<Divergence[]> {
  const { table, key } = projection;
  const name = `${READ_SCHEMA}.${table}`;
  const { rows } = await client.query<Omit<Divergence, 'table'>>(
    `select jsonb_build_object(${key.map((column) => `'${column}', ${column}`)}) as key,
       f.row as found, e.row as expected
     from (select ${key}, to_jsonb(t) as row from ${name} t
         where (${key}) in (${keysSql(projection)})) f
       full join (select ${key}, to_jsonb(r) as row
         from jsonb_populate_recordset(null::${name}, $2) r) e using (${key})
     where f.row is distinct from e.row order by ${key}`,
    [JSON.stringify(keys), JSON.stringify(expected)],
  );
  return rows.map((row) => ({ table, ...row }));
}

function keyOf({ key }: AnyProjection, row: Readonly<Record<string, unknown>>): Row['key'] {
  return Object.fromEntries(key.map((column) => [column, row[column]]));
}

function nameOf(table: string, key: Row['key']): string {
  return `${table} ${JSON.stringify(Object.entries(key).sort())}`;
}

const categories = Object.values(deciders).flatMap(({ category, evolve }) =>
  Object.keys(evolve).map((fact) => [fact, category] as const),
);
const categoryOf = new Map<string, string>(categories);

/** The stream that tells of a row: its entity’s id is the first column of its key, but for tokens of grants. */
export function streamOfRow(
  { table, key, on }: AnyProjection,
  row: Readonly<Record<string, unknown>>,
): string {
  if (table === 'tokens') {
    return row.grant_id ? `grant-${row.grant_id}` : `token-${row.digest}`;
  }
  const [fact = ''] = Object.keys(on);
  return `${categoryOf.get(fact)}-${row[key[0] ?? '']}`;
}
