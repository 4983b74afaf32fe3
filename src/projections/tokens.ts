import type { GrantFacts } from '../domain/grant.ts';
import type { Instant } from '../domain/ids.ts';
import type { Audience, ClientTokenFacts } from '../domain/token.ts';
import { READ_SCHEMA } from './apply.ts';
import type { Condition } from './page.ts';
import type { Projection } from './projection.ts';

export type TokenKind = 'authorization_code' | 'access_token' | 'refresh_token' | 'client_token';

/**
 * Everything redeemable or presentable that was handed out, by digest. Whether it is valid is not
 * written here: that is computed when it is read, from this row and those of its grant, client,
 * user and session.
 */
export interface TokenRow {
  readonly digest: string;
  readonly kind: TokenKind;
  readonly format: 'reference' | 'jwt';
  readonly grant_id: string | null;
  /** Who holds it, where that is not said by its grant: a client token, or one given in exchange. */
  readonly client_id: string | null;
  readonly scopes: readonly string[];
  readonly audience: Audience;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly issued_at: Instant;
  readonly expires_at: Instant;
  readonly redeemed_at: Instant | null;
  /** Digest of the refresh token that took this one's place. */
  readonly successor: string | null;
  readonly revoked_at: Instant | null;
}

const live = { redeemed_at: null, successor: null, revoked_at: null };

export const tokens: Projection<
  TokenRow,
  'digest',
  Omit<GrantFacts, 'GrantOpened' | 'GrantExtended' | 'GrantRevoked'> & ClientTokenFacts
> = {
  table: 'tokens',
  key: ['digest'],
  columns: {
    digest: 'text',
    kind: 'text not null',
    format: 'text not null',
    grant_id: 'text',
    client_id: 'text',
    scopes: 'jsonb not null',
    audience: 'jsonb',
    parameters: 'jsonb not null',
    issued_at: 'timestamptz not null',
    expires_at: 'timestamptz not null',
    redeemed_at: 'timestamptz',
    successor: 'text',
    revoked_at: 'timestamptz',
  },
  indexes: [
    '(grant_id) where grant_id is not null',
    '(client_id) where client_id is not null',
    '(expires_at)',
  ],
  on: {
    AuthorizationCodeIssued: ({ data, id }) => [
      {
        put: {
          digest: data.digest,
          kind: 'authorization_code',
          format: 'reference',
          grant_id: id,
          client_id: null,
          scopes: data.scopes,
          audience: null,
          parameters: data.parameters,
          issued_at: data.issuedAt,
          expires_at: data.expiresAt,
          ...live,
        },
      },
    ],
    AuthorizationCodeRedeemed: ({ data }) => [
      { set: { digest: data.digest, redeemed_at: data.at } },
    ],
    AuthorizationCodeReplayDetected: () => [],
    AccessTokenIssued: ({ data, id }) => [
      {
        put: {
          digest: data.digest,
          kind: 'access_token',
          format: data.format,
          grant_id: id,
          client_id: data.clientId,
          scopes: data.scopes,
          audience: data.audience,
          parameters: data.parameters,
          issued_at: data.issuedAt,
          expires_at: data.expiresAt,
          ...live,
        },
      },
    ],
    AccessTokenRevoked: ({ data, at }) => [{ set: { digest: data.digest, revoked_at: at } }],
    RefreshTokenIssued: ({ data, id }) => [
      {
        put: {
          digest: data.digest,
          kind: 'refresh_token',
          format: 'reference',
          grant_id: id,
          client_id: null,
          scopes: data.scopes,
          audience: null,
          parameters: { ...data.parameters, rotations: data.rotations },
          issued_at: data.issuedAt,
          expires_at: data.expiresAt,
          ...live,
        },
      },
    ],
    RefreshTokenRedeemed: ({ data }) => [
      { set: { digest: data.digest, redeemed_at: data.at, successor: data.successor } },
    ],
    RefreshTokenReuseDetected: () => [],
    RefreshTokenRevoked: ({ data, at }) => [{ set: { digest: data.digest, revoked_at: at } }],
    ClientTokenIssued: ({ data }) => [
      {
        put: {
          digest: data.digest,
          kind: 'client_token',
          format: data.format,
          grant_id: null,
          client_id: data.clientId,
          scopes: data.scopes,
          audience: data.audience,
          parameters: data.parameters,
          issued_at: data.issuedAt,
          expires_at: data.expiresAt,
          ...live,
        },
      },
    ],
    ClientTokenRevoked: ({ data, at }) => [{ set: { digest: data.digest, revoked_at: at } }],
  },
};

export type TokenStatus = 'active' | 'expired' | 'redeemed' | 'revoked';

/** Looked up token by token, for a page needs few: an `exists` would be answered by reading all grants first. */
const GRANT_REVOKED = `(select g.revoked_at from ${READ_SCHEMA}.grants g
  where g.grant_id = t.grant_id) is not null`;

/** Tokens of one status; see {@link tokenStatus}. */
export function tokensOf(status: TokenStatus): Condition {
  const revoked = `(t.revoked_at is not null or ${GRANT_REVOKED})`;
  const over = `(${revoked} or t.redeemed_at is not null)`;
  const conditions: Readonly<Record<TokenStatus, string>> = {
    revoked,
    redeemed: `not ${revoked} and t.redeemed_at is not null`,
    expired: `not ${over} and t.expires_at <= now()`,
    active: `not ${over} and t.expires_at > now()`,
  };
  return () => conditions[status];
}

/** What has become of a token, as far as it and its grant tell. */
export function tokenStatus(
  token: Pick<TokenRow, 'revoked_at' | 'redeemed_at' | 'expires_at'>,
  grant: { readonly revoked_at: Instant | null } | null,
  now: Instant,
): TokenStatus {
  if (token.revoked_at || grant?.revoked_at) return 'revoked';
  if (token.redeemed_at) return 'redeemed';
  return token.expires_at <= now ? 'expired' : 'active';
}

/** Tokens issued to a client, and the others under a grant of it. */
export const tokensOfClient = (client: string) => [
  `t.client_id = ${client}`,
  `t.client_id is distinct from ${client} and t.grant_id in
     (select g.grant_id from ${READ_SCHEMA}.grants g where g.client_id = ${client})`,
];

/** Tokens issued for a person. */
export const tokensOfUser = (sub: string) =>
  `t.grant_id in (select g.grant_id from ${READ_SCHEMA}.grants g where g.sub = ${sub})`;
