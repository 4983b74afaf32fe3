import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { READ_SCHEMA } from './apply.ts';

/** Whose rights: those that meet every condition given. */
export interface Holder {
  readonly sub?: string;
  readonly clientId?: string;
  readonly sessionUids?: readonly string[];
  /** Only what began at that time or later. */
  readonly since?: Instant | null;
}

export interface RightsFilter extends Holder {
  /** The session that stays as it is, with what is bound to it. */
  readonly keep?: string | null;
  /** Only what began up to then. */
  readonly until?: Instant | null;
}

/** A part of many, in the order of their ids. */
export interface Part {
  /** Only those that come behind this one. */
  readonly after: string;
  readonly limit: number;
}

/**
 * Grants that end together: all, those that rest on a consent, those bound to a session, or those that
 * signing out ends, which is as each client says.
 */
export type GrantSelection = 'all' | 'consented' | 'session_bound' | 'signed_out';

/** Ids of some sessions that have not ended. */
export async function openSessions(
  pool: pg.Pool,
  { sub, keep, since, until }: RightsFilter,
  { after, limit }: Part,
): Promise<string[]> {
  const { rows } = await pool.query<{ uid: string }>(
    `select uid from ${READ_SCHEMA}.sessions
     where ended_at is null and sub = $1 and uid > $6 and ($2::text is null or uid <> $2)
       and ($3::timestamptz is null or started_at <= $3)
       and ($4::timestamptz is null or started_at >= $4)
     order by uid limit $5`,
    [sub, keep ?? null, until ?? null, since ?? null, limit, after],
  );
  return rows.map(({ uid }) => uid);
}

/** Ids of some sessions of which no browser has a cookie any more. */
export async function abandonedSessions(pool: pg.Pool, { after, limit }: Part): Promise<string[]> {
  const { rows } = await pool.query<{ uid: string }>(
    `select s.uid from ${READ_SCHEMA}.sessions s
     where s.ended_at is null and s.uid > $2 and s.started_at < now() - interval '1 minute'
       and not exists (select from state.entries e where e.model = 'Session' and e.lookup = s.uid
         and (e.expires_at is null or e.expires_at > now()))
     order by s.uid limit $1`,
    [limit, after],
  );
  return rows.map(({ uid }) => uid);
}

const SELECTIONS: Readonly<Record<GrantSelection, string>> = {
  all: 'true',
  consented: `g.basis in ('consent', 'external')`,
  session_bound: `not g.scopes ? 'offline_access'`,
  signed_out: `(not g.scopes ? 'offline_access' or coalesce((select
    (c.logout->>'revokesOfflineAccess')::boolean from ${READ_SCHEMA}.clients c
    where c.client_id = g.client_id), $7))`,
};

/**
 * Ids of some grants that have not been revoked.
 * @param options.offlineToo whether signing out ends offline access, where the client does not say
 */
export async function openGrants(
  pool: pg.Pool,
  selection: GrantSelection,
  { sub, clientId, sessionUids, keep, since, until }: RightsFilter,
  options: Part & { offlineToo: boolean },
): Promise<string[]> {
  const { rows } = await pool.query<{ grant_id: string }>(
    `select g.grant_id from ${READ_SCHEMA}.grants g
     where g.revoked_at is null and g.grant_id > $9 and ($1::text is null or g.sub = $1)
       and ($2::text is null or g.client_id = $2)
       and ($3::text[] is null or g.session_uid = any($3))
       and ($4::text is null or g.session_uid is distinct from $4)
       and ($5::timestamptz is null or g.opened_at <= $5)
       and ($8::timestamptz is null or g.opened_at >= $8)
       and ($7::boolean is not null) and ${SELECTIONS[selection]}
     order by g.grant_id limit $6`,
    [
      sub ?? null,
      clientId ?? null,
      sessionUids ?? null,
      keep ?? null,
      until ?? null,
      options.limit,
      options.offlineToo,
      since ?? null,
      options.after,
    ],
  );
  return rows.map(({ grant_id }) => grant_id);
}
