import type pg from 'pg';
import type { RecordedEvent } from '../eventstore/event-store.ts';
import { LOCKS } from '../platform/locks.ts';
import { isTransient } from '../platform/postgres.ts';
import { OPERATIONS_SQL } from './operations.ts';
import { Unprojectable } from './projection.ts';

/**
 * What is built, written and read: versions of the protocol's read models, and the audit index.
 * building: not yet built from the log. ready: built, and kept up to date beside another version.
 * active: the one in use, or the last one that was alone. previous: the one before that.
 */
export interface VersionRow {
  readonly schema: string;
  readonly part: 'protocol' | 'audit';
  readonly number: number;
  readonly state: 'building' | 'ready' | 'active' | 'previous';
  /** Of the build, while there is one. */
  readonly events_per_second: number | null;
  readonly paused: boolean;
  /** Why it stands still; it is tried again and skips nothing. */
  readonly failure: ProjectionFailure | null;
  readonly changed_at: string;
}

export interface ProjectionFailure {
  readonly message: string;
  readonly eventId: string | null;
  readonly stream: string | null;
  readonly position: string | null;
}

/** Milliseconds after which a node that has lost its connection says again that it is there. */
const RETURN_MS = 500;

/**
 * The registry, and the way from an append to the read models. Rows are written with the events while
 * nodes of one version append. The first append of another version ends that, for the rows that
 * node's code can write are not those of the others: from then on each version follows the log.
 */
const REGISTRY = `
  create schema if not exists projections;
  create table if not exists projections.versions (
    schema text primary key, part text not null, number integer generated always as identity,
    state text not null, events_per_second integer, paused boolean not null default false,
    failure jsonb, changed_at timestamptz not null default now());
  create table if not exists projections.inline (
    single boolean primary key default true check (single), schema text);
  insert into projections.inline default values on conflict do nothing;
  create table if not exists projections.log (
    single boolean primary key default true check (single), engine text not null);
  create or replace function log.project(_changes jsonb, _refused integer[]) returns boolean
  language plpgsql as $$
  declare
    _inline text;
    _written text := _changes->>'_schema';
  begin
    select schema into _inline from projections.inline;
    if _inline = _written then
      execute format('select %I.apply($1, $2)', _inline) using _changes, _refused;
      return true;
    end if;
    if _inline is not null then
      update projections.inline set schema = null;
      execute format(
        'insert into %I.checkpoint (position)
           select lpad(coalesce(max(position), 0)::text, 20, ''0'') from log.events
         on conflict (single) do update set position = excluded.position', _inline);
    end if;
    return false;
  end $$;`;

/** Where it is told that nodes have come, or that a version is another's equal now (NOTIFY). */
export const NODES_CHANNEL = 'muniment_nodes';

/** Creates the registry; whoever calls holds a lock that keeps others from doing so meanwhile. */
export async function migrateVersions(client: pg.ClientBase): Promise<void> {
  await client.query(REGISTRY + OPERATIONS_SQL);
}

export type LogEngine = 'postgres' | 'eventstoredb';

/**
 * Notes which engine keeps the log. Positions of one mean nothing in the other: where it is another
 * than before, all that was made of the former log is dropped, to be made of this one.
 * @param options.change is asked before that; what it throws keeps everything as it is
 */
export async function enterLog(
  client: pg.ClientBase,
  engine: LogEngine,
  options: { change: (former: LogEngine) => Promise<void> },
): Promise<void> {
  const { rows } = await client.query<{ engine: LogEngine }>('select engine from projections.log');
  const former = rows[0]?.engine;
  if (former === engine) return;
  if (former) {
    await options.change(former);
    const { rows: free } = await client.query(
      'select pg_try_advisory_xact_lock($1, hashtext($2)) as free',
      [LOCKS.nodes, former],
    );
    if (!free[0]?.free) throw new Error(`servers whose log is in ${NAMES[former]} still run`);
    const { rows: schemas } = await client.query<{ name: string }>(
      `select distinct n.nspname as name from projections.versions v
       join pg_namespace n on n.nspname = v.schema or n.nspname like v.schema || '\\_%'`,
    );
    for (const { name } of schemas) await client.query(`drop schema ${name} cascade`);
    await client.query('delete from projections.versions');
    await client.query('update projections.inline set schema = null');
  }
  await client.query(
    `insert into projections.log (engine) values ($1)
     on conflict (single) do update set engine = excluded.engine`,
    [engine],
  );
}

const NAMES: Readonly<Record<LogEngine, string>> = {
  postgres: 'PostgreSQL',
  eventstoredb: 'EventStoreDB',
};

/**
 * Enters a version if it is new: in use at once where there is no event yet, to be built otherwise.
 * Read models of the time before there were versions are dropped: nobody keeps them up to date.
 */
export async function enterVersion(
  client: pg.ClientBase,
  schema: string,
  { inline }: { inline: boolean },
): Promise<VersionRow['state'] | undefined> {
  const { rows } = await client.query(
    `select not exists (select from log.events)
       and not exists (select from projections.versions where part = 'protocol')
       and $1 as empty`,
    [inline],
  );
  const empty = rows[0]?.empty;
  const { rowCount } = await client.query(
    `insert into projections.versions (schema, part, state) values ($1, 'protocol', $2)
     on conflict do nothing`,
    [schema, empty ? 'active' : 'building'],
  );
  if (rowCount) {
    await client.query('drop schema if exists read_1 cascade');
    if (empty) await writeInline(client, schema);
  }
  return (await versionOf(client, schema))?.state;
}

/** Enters the audit index, which has one version. */
export async function enterAudit(client: pg.ClientBase, schema: string): Promise<void> {
  await client.query(
    `insert into projections.versions (schema, part, state) values ($1, 'audit', 'active')
     on conflict do nothing`,
    [schema],
  );
}

/** From here on appends of this version's nodes write its rows themselves. */
export async function writeInline(client: pg.ClientBase, schema: string): Promise<void> {
  await client.query('update projections.inline set schema = $1', [schema]);
}

/** Whose rows are written with the events; null while each version follows the log. */
export async function inlineVersion(client: pg.ClientBase | pg.Pool): Promise<string | null> {
  const { rows } = await client.query('select schema from projections.inline');
  return rows[0]?.schema ?? null;
}

export async function allVersions(client: pg.ClientBase | pg.Pool): Promise<VersionRow[]> {
  const { rows } = await client.query<VersionRow>(
    'select * from projections.versions order by number',
  );
  return rows;
}

export async function versionOf(
  client: pg.ClientBase | pg.Pool,
  schema: string,
): Promise<VersionRow | undefined> {
  return (await allVersions(client)).find((version) => version.schema === schema);
}

/** Notes what has become of a version. */
export async function noteVersion(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  noted: Partial<Pick<VersionRow, 'state' | 'events_per_second' | 'paused' | 'failure'>>,
): Promise<void> {
  await client.query(
    `update projections.versions v
     set (state, events_per_second, paused, failure, changed_at) =
       (select r.state, r.events_per_second, r.paused, r.failure, now()
        from jsonb_populate_record(v, $2) r)
     where schema = $1`,
    [schema, JSON.stringify(noted)],
  );
  if (noted.state) await client.query(`notify ${NODES_CHANNEL}`);
}

/**
 * Notes why a version stands still. That a node has lost its session with the database is no reason:
 * another leads then, and would not know that there is something to take back.
 */
export async function noteFailure(pool: pg.Pool, schema: string, error: unknown): Promise<void> {
  if (isTransient(error)) return;
  const event = error instanceof Unprojectable ? (error.event as Partial<RecordedEvent>) : {};
  const failure = {
    message: error instanceof Error ? error.message : String(error),
    eventId: event.id ?? null,
    stream: event.stream ?? null,
    position: event.position ?? null,
  };
  await noteVersion(pool, schema, { failure });
}

/**
 * Makes a version the only one, if no node of another is there: the one that was active is kept, and
 * those before it are dropped. Runs in a transaction of its own, in which nobody appends.
 * @param catchUp writes what the version does not hold yet, to the end of the log
 * @returns whether it is the only one
 */
export async function takeOver(
  client: pg.ClientBase,
  schema: string,
  { inline, catchUp }: { inline: boolean; catchUp: () => Promise<unknown> },
): Promise<boolean> {
  const versions = await allVersions(client);
  if (!inline && versions.some((each) => each.schema === schema && each.state === 'active')) {
    return true;
  }
  const others = versions.filter((each) => each.part === 'protocol' && each.schema !== schema);
  await client.query('begin');
  const alone = await nobodyUses(client, others);
  if (alone) {
    await client.query('select pg_advisory_xact_lock($1)', [LOCKS.append]);
    await catchUp();
    if (inline) await writeInline(client, schema);
    await retire(client, others);
    await noteVersion(client, schema, { state: 'active' });
  }
  await client.query('commit');
  return alone;
}

/** Keeps the one that was active last. */
async function retire(client: pg.ClientBase, former: readonly VersionRow[]): Promise<void> {
  const last = former.find(({ state }) => state === 'active') ?? former.at(-1);
  for (const { schema } of former) {
    if (schema === last?.schema) {
      await noteVersion(client, schema, { state: 'previous' });
    } else {
      for (const copy of [schema, `${schema}_next`, `${schema}_former`]) {
        await client.query(`drop schema if exists ${copy} cascade`);
      }
      await client.query('delete from projections.versions where schema = $1', [schema]);
      await client.query('delete from projections.divergences where schema = $1', [schema]);
    }
  }
}

async function nobodyUses(client: pg.ClientBase, others: readonly VersionRow[]): Promise<boolean> {
  for (const { schema } of others) {
    const { rows } = await client.query(
      'select pg_try_advisory_xact_lock($1, hashtext($2)) as free',
      [LOCKS.nodes, schema],
    );
    if (!rows[0]?.free) return false;
  }
  return true;
}

/**
 * Says that a node is there, for as long as the signal lets it. Resolves once it is said. A node whose
 * connection breaks meanwhile harms nobody: its first append says it too.
 * @param names its version of the read models, and the engine of its log
 */
export async function attend(
  pool: pg.Pool,
  signal: AbortSignal,
  ...names: readonly string[]
): Promise<void> {
  const client = await pool.connect();
  let left = false;
  const leave = (returns: boolean) => {
    if (left) return;
    left = true;
    client.release(true);
    if (returns && !signal.aborted) setTimeout(again, RETURN_MS).unref();
  };
  const again = () => {
    if (!signal.aborted)
      attend(pool, signal, ...names).catch(() => setTimeout(again, RETURN_MS).unref());
  };
  client.once('error', () => leave(true));
  signal.addEventListener('abort', () => leave(false), { once: true });
  // It may have been over while the connection was made, and says so only once.
  if (signal.aborted) return leave(false);
  await client.query('select pg_advisory_lock_shared($1, hashtext(n)) from unnest($2::text[]) n', [
    LOCKS.nodes,
    names,
  ]);
  await client.query(`notify ${NODES_CHANNEL}`);
}
