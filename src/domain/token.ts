import type { TokenFormat } from './client.ts';
import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Digest, Instant } from './ids.ts';

/** Whom a token is for, as a JWT says it: several are a list (RFC 7519 §4.1.3). */
export type Audience = string | readonly string[] | null;

/** An access token that rests on no grant: client credentials (RFC 6749 §4.4). */
export interface ClientToken {
  readonly digest: Digest;
  readonly clientId: string;
  readonly format: TokenFormat;
  readonly scopes: readonly string[];
  readonly audience: Audience;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export type ClientTokenFacts = {
  ClientTokenIssued: ClientToken;
  ClientTokenRevoked: { readonly digest: Digest };
};

export type ClientTokenWishes = {
  IssueClientToken: ClientToken;
  RevokeClientToken: { readonly digest: Digest };
};

export interface ClientTokenState {
  readonly status: 'none' | 'issued' | 'revoked';
}

/** Streams are named by the digest of the token: `token-<digest>`. */
export const clientToken: Decider<ClientTokenState, ClientTokenWishes, ClientTokenFacts> = {
  category: 'token',
  fleeting: true,
  initial: { status: 'none' },

  evolve: {
    ClientTokenIssued: () => ({ status: 'issued' }),
    ClientTokenRevoked: () => ({ status: 'revoked' }),
  },

  decide: {
    IssueClientToken(token, { status }) {
      if (status !== 'none') throw new DomainError('already_exists', 'the token exists already');
      return [{ type: 'ClientTokenIssued', data: token }];
    },
    RevokeClientToken: ({ digest }, { status }) =>
      status === 'issued' ? [{ type: 'ClientTokenRevoked', data: { digest } }] : [],
  },
};
