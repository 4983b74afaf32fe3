import type { Digest, Instant } from '../domain/ids.ts';
import type { InitialAccessTokenFacts } from '../domain/initial-access-token.ts';
import type { RegistrationPolicy } from '../domain/registration-policy.ts';
import type { Projection } from './projection.ts';

/** An initial access token (RFC 7591 §3); one that is used up or revoked keeps its row. */
export interface InitialAccessTokenRow {
  readonly initial_access_token_id: string;
  readonly digest: Digest;
  readonly description: string;
  readonly policy: RegistrationPolicy;
  readonly quota: number;
  readonly uses: number;
  readonly created_at: Instant;
  readonly expires_at: Instant;
  readonly used_at: Instant | null;
  readonly revoked_at: Instant | null;
}

export const initialAccessTokens: Projection<
  InitialAccessTokenRow,
  'initial_access_token_id',
  InitialAccessTokenFacts
> = {
  table: 'initial_access_tokens',
  key: ['initial_access_token_id'],
  columns: {
    initial_access_token_id: 'text',
    digest: 'text not null',
    description: 'text not null',
    policy: 'jsonb not null',
    quota: 'integer not null',
    uses: 'integer not null',
    created_at: 'timestamptz not null',
    expires_at: 'timestamptz not null',
    used_at: 'timestamptz',
    revoked_at: 'timestamptz',
  },
  indexes: ['(digest)', '(created_at, initial_access_token_id)'],
  on: {
    InitialAccessTokenCreated: ({ data, id, at }) => [
      {
        put: {
          initial_access_token_id: id,
          digest: data.digest,
          description: data.description,
          policy: data.policy,
          quota: data.quota,
          uses: 0,
          created_at: at,
          expires_at: data.expiresAt,
          used_at: null,
          revoked_at: null,
        },
      },
    ],
    InitialAccessTokenUsed: ({ data, id }) => [
      { set: { initial_access_token_id: id, uses: data.uses, used_at: data.at } },
    ],
    InitialAccessTokenRevoked: ({ id, at }) => [
      { set: { initial_access_token_id: id, revoked_at: at } },
    ],
  },
};
