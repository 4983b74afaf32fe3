import type { BackchannelRequestFacts, DecidedBy } from '../domain/backchannel-request.ts';
import type { Instant, Sealed } from '../domain/ids.ts';
import type { Projection } from './projection.ts';

/** What a client asked a person for by the back channel, and what became of it (CIBA). */
export interface BackchannelRequestRow {
  /** Of the auth_req_id. */
  readonly digest: string;
  readonly client_id: string;
  readonly sub: string;
  readonly scopes: readonly string[];
  readonly binding_message: Sealed | null;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly poll_interval: number;
  readonly requested_at: Instant;
  readonly expires_at: Instant;
  readonly approved_at: Instant | null;
  readonly denied_at: Instant | null;
  readonly decided_by: DecidedBy | null;
  readonly grant_id: string | null;
  readonly auth_time: Instant | null;
  readonly acr: string | null;
  readonly amr: readonly string[] | null;
  readonly redeemed_at: Instant | null;
}

export const backchannelRequests: Projection<
  BackchannelRequestRow,
  'digest',
  BackchannelRequestFacts
> = {
  table: 'backchannel_requests',
  key: ['digest'],
  columns: {
    digest: 'text',
    client_id: 'text not null',
    sub: 'text not null',
    scopes: 'jsonb not null',
    binding_message: 'text',
    parameters: 'jsonb not null',
    poll_interval: 'integer not null',
    requested_at: 'timestamptz not null',
    expires_at: 'timestamptz not null',
    approved_at: 'timestamptz',
    denied_at: 'timestamptz',
    decided_by: 'text',
    grant_id: 'text',
    auth_time: 'timestamptz',
    acr: 'text',
    amr: 'jsonb',
    redeemed_at: 'timestamptz',
  },
  indexes: ['(sub, expires_at)', '(requested_at, digest)', '(grant_id)', '(client_id)'],
  on: {
    BackchannelAuthenticationRequested: ({ data, id }) => [
      {
        put: {
          digest: id,
          client_id: data.clientId,
          sub: data.sub,
          scopes: data.scopes,
          binding_message: data.bindingMessage,
          parameters: data.parameters,
          poll_interval: data.interval,
          requested_at: data.requestedAt,
          expires_at: data.expiresAt,
          approved_at: null,
          denied_at: null,
          decided_by: null,
          grant_id: null,
          auth_time: null,
          acr: null,
          amr: null,
          redeemed_at: null,
        },
      },
    ],
    BackchannelAuthenticationApproved: ({ data, id }) => [
      {
        set: {
          digest: id,
          approved_at: data.at,
          decided_by: data.by,
          grant_id: data.grantId,
          auth_time: data.authTime,
          acr: data.acr,
          amr: data.amr,
        },
      },
    ],
    BackchannelAuthenticationDenied: ({ data, id }) => [
      { set: { digest: id, denied_at: data.at, decided_by: data.by } },
    ],
    BackchannelRequestRedeemed: ({ data, id }) => [{ set: { digest: id, redeemed_at: data.at } }],
  },
};
