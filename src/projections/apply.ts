import type pg from 'pg';
import type { InlineProjection } from '../eventstore/postgres-batch.ts';
import { type AnyProjection, type Changes, type Projectable, project } from './projection.ts';

/** The schema of the read models that are in use. */
export const READ_SCHEMA = 'read_1';

/** The channel on which changes of announced read models are told to every node. */
export const ANNOUNCEMENTS = 'muniment_announced';

/**
 * The SQL that creates the read models and `apply`, the one function that writes them:
 * `apply(changes, refused)` with changes `{table: [{request, op, row}]}`. A change is applied only
 * to a row of a lower revision, so applying twice equals applying once.
 */
export function readModelSql(schema: string, projections: readonly AnyProjection[]): string {
  return [
    `create schema if not exists ${schema};`,
    `create table if not exists ${schema}.checkpoint (
       single boolean primary key default true check (single), position text not null);`,
    `create or replace function ${schema}.announce() returns trigger
     language plpgsql as $$ begin perform pg_notify('${ANNOUNCEMENTS}', tg_table_name); return null; end $$;`,
    ...projections.map((projection) => tableSql(schema, projection)),
    `create or replace function ${schema}.apply(_changes jsonb, _refused integer[]) returns void
     language plpgsql as $$ begin
     ${projections.map((projection) => applySql(schema, projection)).join('\n')}
     end $$;`,
  ].join('\n');
}

function tableSql(
  schema: string,
  { table, key, columns, indexes = [], announced }: AnyProjection,
): string {
  const definitions = Object.entries(columns).map(([column, type]) => `${column} ${type}`);
  const name = `${schema}.${table}`;
  return [
    `create table if not exists ${name} (
       ${definitions.join(', ')}, revision integer not null, primary key (${key.join(', ')}));`,
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
  const rest = all.filter((column) => !key.includes(column)).join(', ');
  const sameRow = key.map((column) => `t.${column} = k.${column}`).join(' and ');
  const changes = (op: string) =>
    `jsonb_array_elements(_changes->'${table}') c
     where c->>'op' = '${op}' and (c->>'request')::int <> all(_refused)`;

  return `if _changes ? '${table}' then
    insert into ${name} as t
      select k.* from (select c->'row' as row from ${changes('put')}) c,
        jsonb_populate_record(null::${name}, c.row) k
      on conflict (${key.join(', ')}) do update
        set (${rest}) = row(${rest.replace(/\w+/g, 'excluded.$&')})
        where t.revision < excluded.revision;
    update ${name} t
      set (${rest}) = (select ${rest.replace(/\w+/g, 'p.$&')} from jsonb_populate_record(t, c.row) p)
      from (select c->'row' as row from ${changes('set')}) c,
        jsonb_populate_record(null::${name}, c.row) k
      where ${sameRow} and t.revision < k.revision;
    delete from ${name} t
      using (select c->'row' as row from ${changes('drop')}) c,
        jsonb_populate_record(null::${name}, c.row) k
      where ${sameRow} and t.revision < k.revision;
  end if;`;
}

/** Creates the read models in `schema`, and makes them what appends on Postgres write. */
export async function migrateReadModels(
  client: pg.ClientBase,
  schema: string,
  projections: readonly AnyProjection[],
): Promise<void> {
  await client.query(readModelSql(schema, projections));
  await client.query(`create or replace function log.project(_changes jsonb, _refused integer[])
    returns void language plpgsql as $$ begin perform ${schema}.apply(_changes, _refused); end $$;`);
}

/** Projects events at the moment they are appended, for the Postgres engine. */
export function inlineProjection(projections: readonly AnyProjection[]): InlineProjection {
  return function* (events) {
    for (const [table, rows] of project(projections, events)) yield [table, rows.values()];
  };
}

/** Writes the changes of some events to the read models in `schema`. */
export async function applyEvents(
  client: pg.ClientBase,
  schema: string,
  projections: readonly AnyProjection[],
  events: Iterable<Projectable>,
): Promise<void> {
  const changes = project(projections, events);
  if (changes.size === 0) return;
  await client.query({
    name: `apply-${schema}`,
    text: `select ${schema}.apply($1, '{}')`,
    values: [toJson(changes)],
  });
}

function toJson(changes: Changes): string {
  const byTable = [...changes].map(([table, rows]) => [
    table,
    [...rows.values()].map((change) => ({ request: 0, ...change })),
  ]);
  return JSON.stringify(Object.fromEntries(byTable));
}
