import type pg from 'pg';
import type { Digest, Instant } from '../domain/ids.ts';
import { READ_SCHEMA } from './apply.ts';
import type { TokenRow } from './tokens.ts';

/** An access token with all that decides whether it is good for the Admin API now. */
export interface AdminTokenRow
  extends Pick<
    TokenRow,
    'format' | 'scopes' | 'audience' | 'parameters' | 'expires_at' | 'revoked_at'
  > {
  readonly client_id: string;
  /** null: no such client any more. */
  readonly client_known: boolean;
  readonly client_disabled_at: Instant | null;
  /** The person the client acts for; null when it acts for itself. */
  readonly sub: string | null;
  readonly user_known: boolean;
  readonly user_disabled_at: Instant | null;
  readonly roles: readonly string[] | null;
  readonly grant_revoked_at: Instant | null;
  readonly session_ended_at: Instant | null;
}

/** Finds an access token by its digest; undefined when there is none. */
export async function readAdminToken(
  pool: pg.Pool,
  digest: Digest,
): Promise<AdminTokenRow | undefined> {
  const { rows } = await pool.query<AdminTokenRow>({
    name: 'admin-token',
    text: `
      select t.format, t.scopes, t.audience, t.parameters, t.expires_at, t.revoked_at,
        coalesce(t.client_id, g.client_id) as client_id,
        c.client_id is not null as client_known, c.disabled_at as client_disabled_at,
        g.sub, u.sub is not null as user_known, u.disabled_at as user_disabled_at, u.roles,
        g.revoked_at as grant_revoked_at, s.ended_at as session_ended_at
      from ${READ_SCHEMA}.tokens t
      left join ${READ_SCHEMA}.grants g on g.grant_id = t.grant_id
      left join ${READ_SCHEMA}.clients c on c.client_id = coalesce(t.client_id, g.client_id)
      left join ${READ_SCHEMA}.users u on u.sub = g.sub
      left join ${READ_SCHEMA}.sessions s on s.uid = g.session_uid
      where t.digest = $1 and t.kind in ('access_token', 'client_token')
        and (t.grant_id is null or g.grant_id is not null)`,
    values: [digest],
  });
  return rows[0];
}
