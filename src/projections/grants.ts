import type { GrantFacts, GrantTerms } from '../domain/grant.ts';
import type { Instant, RevocationReason } from '../domain/ids.ts';
import type { Projection } from './projection.ts';

/** An authorization in use. Its tokens are valid only as long as it is not revoked. */
export interface GrantRow {
  readonly grant_id: string;
  readonly sub: string;
  readonly client_id: string;
  readonly session_uid: string | null;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly resources: Readonly<Record<string, readonly string[]>>;
  readonly declined: GrantTerms['declined'];
  readonly basis: GrantTerms['basis'];
  readonly asserted_by: string | null;
  readonly opened_at: Instant;
  readonly revoked_at: Instant | null;
  readonly revocation_reason: RevocationReason | null;
}

export const grants: Projection<
  GrantRow,
  'grant_id',
  Pick<GrantFacts, 'GrantOpened' | 'GrantExtended' | 'GrantRevoked'>
> = {
  table: 'grants',
  key: ['grant_id'],
  columns: {
    grant_id: 'text',
    sub: 'text not null',
    client_id: 'text not null',
    session_uid: 'text',
    scopes: 'jsonb not null',
    claims: 'jsonb not null',
    resources: 'jsonb not null',
    declined: 'jsonb not null',
    basis: 'text not null',
    asserted_by: 'text',
    opened_at: 'timestamptz not null',
    revoked_at: 'timestamptz',
    revocation_reason: 'text',
  },
  indexes: [
    '(sub)',
    '(client_id)',
    '(session_uid)',
    '(opened_at, grant_id)',
    '(client_id, grant_id) where revoked_at is null',
  ],
  on: {
    GrantOpened: ({ data, at }) => [
      {
        put: {
          grant_id: data.grantId,
          sub: data.sub,
          client_id: data.clientId,
          session_uid: data.sessionUid,
          scopes: data.scopes,
          claims: data.claims,
          resources: data.resources,
          declined: data.declined,
          basis: data.basis,
          asserted_by: data.assertedBy,
          opened_at: at,
          revoked_at: null,
          revocation_reason: null,
        },
      },
    ],
    GrantExtended: ({ data, id }) => [
      {
        set: {
          grant_id: id,
          scopes: data.scopes,
          claims: data.claims,
          resources: data.resources,
          declined: data.declined,
        },
      },
    ],
    GrantRevoked: ({ data, id, at }) => [
      { set: { grant_id: id, revoked_at: at, revocation_reason: data.reason } },
    ],
  },
};
