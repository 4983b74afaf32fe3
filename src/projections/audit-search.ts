import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { type Position, toPosition } from '../eventstore/event-store.ts';
import { AUDIT_SCHEMA } from './audit-log.ts';
import type { Condition } from './page.ts';

/** The audit index as a list. */
export const auditEvents = {
  projection: { table: 'events', key: ['position'] },
  schema: AUDIT_SCHEMA,
  orderBy: 'position',
} as const;

/** A place in the log, and the time at which what stands there was decided. */
export interface Moment {
  readonly position: Position;
  /** null: before the first event. */
  readonly time: Instant | null;
}

const BEGINNING = toPosition(0);
const EVENTS = `${AUDIT_SCHEMA}.events`;
/**
 * Clocks of several nodes differ a little, so times do not rise strictly with positions. Among so
 * many events before a time, the last in order of the log is taken.
 */
const OUT_OF_ORDER = 1_000;
/** No clock is as wrong as this: it narrows down where in the log a time can be. */
const CLOCK_ERROR = `interval '1 hour'`;

/** The last event at or before a position. */
export async function momentAt(pool: pg.Pool, position: Position): Promise<Moment> {
  const { rows } = await pool.query<Moment>(
    `select position, at as time from ${EVENTS} where position <= $1 order by position desc limit 1`,
    [position],
  );
  return rows[0] ?? { position: BEGINNING, time: null };
}

/** The last event, in order of the log, of those decided by a time. */
export async function momentBy(pool: pg.Pool, time: Instant): Promise<Moment> {
  const { rows } = await pool.query<Moment>(
    `select position, time from (
       select position, at as time from ${EVENTS} where at <= $1
       order by at desc, position desc limit ${OUT_OF_ORDER}) e
     order by position desc limit 1`,
    [time],
  );
  return rows[0] ?? { position: BEGINNING, time: null };
}

/** Ids of the entities of some categories that had begun by a position, at most so many. */
export async function entitiesBy(
  pool: pg.Pool,
  categories: readonly string[],
  position: Position,
  limit: number,
): Promise<{ category: string; entity_id: string }[]> {
  const { rows } = await pool.query<{ category: string; entity_id: string }>(
    `select category, entity_id from ${EVENTS}
     where revision = 0 and category = any($1) and position <= $2 limit $3`,
    [categories, position, limit],
  );
  return rows;
}

/** The streams that issued tokens, led to grants, hold the grants of sessions or tell of acts, by name. */
export async function linkedStreams(
  pool: pg.Pool,
  of: 'token' | 'grant' | 'session' | 'act',
  ids: readonly string[],
): Promise<string[]> {
  const sane = ids.filter((id) => !id.includes('\0'));
  const { rows } = await pool.query<{ stream: string }>(
    `select stream from ${AUDIT_SCHEMA}.links where name = any($1)
     union
     select 'token-' || entity_id from ${EVENTS} where category = 'token' and entity_id = any($2)
     order by 1`,
    [sane.map((id) => `${of} ${id}`), of === 'token' ? sane : []],
  );
  return rows.map(({ stream }) => stream);
}

/** The grants that begun for a person or a client, the latest first, at most so many. */
export async function grantsAbout(
  pool: pg.Pool,
  column: 'sub' | 'client_id',
  value: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ entity_id: string }>(
    `select entity_id from ${EVENTS} where category = 'grant' and revision = 0 and ${column} = $1
     order by position desc limit $2`,
    [value, limit],
  );
  return rows.map(({ entity_id }) => `grant-${entity_id}`);
}

/** Decided at a time or later. */
export function since(time: Instant): Condition {
  return (param) => {
    const value = param(time);
    return `t.at >= ${value} and t.position >= coalesce((select position from ${EVENTS}
      where at <= ${value}::timestamptz - ${CLOCK_ERROR} order by at desc limit 1), '')`;
  };
}

/** Decided before a time. */
export function until(time: Instant): Condition {
  return (param) => {
    const value = param(time);
    return `t.at < ${value} and t.position <= coalesce((select position from ${EVENTS}
      where at >= ${value}::timestamptz + ${CLOCK_ERROR} order by at limit 1), '~')`;
  };
}

/** After a position, to another one (inclusive). */
export function between(after: Position | null, to: Position | null): Condition {
  return (param) =>
    [
      ...(after === null ? [] : [`t.position > ${param(after)}`]),
      ...(to === null ? [] : [`t.position <= ${param(to)}`]),
    ].join(' and ') || 'true';
}
