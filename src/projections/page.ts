import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { READ_SCHEMA } from './apply.ts';
import type { Place } from './cursor.ts';
import type { AnyProjection } from './projection.ts';

/** A row with what the writer adds to each: the last revision of its entity that changed it. */
export type Revised<Row> = Row & { readonly revision: number };

/** A restriction as SQL on the table `t`; values go in through `param`, never as text. */
export type Condition = (param: (value: unknown) => string) => string;

/** Restrictions like a {@link Condition}, of which each row meets one at most. */
export type Alternatives = (param: (value: unknown) => string) => readonly string[];

/** Which rows of a read model, in which order. */
export interface Listing {
  readonly projection: Pick<AnyProjection, 'table' | 'key'>;
  /** The read models that are in use, when absent. */
  readonly schema?: string;
  /** In place of the table's rows: what they were at another time. */
  readonly rows?: readonly object[];
  readonly where: readonly Condition[];
  /** Rows meet one of these as well, and no row two: what an OR would say, each looked up by its own index. */
  readonly either?: Alternatives;
  /** Ordered by this column, and by the key among equals. */
  readonly orderBy: string;
  readonly descending: boolean;
}

/** Which part of a listing: so many rows after a place, or so many before one. */
export interface Window {
  readonly count: number;
  /** false: from the start or after `from`; true: from the end or before `from`. */
  readonly backwards: boolean;
  readonly from: Place | null;
}

export interface Page<Row> {
  /** Always in the order of the listing. */
  readonly rows: readonly Row[];
  /** Whether there are rows beyond the window, in the direction it was read. */
  readonly more: boolean;
}

/** One page, found by its place and not by counting: as fast on the last page as on the first. */
export async function readPage<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  listing: Listing,
  { count, backwards, from }: Window,
): Promise<Page<Row>> {
  const { after, order } = placed(listing, { backwards, from });
  const part = `order by ${order} limit ${count + 1}`;
  const { selected, values } = select({ ...listing, where: [...listing.where, ...after] }, part);
  const { rows } = await pool.query<Row>(`select t.* from (${selected}) t ${part}`, values);
  return pageOf(rows, { count, backwards });
}

/** The restriction to what lies beyond the window's place, and the order to read in. */
function placed(listing: Listing, { backwards, from }: Pick<Window, 'backwards' | 'from'>) {
  const columns = placeColumns(listing).map((column) => `t.${column}`);
  const falling = listing.descending !== backwards;
  const beyond: Condition = (param) =>
    `(${columns.join(', ')}) ${falling ? '<' : '>'} (${(from ?? []).map(param).join(', ')})`;
  const order = columns.map((column) => `${column} ${falling ? 'desc' : 'asc'}`).join(', ');
  return { after: from ? [beyond] : [], order };
}

/** @param rows as they were read: one more than the page has, if there are more */
function pageOf<Row>(
  rows: readonly Row[],
  { count, backwards }: Pick<Window, 'count' | 'backwards'>,
): Page<Row> {
  const page = rows.slice(0, count);
  return { rows: backwards ? page.reverse() : page, more: rows.length > count };
}

/** The columns whose values are a row's place in the listing. */
export function placeColumns({
  projection: { key },
  orderBy,
}: Pick<Listing, 'projection' | 'orderBy'>): readonly string[] {
  return [...new Set([orderBy, ...key])];
}

/** Which rows of a listing belong to a key, given as SQL: restrictions as in {@link Alternatives}. */
export type Belonging = (key: string) => readonly string[];

/** The first part of a listing for each of several keys, in one query; a key without rows has none. */
export async function readPages<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  listing: Listing,
  belonging: Belonging,
  keys: readonly string[],
  { count, backwards, from }: Window,
): Promise<Map<string, Page<Row>>> {
  const { after, order } = placed(listing, { backwards, from });
  const part = `order by ${order} limit ${count + 1}`;
  const where = [...listing.where, ...after];
  const { selected, values } = select(
    { ...listing, where, either: () => belonging('k.key') },
    part,
  );
  const { rows } = await pool.query<Row & { _key: string }>(
    `select k.key as _key, p.* from unnest($${values.length + 1}::text[]) with ordinality k(key, nth)
     cross join lateral (select t.* from (${selected}) t ${part}) p
     order by k.nth`,
    [...values, keys],
  );
  const byKey = new Map<string, Row[]>();
  for (const { _key, ...row } of rows) {
    byKey.set(_key, [...(byKey.get(_key) ?? []), row as unknown as Row]);
  }
  return new Map([...byKey].map(([key, found]) => [key, pageOf(found, { count, backwards })]));
}

/** How many rows a listing has for each of several keys. */
export async function countPages(
  pool: pg.Pool,
  listing: Listing,
  belonging: Belonging,
  keys: readonly string[],
): Promise<Map<string, number>> {
  const { selected, values } = select({ ...listing, either: () => belonging('k.key') });
  const { rows } = await pool.query<{ key: string; count: number }>(
    `select k.key, (select count(*)::int from (${selected}) t) as count
     from unnest($${values.length + 1}::text[]) k(key)`,
    [...values, keys],
  );
  return new Map(rows.map(({ key, count }) => [key, count]));
}

/** How many rows a listing has in all. */
export async function countRows(pool: pg.Pool, listing: Listing): Promise<number> {
  const { selected, values } = select(listing);
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int as count from (${selected}) t`,
    values,
  );
  return rows[0]?.count ?? 0;
}

/** All rows that have one of the values in a column, in one query. */
export async function readBy<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  projection: Pick<AnyProjection, 'table' | 'key'>,
  column: string,
  values: readonly string[],
): Promise<Row[]> {
  const order = projection.key.map((key) => `t.${key} collate "C"`).join(', ');
  const { rows } = await pool.query<Row>(
    `select t.* from ${table(projection)} t where t.${column} = any($1) order by ${order}`,
    // No text in PostgreSQL has this character, so no row does.
    [values.filter((value) => !value.includes('\0'))],
  );
  return rows;
}

/** Text somewhere in one of the columns, upper and lower case alike. */
export function contains(columns: readonly string[], text: string): Condition {
  const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
  return (param) => {
    const value = param(pattern);
    return `(${columns.map((column) => `t.${column} ilike ${value}`).join(' or ')})`;
  };
}

/** A column with exactly this value. */
export function equal(column: string, value: string): Condition {
  return (param) => `t.${column} = ${param(value)}`;
}

/** A column with one of these values. */
export function oneOf(column: string, values: readonly string[]): Condition {
  return (param) => `t.${column} = any(${param(values)})`;
}

/** A column with a value from this one on, or up to this one. */
export function bounded(column: string, bound: '>=' | '<=', value: string): Condition {
  return (param) => `t.${column} ${bound} ${param(value)}`;
}

/** A column that has a value, or has none. */
export function isSet(column: string, set: boolean): Condition {
  return () => `t.${column} is ${set ? 'not null' : 'null'}`;
}

/** A column whose instant has come at another, or has not. */
export function hasCome(column: string, at: Instant, come: boolean): Condition {
  return (param) => `t.${column} ${come ? '<=' : '>'} ${param(at)}`;
}

/** A JSON list with this entry. */
export function includes(column: string, entry: string): Condition {
  return (param) => `t.${column} ? ${param(entry)}`;
}

function table({ table }: Pick<AnyProjection, 'table'>, schema = READ_SCHEMA): string {
  return `${schema}.${table}`;
}

/**
 * The rows of a listing as SQL; rows that are given are taken for the table's.
 * @param part which of them, of each alternative by itself; all when absent
 */
function select(
  {
    projection,
    schema,
    rows,
    where,
    either = () => ['true'],
  }: Omit<Listing, 'orderBy' | 'descending'>,
  part = '',
): { selected: string; values: unknown[] } {
  const values: unknown[] = [];
  const param = (value: unknown) => `$${values.push(value)}`;
  const name = table(projection, schema);
  const source = rows
    ? `jsonb_populate_recordset(null::${name}, ${param(JSON.stringify(rows))})`
    : name;
  const all = where.map((condition) => condition(param));
  const selected = either(param).map(
    (way) => `(select t.* from ${source} t where ${[way, ...all].join(' and ')} ${part})`,
  );
  return { selected: selected.join(' union all '), values };
}
