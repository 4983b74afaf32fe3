import type { DeviceAuthorizationFacts } from '../domain/device-authorization.ts';
import type { Instant } from '../domain/ids.ts';
import type { Projection } from './projection.ts';

/** What a device asked for, and what became of it (RFC 8628). */
export interface DeviceAuthorizationRow {
  /** Of the device code. */
  readonly digest: string;
  readonly client_id: string;
  /** Asked for; once approved, given. */
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly poll_interval: number;
  readonly requested_at: Instant;
  readonly expires_at: Instant;
  readonly entered_at: Instant | null;
  readonly approved_at: Instant | null;
  readonly sub: string | null;
  readonly grant_id: string | null;
  readonly session_uid: string | null;
  readonly denied_at: Instant | null;
  readonly error: string | null;
  readonly error_description: string | null;
  readonly redeemed_at: Instant | null;
}

export const deviceAuthorizations: Projection<
  DeviceAuthorizationRow,
  'digest',
  DeviceAuthorizationFacts
> = {
  table: 'device_authorizations',
  key: ['digest'],
  columns: {
    digest: 'text',
    client_id: 'text not null',
    scopes: 'jsonb not null',
    parameters: 'jsonb not null',
    poll_interval: 'integer not null',
    requested_at: 'timestamptz not null',
    expires_at: 'timestamptz not null',
    entered_at: 'timestamptz',
    approved_at: 'timestamptz',
    sub: 'text',
    grant_id: 'text',
    session_uid: 'text',
    denied_at: 'timestamptz',
    error: 'text',
    error_description: 'text',
    redeemed_at: 'timestamptz',
  },
  indexes: [
    '(grant_id)',
    '(expires_at)',
    '(requested_at, digest)',
    '(client_id)',
    '(sub) where sub is not null',
  ],
  on: {
    DeviceAuthorizationRequested: ({ data, id }) => [
      {
        put: {
          digest: id,
          client_id: data.clientId,
          scopes: data.scopes,
          parameters: data.parameters,
          poll_interval: data.interval,
          requested_at: data.requestedAt,
          expires_at: data.expiresAt,
          entered_at: null,
          approved_at: null,
          sub: null,
          grant_id: null,
          session_uid: null,
          denied_at: null,
          error: null,
          error_description: null,
          redeemed_at: null,
        },
      },
    ],
    DeviceUserCodeEntered: ({ data, id }) => [{ set: { digest: id, entered_at: data.at } }],
    DeviceAuthorizationApproved: ({ data, id }) => [
      {
        set: {
          digest: id,
          approved_at: data.at,
          sub: data.sub,
          grant_id: data.grantId,
          session_uid: data.sessionUid,
          scopes: data.scopes,
          parameters: data.parameters,
        },
      },
    ],
    DeviceAuthorizationDenied: ({ data, id }) => [
      {
        set: {
          digest: id,
          denied_at: data.at,
          error: data.error,
          error_description: data.description,
        },
      },
    ],
    DeviceCodeRedeemed: ({ data, id }) => [{ set: { digest: id, redeemed_at: data.at } }],
  },
};
