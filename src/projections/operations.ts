import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import type { ProjectionName, ProjectionOperation } from '../domain/projection.ts';
import type { Position, RecordedEvent } from '../eventstore/event-store.ts';
import type { BuildProgress } from './build.ts';
import { differenceOf } from './compare.ts';
import type { Finding } from './verify.ts';

/** The last operation of a projection, as far as it has got. The log knows who wished it, and when. */
export interface OperationRow {
  readonly part: ProjectionName;
  readonly operation_id: string;
  readonly kind: ProjectionOperation['kind'];
  readonly begun_at: Instant;
  /** null: it is under way, or will be taken up again. */
  readonly ended_at: Instant | null;
  readonly events: number;
  readonly events_per_second: number | null;
  readonly position: Position | null;
  /** Rows that were not what the log tells; null until that is known. */
  readonly differences: number | null;
  readonly failure: string | null;
}

/** A row that is not what the log tells, or was not when it was mended. */
export interface DivergenceRow {
  readonly schema: string;
  readonly table: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly what: 'missing' | 'unexpected' | 'different';
  /** Those that differ. */
  readonly columns: readonly string[];
  /** The last event that tells of it; null: none does. */
  readonly event: Pick<RecordedEvent, 'id' | 'type' | 'stream' | 'revision' | 'position'> | null;
  readonly mended: boolean;
  readonly found_at: Instant;
}

/** Where the next turn begins: after this row of the nth table, and after this event. */
export interface Place {
  readonly table: number;
  readonly key: readonly string[] | null;
  readonly position: Position | null;
}

export interface LookRow {
  readonly place: Place;
  readonly looked_at: Instant;
  /** Rows and events of the last turn. */
  readonly rows: number;
  readonly events: number;
}

/** Of one version: enough to see what is wrong. */
const KEPT_DIVERGENCES = 1_000;

/** The tables of all that, beside the registry of versions. */
export const OPERATIONS_SQL = `
  create table if not exists projections.operations (
    part text primary key, operation_id text not null, kind text not null,
    begun_at timestamptz not null default now(), ended_at timestamptz, events bigint not null default 0,
    events_per_second integer, position text, differences integer, failure text);
  create table if not exists projections.divergences (
    schema text, "table" text, key jsonb, what text not null, columns jsonb not null, event jsonb,
    mended boolean not null, found_at timestamptz not null default now(),
    primary key (schema, "table", key));
  create table if not exists projections.looks (
    schema text primary key, place jsonb not null, looked_at timestamptz not null,
    rows integer not null, events integer not null);`;

/** Notes that an operation is being carried out. @returns whether that is new */
export async function noteBegun(
  pool: pg.Pool,
  part: ProjectionName,
  { operationId, kind }: ProjectionOperation,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `insert into projections.operations as o (part, operation_id, kind) values ($1, $2, $3)
     on conflict (part) do update set operation_id = excluded.operation_id, kind = excluded.kind,
       begun_at = now(), ended_at = null, events = 0, events_per_second = null, position = null,
       differences = null, failure = null
     where o.operation_id <> excluded.operation_id`,
    [part, operationId, kind],
  );
  return rowCount === 1;
}

export async function noteProgress(
  pool: pg.Pool,
  part: ProjectionName,
  { events, eventsPerSecond, position }: BuildProgress,
): Promise<void> {
  await pool.query(
    `update projections.operations
     set events = $2, events_per_second = $3, position = $4 where part = $1`,
    [part, events, eventsPerSecond, position],
  );
}

export async function noteEnded(
  pool: pg.Pool,
  part: ProjectionName,
  outcome: { events: number; differences: number; failure: string | null },
): Promise<void> {
  await pool.query(
    `update projections.operations set ended_at = now(), events = $2, differences = $3, failure = $4,
       events_per_second = null
     where part = $1`,
    [part, outcome.events, outcome.failure ? null : outcome.differences, outcome.failure],
  );
}

export async function lastOperations(pool: pg.Pool): Promise<OperationRow[]> {
  const { rows } = await pool.query<OperationRow>('select * from projections.operations');
  return rows;
}

/** Notes all that is known to be wrong with the rows of a version: what was known before is not any more. */
export async function replaceDivergences(
  pool: pg.Pool,
  schema: string,
  findings: readonly Finding[],
  { mended }: { mended: boolean },
): Promise<void> {
  await pool.query('delete from projections.divergences where schema = $1', [schema]);
  await addDivergences(pool, schema, findings, { mended });
}

export async function addDivergences(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  findings: readonly Finding[],
  { mended }: { mended: boolean },
): Promise<void> {
  if (findings.length === 0) return;
  const rows = findings.slice(0, KEPT_DIVERGENCES).map((finding) => {
    const { table, key, told: event } = finding;
    return { schema, table, key, ...differenceOf(finding), event, mended };
  });
  await client.query(
    `insert into projections.divergences (schema, "table", key, what, columns, event, mended)
     select schema, "table", key, what, columns, event, mended
     from jsonb_populate_recordset(null::projections.divergences, $1)
     where (select count(*) from projections.divergences where schema = $2) < $3
     on conflict (schema, "table", key) do update set what = excluded.what,
       columns = excluded.columns, event = excluded.event, mended = excluded.mended`,
    [JSON.stringify(rows), schema, KEPT_DIVERGENCES],
  );
}

/** Forgets what was wrong with rows that have been looked at since and are right. */
export async function dropDivergences(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  rows: readonly { readonly table: string; readonly key: object }[],
): Promise<void> {
  if (rows.length === 0) return;
  await client.query(
    `delete from projections.divergences d using jsonb_to_recordset($2) as r("table" text, key jsonb)
     where d.schema = $1 and d."table" = r."table" and d.key = r.key and not d.mended`,
    [schema, JSON.stringify(rows)],
  );
}

/** The latest of them; `total` counts all. */
export async function listDivergences(
  pool: pg.Pool,
  schema: string,
  limit: number,
): Promise<{ total: number; items: DivergenceRow[] }> {
  const { rows } = await pool.query<DivergenceRow & { total: number }>(
    `select *, (count(*) over ())::int as total from projections.divergences where schema = $1
     order by found_at desc, "table", key limit $2`,
    [schema, limit],
  );
  return { total: rows[0]?.total ?? 0, items: rows };
}

/** The last turn; undefined before the first. */
export async function lastLook(pool: pg.Pool, schema: string): Promise<LookRow | undefined> {
  const { rows } = await pool.query<LookRow>('select * from projections.looks where schema = $1', [
    schema,
  ]);
  return rows[0];
}

export async function noteLook(
  pool: pg.Pool,
  schema: string,
  { place, rows, events }: Omit<LookRow, 'looked_at'>,
): Promise<void> {
  await pool.query(
    `insert into projections.looks (schema, place, looked_at, rows, events)
     values ($1, $2, now(), $3, $4)
     on conflict (schema) do update set place = excluded.place, looked_at = excluded.looked_at,
       rows = excluded.rows, events = excluded.events`,
    [schema, JSON.stringify(place), rows, events],
  );
}
