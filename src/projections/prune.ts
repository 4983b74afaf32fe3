import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { type Changes, rowKey } from './projection.ts';

/** How far back read models are kept. Rows that were over before an instant are taken away; null: none. */
export interface Cutoffs {
  readonly tokens: Instant | null;
  readonly authorizations: Instant | null;
}

/** So many rows went, by table. */
export type Pruned = Readonly<Record<string, number>>;

/** What is known of pruning beside the rows themselves. */
export interface PruningRecord extends Cutoffs {
  readonly ran_at: Instant | null;
  /** By the last run. */
  readonly pruned: Pruned;
}

/**
 * Rows of a table that are over. A row that is over stays so whatever else happens, so it makes no
 * difference when, and how often, it was looked at: a rebuild ends with the same rows.
 */
interface Rule {
  readonly table: string;
  readonly key: string;
  readonly of: keyof Cutoffs;
  /** The column, with an index, that is compared with the cut-off. */
  readonly since: string;
  /** What must hold of the row `t` beside; `$1` is the cut-off. */
  readonly over?: (schema: string) => string;
  /** Rows of another table that go along. */
  readonly along?: { readonly table: string; readonly by: string };
}

/** Some browser has a cookie of the session; once none has, none ever will again. */
const alive = (uid: string) => `exists (select from state.entries e
  where e.model = 'Session' and e.lookup = ${uid} and (e.expires_at is null or e.expires_at > now()))`;

/**
 * In this order: what others rest on goes after them. A token is kept until it expires, however it
 * ended: its grant would otherwise not see it used again.
 */
const RULES: readonly Rule[] = [
  { table: 'tokens', key: 'digest', of: 'tokens', since: 'expires_at' },
  { table: 'device_authorizations', key: 'digest', of: 'tokens', since: 'expires_at' },
  {
    table: 'backchannel_requests',
    key: 'digest',
    of: 'tokens',
    since: 'requested_at',
    over: () => 't.expires_at < $1',
  },
  {
    table: 'notices',
    key: 'notice_id',
    of: 'tokens',
    since: 'tried_at',
    over: () => 't.retry_at is null',
  },
  { table: 'consents', key: 'consent_id', of: 'authorizations', since: 'withdrawn_at' },
  {
    table: 'grants',
    key: 'grant_id',
    of: 'authorizations',
    since: 'opened_at',
    over: (schema) => `not exists (select from ${schema}.tokens o where o.grant_id = t.grant_id)
      and not exists (select from ${schema}.device_authorizations d where d.grant_id = t.grant_id)
      and not exists (select from ${schema}.backchannel_requests b where b.grant_id = t.grant_id)
      and (t.revoked_at is not null or not exists (select from ${schema}.sessions s
        where s.uid = t.session_uid and s.ended_at is null and ${alive('s.uid')}))`,
  },
  {
    table: 'sessions',
    key: 'uid',
    of: 'authorizations',
    since: 'started_at',
    over: (schema) => `not exists (select from ${schema}.grants g where g.session_uid = t.uid)
      and not ${alive('t.uid')}`,
    along: { table: 'session_clients', by: 'uid' },
  },
];

/**
 * Whether a row that its events tell of can be missing because it was over: it is never told for sure,
 * but a row that should be there is never taken for one that need not be.
 * @param changes all that the row's stream tells
 */
export function wasPruned(
  table: string,
  key: Readonly<Record<string, unknown>>,
  changes: Changes,
  cutoffs: Cutoffs,
): boolean {
  const along = RULES.find((rule) => rule.along?.table === table);
  const rule = along ?? RULES.find((each) => each.table === table);
  const cutoff = rule && cutoffs[rule.of];
  if (!rule || !cutoff) return false;
  const column = along?.along?.by ?? rule.key;
  const of = changes.get(rule.table)?.get(rowKey([column], key))?.row[rule.since];
  return typeof of === 'string' && Date.parse(of) < Date.parse(cutoff);
}

/** The table in which the cut-offs are kept, beside the read models they belong to. */
export function pruningSql(schema: string): string {
  return `create table if not exists ${schema}.pruning (
    single boolean primary key default true check (single), tokens timestamptz,
    authorizations timestamptz, ran_at timestamptz, pruned jsonb not null default '{}');`;
}

/** The cut-offs of read models, and their last pruning. */
export async function readPruning(
  client: pg.ClientBase | pg.Pool,
  schema: string,
): Promise<PruningRecord> {
  const { rows } = await client.query<PruningRecord>(
    `select tokens, authorizations, ran_at, pruned from ${schema}.pruning`,
  );
  return rows[0] ?? { tokens: null, authorizations: null, ran_at: null, pruned: {} };
}

/** Records what was done. A cut-off never goes back: what is gone stays gone. */
export async function savePruning(
  client: pg.ClientBase,
  schema: string,
  { tokens, authorizations, ran_at, pruned }: PruningRecord,
): Promise<void> {
  await client.query(
    `insert into ${schema}.pruning as p (tokens, authorizations, ran_at, pruned)
     values ($1, $2, $3, $4)
     on conflict (single) do update set tokens = greatest(p.tokens, excluded.tokens),
       authorizations = greatest(p.authorizations, excluded.authorizations),
       ran_at = excluded.ran_at, pruned = excluded.pruned`,
    [tokens, authorizations, ran_at, JSON.stringify(pruned)],
  );
}

/**
 * Takes away all that was over before the cut-offs, batch by batch.
 * @param options.batch runs one batch, say in a transaction of its own; false when there is no more time
 */
export async function prune(
  schema: string,
  cutoffs: Cutoffs,
  options: {
    size: number;
    batch: (work: (client: pg.ClientBase) => Promise<void>) => Promise<boolean>;
  },
): Promise<Pruned> {
  const pruned: Record<string, number> = {};
  for (const rule of RULES) {
    const cutoff = cutoffs[rule.of];
    let after: Place | null = { since: '-infinity', key: '' };
    while (cutoff && after) {
      const from: Place = after;
      const going = await options.batch(async (client) => {
        const { gone, last } = await pruneBatch(client, schema, rule, cutoff, from, options.size);
        if (gone > 0) pruned[rule.table] = (pruned[rule.table] ?? 0) + gone;
        after = last;
      });
      if (!going) return pruned;
    }
  }
  return pruned;
}

/** Rows looked at by one statement, when nobody waits for them. */
const PRUNED_AT_ONCE = 10_000;

/** Takes away all that was over before the cut-offs, on one connection. */
export async function pruneAll(
  client: pg.ClientBase,
  schema: string,
  cutoffs: Cutoffs,
): Promise<void> {
  await prune(schema, cutoffs, {
    size: PRUNED_AT_ONCE,
    batch: async (work) => {
      await work(client);
      return true;
    },
  });
}

/** Where a batch ended, in the order of its index. */
interface Place {
  readonly since: string;
  readonly key: string;
}

/**
 * Looks at some rows and takes away those that are over: it never waits for a row that a request
 * is writing, but leaves it for the next time.
 */
async function pruneBatch(
  client: pg.ClientBase,
  schema: string,
  { table, key, since, over, along }: Rule,
  cutoff: Instant,
  after: Place,
  size: number,
): Promise<{ gone: number; last: Place | null }> {
  const name = `${schema}.${table}`;
  const { rows } = await client.query<{ gone: number; seen: number; since: string; key: string }>(
    `with seen as materialized (
       select t.${key} as key, t.${since} as since from ${name} t
       where t.${since} < $1 and (t.${since}, t.${key}) > ($2, $3)
       order by t.${since}, t.${key} limit $4
     ), mine as materialized (
       select t.${key} as key from ${name} t join seen on seen.key = t.${key}
       where ${over?.(schema) ?? 'true'} for update of t skip locked
     ), gone as (
       delete from ${name} t using mine where t.${key} = mine.key returning t.${key} as key
     )${along ? `, parts as (delete from ${schema}.${along.table} p using gone where p.${along.by} = gone.key)` : ''}
     select (select count(*)::int from gone) as gone, (select count(*)::int from seen) as seen,
       since::text, key
     from seen order by seen.since desc, seen.key desc limit 1`,
    [cutoff, after.since, after.key, size],
  );
  const [row] = rows;
  if (!row) return { gone: 0, last: null };
  return { gone: row.gone, last: row.seen < size ? null : { since: row.since, key: row.key } };
}
