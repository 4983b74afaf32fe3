import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { READ_SCHEMA } from './apply.ts';
import { AUDIT_SCHEMA } from './audit-log.ts';
import type { Condition } from './page.ts';

/** One thing that was touched, and whether it can still be used. */
export interface Touched {
  readonly key: string;
  readonly kind: string;
  readonly client_id: string | null;
  readonly sub: string | null;
  readonly since: Instant;
  readonly active: boolean;
}

export interface TouchedGroup {
  readonly total: number;
  readonly active: number;
  /** Those that can still be used first, and the latest of them; at most so many as asked for. */
  readonly items: readonly Touched[];
}

export interface Radius {
  readonly grants: TouchedGroup;
  readonly sessions: TouchedGroup;
  readonly tokens: TouchedGroup;
}

/** What is looked at: events of the audit index, or JWTs issued while a key signed. */
export type Suspicion = { readonly events: readonly Condition[] } | { readonly jwtsOf: Period };

interface Period {
  readonly since: Instant;
  readonly until: Instant;
}

const s = READ_SCHEMA;

const GRANTS = `select g.grant_id as key, 'GRANT' as kind, g.client_id, g.sub, g.opened_at as since,
    g.revoked_at is null and c.client_id is not null and c.disabled_at is null
      and u.sub is not null and u.disabled_at is null as active
  from ${s}.grants g left join ${s}.clients c using (client_id) left join ${s}.users u using (sub)`;

const SESSIONS = `select v.uid as key, 'SESSION' as kind, null as client_id, v.sub, v.started_at as since,
    v.ended_at is null and u.sub is not null and u.disabled_at is null as active
  from ${s}.sessions v left join ${s}.users u using (sub)`;

const TOKENS = `select t.digest as key, upper(t.kind) as kind, coalesce(t.client_id, g.client_id) as client_id,
    g.sub, t.issued_at as since,
    t.expires_at > now() and t.revoked_at is null and t.redeemed_at is null
      and (t.grant_id is null or g.revoked_at is null) and c.client_id is not null and c.disabled_at is null
      and (g.sub is null or (u.sub is not null and u.disabled_at is null))
      and (v.ended_at is null or t.parameters->>'expiresWithSession' is distinct from 'true') as active
  from ${s}.tokens t left join ${s}.grants g using (grant_id)
    left join ${s}.clients c on c.client_id = coalesce(t.client_id, g.client_id)
    left join ${s}.users u on u.sub = g.sub left join ${s}.sessions v on v.uid = g.session_uid`;

/** Every grant, session and token that somebody could have had a hand in, as they are now. */
export async function readRadius(
  pool: pg.Pool,
  suspicion: Suspicion,
  { since, until }: Period,
  limit: number,
): Promise<Radius> {
  // Times of issue are told in whole seconds.
  const issued = `t.issued_at >= date_trunc('second', $2::timestamptz) and t.issued_at <= $3`;
  if ('jwtsOf' in suspicion) {
    const jwts = `t.format = 'jwt' and ${issued}`;
    const of = (column: string) => `select g.${column} from ${s}.tokens t
      join ${s}.grants g using (grant_id) where ${jwts}`;
    return groups(pool, [limit, since, until], {
      grants: `${GRANTS} where g.grant_id in (${of('grant_id')})`,
      sessions: `${SESSIONS} where v.uid in (${of('session_uid')})`,
      tokens: `${TOKENS} where ${jwts}`,
    });
  }
  const values: unknown[] = [limit, since, until];
  const param = (value: unknown) => `$${values.push(value)}`;
  const where = suspicion.events.map((condition) => condition(param)).join(' and ');
  const touched = (category: string) => `select t.entity_id from ${AUDIT_SCHEMA}.events t
    where t.category = '${category}' and t.at >= $2 and t.at <= $3 and ${where}`;
  return groups(pool, values, {
    grants: `${GRANTS} where g.grant_id in (${touched('grant')})`,
    sessions: `${SESSIONS} where v.uid in (${touched('session')})`,
    tokens: `${TOKENS} where ${issued}
      and (t.grant_id in (${touched('grant')}) or t.digest in (${touched('token')}))`,
  });
}

async function groups(
  pool: pg.Pool,
  values: readonly unknown[],
  sql: Readonly<Record<keyof Radius, string>>,
): Promise<Radius> {
  const group = async (rows: string): Promise<TouchedGroup> => {
    const found = await pool.query<Touched & { total: number; usable: number }>(
      `with all_of_them as (${rows})
       select key, kind, client_id, sub, since, active,
         count(*) over ()::int as total, count(*) filter (where active) over ()::int as usable
       from all_of_them
       where $2::timestamptz <= $3::timestamptz order by active desc, since desc, key limit $1`,
      [...values],
    );
    const [first] = found.rows;
    return { total: first?.total ?? 0, active: first?.usable ?? 0, items: found.rows };
  };
  const [grants, sessions, tokens] = await Promise.all([
    group(sql.grants),
    group(sql.sessions),
    group(sql.tokens),
  ]);
  return { grants, sessions, tokens };
}
