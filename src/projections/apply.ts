import type pg from 'pg';
import type { InlineProjection } from '../eventstore/postgres-batch.ts';
import {
  type AnyProjection,
  type Changes,
  type Projectable,
  project,
  type RowChange,
} from './projection.ts';
import { pruningSql } from './prune.ts';
import { READ_SCHEMA } from './version.ts';
import { migrateVersions, writeInline } from './versions.ts';

export { READ_SCHEMA } from './version.ts';

/** The channel on which changes of announced read models are told to every node. */
export const ANNOUNCEMENTS = 'muniment_announced';

/**
 * The SQL that creates the read models and `apply`, the one function that writes them:
 * `apply(changes, refused)` with changes `{table: {op: [{_request, _named, …row}]}}`. A change is applied
 * only to a row of a lower revision, so applying twice equals applying once.
 */
export function readModelSql(schema: string, projections: readonly AnyProjection[]): string {
  return [
    `create schema if not exists ${schema};`,
    `create table if not exists ${schema}.checkpoint (
       single boolean primary key default true check (single), position text not null);`,
    pruningSql(schema),
    `create or replace function ${schema}.announce() returns trigger
     language plpgsql as $$ begin perform pg_notify('${ANNOUNCEMENTS}', tg_table_name); return null; end $$;`,
    ...projections.map((projection) => tableSql(schema, projection)),
    applyFunctionSql(schema, projections),
  ].join('\n');
}

/** The SQL that creates `apply`. It locks no table. */
export function applyFunctionSql(schema: string, projections: readonly AnyProjection[]): string {
  return `create or replace function ${schema}.apply(_changes jsonb, _refused integer[]) returns void
     language plpgsql
     -- Plans are kept while tables grow: never those that are best for an empty one.
     set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
     as $$ begin
     ${projections.map((projection) => applySql(schema, projection)).join('\n')}
     end $$;`;
}

/** The part of that SQL without which no row can be written. Indexes and announcements are missing. */
export function tablesSql(schema: string, projections: readonly AnyProjection[]): string {
  return readModelSql(
    schema,
    projections.map(({ indexes: _, announced: __, ...projection }) => projection),
  );
}

/** Percent: the room that is left lets a row change in its page, without new entries in its indexes. */
const FILL = 90;

function tableSql(
  schema: string,
  { table, key, columns, indexes = [], announced }: AnyProjection,
): string {
  const definitions = Object.entries(columns).map(([column, type]) => `${column} ${type}`);
  const name = `${schema}.${table}`;
  return [
    `create table if not exists ${name} (
       ${definitions.join(', ')}, revision integer not null, primary key (${key.join(', ')}))
       with (fillfactor = ${FILL});`,
    ...indexes.map(
      (index, nth) => `create index if not exists ${table}_${nth + 1} on ${name} ${index};`,
    ),
    ...(announced
      ? [
          `create or replace trigger announce after insert or update or delete on ${name}
           for each statement execute function ${schema}.announce();`,
        ]
      : []),
  ].join('\n');
}

function applySql(schema: string, { table, key, columns }: AnyProjection): string {
  const name = `${schema}.${table}`;
  const all = [...Object.keys(columns), 'revision'];
  const rest = all.filter((column) => !key.includes(column));
  const list = (names: readonly string[], shown = (column: string) => column) =>
    names.map(shown).join(', ');
  // Without constraints, which only a table can have.
  const types = Object.entries(columns).map(([column, type]) => `${column} ${type.split(' ')[0]}`);
  const changes = (op: string) =>
    `jsonb_to_recordset(_changes->'${table}'->'${op}')
       as c(_request integer, _named jsonb, ${list(types)}, revision integer)`;
  const newer = `${key.map((column) => `t.${column} = c.${column}`).join(' and ')}
    and t.revision < c.revision and c._request <> all(_refused)`;
  const named = (column: string) =>
    `case when c._named ? '${column}' then c.${column} else t.${column} end`;

  return `if _changes ? '${table}' then
    if _changes->'${table}' ? 'put' then
      insert into ${name} as t (${list(all)})
        select ${list(all)} from ${changes('put')} where c._request <> all(_refused)
        on conflict (${list(key)}) do update
          set (${list(rest)}) = row(${list(rest, (column) => `excluded.${column}`)})
          where t.revision < excluded.revision;
    end if;
    if _changes->'${table}' ? 'set' then
      update ${name} t
        set (${list(rest)}) = row(${list(rest, named)})
        from ${changes('set')} where ${newer};
    end if;
    if _changes->'${table}' ? 'drop' then
      delete from ${name} t using ${changes('drop')} where ${newer};
    end if;
  end if;`;
}

/** Creates the read models in `schema`, and makes them what appends on Postgres write. */
export async function migrateReadModels(
  client: pg.ClientBase,
  schema: string,
  projections: readonly AnyProjection[],
): Promise<void> {
  await client.query(readModelSql(schema, projections));
  await migrateVersions(client);
  await writeInline(client, schema);
}

/** Projects events at the moment they are appended, for the Postgres engine. */
export function inlineProjection(
  projections: readonly AnyProjection[],
  schema = READ_SCHEMA,
): InlineProjection {
  return (request, events, changes) => {
    if (events.length > 0) changes._schema = schema;
    asParameter(project(projections, events), request, changes as ChangesParameter);
  };
}

/** Writes the changes of some events to the read models in `schema`. */
export async function applyEvents(
  client: pg.ClientBase,
  schema: string,
  projections: readonly AnyProjection[],
  events: Iterable<Projectable>,
): Promise<void> {
  await applyChanges(client, schema, project(projections, events));
}

/** Writes changes to the read models in `schema`. */
export async function applyChanges(
  client: pg.ClientBase,
  schema: string,
  changes: Changes,
): Promise<void> {
  if (changes.size === 0) return;
  await client.query({
    name: `apply-${schema}`,
    text: `select ${schema}.apply($1, '{}')`,
    values: [JSON.stringify(asParameter(changes, 0))],
  });
}

/** Puts the rows of the table `staged` into a read model. */
export async function insertStaged(
  client: pg.ClientBase,
  schema: string,
  { table, key, columns }: AnyProjection,
): Promise<void> {
  const all = [...Object.keys(columns), 'revision'];
  const rest = all.filter((column) => !key.includes(column));
  await client.query(`insert into ${schema}.${table} as t (${all}) select ${all} from staged
    on conflict (${key}) do update
      set (${rest}) = row(${rest.map((column) => `excluded.${column}`)})
      where t.revision < excluded.revision`);
}

/** Makes the rows of these keys in one schema what they are in another. */
export async function copyOver(
  client: pg.ClientBase,
  { from, to }: { from: string; to: string },
  projection: AnyProjection,
  keys: readonly object[],
): Promise<void> {
  const { table, key, columns } = projection;
  const all = [...Object.keys(columns), 'revision'];
  const some = `(${key}) in (${keysSql(projection)})`;
  const values = [JSON.stringify(keys)];
  await client.query(`delete from ${to}.${table} where ${some}`, values);
  await client.query(
    `insert into ${to}.${table} (${all}) select ${all} from ${from}.${table} where ${some}`,
    values,
  );
}

/** A query for the keys in the parameter $1: an array of objects. */
export function keysSql({ key, columns }: AnyProjection): string {
  const types = key.map((column) => `${column} ${columns[column]?.split(' ')[0]}`);
  return `select ${key} from jsonb_to_recordset($1) as k(${types})`;
}

type ChangesParameter = Record<string, { [Op in RowChange['op']]?: object[] }>;

/** Adds the changes of one request to the parameter of `apply`. */
function asParameter(
  changes: Changes,
  request: number,
  into: ChangesParameter = {},
): ChangesParameter {
  for (const [table, rows] of changes) {
    into[table] ??= {};
    const ofTable = into[table];
    for (const { op, row } of rows.values()) {
      const named = op === 'set' ? { _named: Object.keys(row) } : {};
      ofTable[op] ??= [];
      ofTable[op].push({ _request: request, ...named, ...row });
    }
  }
  return into;
}
