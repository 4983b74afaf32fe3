import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Digest, Instant } from './ids.ts';
import type { RegistrationPolicy } from './registration-policy.ts';

/** An invitation to register clients (RFC 7591 §3). */
export interface InitialAccessToken {
  readonly tokenId: string;
  /** SHA-256 of the token's value. */
  readonly digest: Digest;
  readonly description: string;
  readonly policy: RegistrationPolicy;
  /** So many clients may be registered with it. */
  readonly quota: number;
  readonly expiresAt: Instant;
}

export type InitialAccessTokenFacts = {
  InitialAccessTokenCreated: InitialAccessToken;
  /** `uses`: how often it has been used, this time included. */
  InitialAccessTokenUsed: {
    readonly clientId: string;
    readonly uses: number;
    readonly at: Instant;
  };
  InitialAccessTokenRevoked: { readonly reason: string };
};

export type InitialAccessTokenWishes = {
  CreateInitialAccessToken: InitialAccessToken;
  UseInitialAccessToken: { readonly clientId: string; readonly now: Instant };
  RevokeInitialAccessToken: { readonly reason: string };
};

export interface InitialAccessTokenState {
  readonly token: InitialAccessToken | null;
  /** The clients that were registered with it. */
  readonly clientIds: readonly string[];
  readonly revoked: boolean;
}

export const initialAccessToken: Decider<
  InitialAccessTokenState,
  InitialAccessTokenWishes,
  InitialAccessTokenFacts
> = {
  category: 'iat',
  initial: { token: null, clientIds: [], revoked: false },

  evolve: {
    InitialAccessTokenCreated: (state, token) => ({ ...state, token }),
    InitialAccessTokenUsed: (state, { clientId }) => ({
      ...state,
      clientIds: [...state.clientIds, clientId],
    }),
    InitialAccessTokenRevoked: (state) => ({ ...state, revoked: true }),
  },

  decide: {
    CreateInitialAccessToken(token, state) {
      if (state.token) throw refusal('already_exists', 'the token exists already');
      return [{ type: 'InitialAccessTokenCreated', data: token }];
    },
    UseInitialAccessToken({ clientId, now }, { token, clientIds, revoked }) {
      if (!token) throw refusal('not_found', 'no such token');
      if (clientIds.includes(clientId)) return [];
      if (revoked) throw refusal('disabled', 'the token has been revoked');
      if (now >= token.expiresAt) throw refusal('disabled', 'the token has expired');
      if (clientIds.length >= token.quota) throw refusal('already_used', 'the token is used up');
      const uses = clientIds.length + 1;
      return [{ type: 'InitialAccessTokenUsed', data: { clientId, uses, at: now } }];
    },
    RevokeInitialAccessToken({ reason }, { token, revoked }) {
      if (!token) throw refusal('not_found', 'no such token');
      return revoked ? [] : [{ type: 'InitialAccessTokenRevoked', data: { reason } }];
    },
  },
};

function refusal(code: DomainError['code'], message: string): DomainError {
  return new DomainError(code, message, { field: 'tokenId' });
}
