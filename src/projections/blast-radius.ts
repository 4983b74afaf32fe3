import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import type { Leak } from '../domain/leak.ts';
import { READ_SCHEMA } from './apply.ts';
import { AUDIT_SCHEMA } from './audit-log.ts';
import { equal } from './page.ts';

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

/** What of it containment ends; see {@link readContainable}. */
export interface Containable {
  readonly grants: TouchedGroup;
  readonly sessions: TouchedGroup;
  readonly clientTokens: TouchedGroup;
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
export async function readRadius(pool: pg.Pool, leak: Leak, limit: number): Promise<Radius> {
  const { values, grants, sessions, tokens } = reachOf(leak);
  const [ofGrants, ofSessions, ofTokens] = await Promise.all([
    group(pool, `${GRANTS} where ${grants}`, values, limit),
    group(pool, `${SESSIONS} where ${sessions}`, values, limit),
    group(pool, `${TOKENS} where ${tokens}`, values, limit),
  ]);
  return { grants: ofGrants, sessions: ofSessions, tokens: ofTokens };
}

/** What of it has not ended: what its containment ends. */
export async function readContainable(
  pool: pg.Pool,
  leak: Leak,
  limit: number,
): Promise<Containable> {
  const { values, grants, sessions, clientTokens } = containable(leak);
  const [ofGrants, ofSessions, ofClientTokens] = await Promise.all([
    group(pool, grants, values, limit),
    group(pool, sessions, values, limit),
    group(pool, clientTokens, values, limit),
  ]);
  return { grants: ofGrants, sessions: ofSessions, clientTokens: ofClientTokens };
}

/**
 * Ids of it in batches. They are looked for once, and the server keeps what it found: to ask for the
 * rest of very many after each batch would be to look for all of them again.
 */
export async function* touchedBy(
  pool: pg.Pool,
  leak: Leak,
  kind: keyof Containable,
  size: number,
): AsyncGenerator<string[]> {
  const { values, [kind]: rows } = containable(leak);
  const client = await pool.connect();
  let done = false;
  try {
    await client.query(
      `declare touched no scroll cursor with hold for
       select key from (${rows}) r where ${IN_TIME} order by key`,
      values,
    );
    while (!done) {
      const found = await client.query<{ key: string }>(`fetch ${size} from touched`);
      if (found.rows.length > 0) yield found.rows.map(({ key }) => key);
      done = found.rows.length < size;
    }
    await client.query('close touched');
  } finally {
    // A connection that went away, or has the rest of it, is of no use to others.
    client.release(!done);
  }
}

/**
 * A secret or a key gives nobody a hold on a session. Who signed in from an address does have one, and
 * on all that was opened in it.
 */
function containable(leak: Leak) {
  const { values, grants, sessions, tokens } = reachOf(leak);
  const inSessions = `select g.grant_id from ${s}.grants g join ${s}.sessions v on v.uid = g.session_uid
    where ${sessions}`;
  const persons = leak.of === 'address';
  const touched = persons
    ? `select g.grant_id from ${s}.grants g where ${grants} union ${inSessions}`
    : '';
  return {
    values,
    grants: `${GRANTS} where g.revoked_at is null and ${persons ? `g.grant_id in (${touched})` : grants}`,
    sessions: `${SESSIONS} where v.ended_at is null and ${persons} and ${sessions}`,
    clientTokens: `${TOKENS} where t.kind = 'client_token' and t.revoked_at is null
      and t.expires_at > now() and ${tokens}`,
  };
}

/** Nothing is touched in a time that ends before it begins. */
const IN_TIME = '$1::timestamptz <= $2::timestamptz';

/** What a leak touched, as conditions on the rows; of keys, the JWTs issued while they signed. */
function reachOf(leak: Leak) {
  const values: unknown[] = [leak.since, leak.until];
  const param = (value: unknown) => `$${values.push(value)}`;
  // Times of issue are told in whole seconds.
  const issued = `t.issued_at >= date_trunc('second', $1::timestamptz) and t.issued_at <= $2`;
  if (leak.of === 'signing_key') {
    const jwts = `t.format = 'jwt' and ${issued}`;
    const of = (column: string) => `select g.${column} from ${s}.tokens t
      join ${s}.grants g using (grant_id) where ${jwts}`;
    const grants = `g.grant_id in (${of('grant_id')})`;
    return { values, grants, sessions: `v.uid in (${of('session_uid')})`, tokens: jwts };
  }
  const where = (
    leak.of === 'address'
      ? [equal('address_digest', leak.addressDigest ?? '')]
      : leak.of === 'client'
        ? [equal('client_id', leak.clientId ?? '')]
        : [equal('client_id', leak.clientId ?? ''), equal('actor_id', leak.clientId ?? '')]
  )
    .map((condition) => condition(param))
    .join(' and ');
  const touched = (category: string) => `select t.entity_id from ${AUDIT_SCHEMA}.events t
    where t.category = '${category}' and t.at >= $1 and t.at <= $2 and ${where}`;
  return {
    values,
    grants: `g.grant_id in (${touched('grant')})`,
    sessions: `v.uid in (${touched('session')})`,
    tokens: `${issued} and t.digest in (${touched('token')} union select o.digest from ${s}.tokens o
      where o.grant_id in (${touched('grant')}))`,
  };
}

async function group(
  pool: pg.Pool,
  rows: string,
  values: readonly unknown[],
  limit: number,
): Promise<TouchedGroup> {
  const found = await pool.query<Touched & { total: number; usable: number }>(
    `with all_of_them as (${rows})
     select key, kind, client_id, sub, since, active,
       count(*) over ()::int as total, count(*) filter (where active) over ()::int as usable
     from all_of_them
     where ${IN_TIME} order by active desc, since desc, key limit ${limit}`,
    [...values],
  );
  const [first] = found.rows;
  return { total: first?.total ?? 0, active: first?.usable ?? 0, items: found.rows };
}
