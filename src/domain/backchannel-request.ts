import type { Allowance } from './consent.ts';
import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Digest, Instant, Sealed } from './ids.ts';
import type { Authentication } from './session.ts';

/**
 * A client asks for a person who is somewhere else (OpenID Connect CIBA §7.1): they are told, and
 * decide on a device of their own.
 */
export interface BackchannelRequest {
  /** Digest of the auth_req_id. */
  readonly digest: Digest;
  readonly clientId: string;
  readonly sub: string;
  /** As the client asked for them. */
  readonly scopes: readonly string[];
  /** The same by what they are permissions on, with single claims. */
  readonly allowance: Allowance;
  /** What client and person see on both devices, sealed under the person's key; null: nothing. */
  readonly bindingMessage: Sealed | null;
  readonly requestedAt: Instant;
  readonly expiresAt: Instant;
  /** Seconds the client waits between two polls. */
  readonly interval: number;
  /** What the protocol engine must find again. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Who decided: the person on their own page, or somebody whom an administrator trusts to ask them. */
export type DecidedBy = 'user' | 'administrator';

/** How the person proved who they are, and the grant that came of it. */
export interface BackchannelApproval extends Authentication {
  readonly grantId: string;
  readonly by: DecidedBy;
  readonly at: Instant;
}

export interface BackchannelDenial {
  readonly by: DecidedBy;
  readonly at: Instant;
}

export type BackchannelRequestFacts = {
  BackchannelAuthenticationRequested: BackchannelRequest;
  BackchannelAuthenticationApproved: BackchannelApproval;
  BackchannelAuthenticationDenied: BackchannelDenial;
  BackchannelRequestRedeemed: { readonly at: Instant };
};

export type BackchannelRequestWishes = {
  RequestBackchannelAuthentication: BackchannelRequest;
  /** Refused with `already_used` when it has been decided, whichever way. */
  ApproveBackchannelAuthentication: BackchannelApproval;
  DenyBackchannelAuthentication: BackchannelDenial;
  /** Refused with `code_replayed` the second time. */
  RedeemBackchannelRequest: { readonly now: Instant };
};

export interface BackchannelRequestState {
  readonly status: 'none' | 'requested' | 'approved' | 'denied' | 'redeemed';
  readonly request: BackchannelRequest | null;
}

/** Streams are named by the digest of the auth_req_id: `ciba-<digest>`. */
export const backchannelRequest: Decider<
  BackchannelRequestState,
  BackchannelRequestWishes,
  BackchannelRequestFacts
> = {
  category: 'ciba',
  initial: { status: 'none', request: null },

  evolve: {
    BackchannelAuthenticationRequested: (_, request) => ({ status: 'requested', request }),
    BackchannelAuthenticationApproved: (state) => ({ ...state, status: 'approved' }),
    BackchannelAuthenticationDenied: (state) => ({ ...state, status: 'denied' }),
    BackchannelRequestRedeemed: (state) => ({ ...state, status: 'redeemed' }),
  },

  decide: {
    RequestBackchannelAuthentication(request, { status }) {
      if (status !== 'none') {
        throw new DomainError('already_exists', 'the auth_req_id exists already');
      }
      return [{ type: 'BackchannelAuthenticationRequested', data: request }];
    },
    ApproveBackchannelAuthentication(approval, state) {
      alive(state, approval.at);
      if (state.status !== 'requested') throw decided();
      return [{ type: 'BackchannelAuthenticationApproved', data: approval }];
    },
    DenyBackchannelAuthentication(denial, state) {
      if (state.status === 'denied') return [];
      alive(state, denial.at);
      if (state.status !== 'requested') throw decided();
      return [{ type: 'BackchannelAuthenticationDenied', data: denial }];
    },
    RedeemBackchannelRequest({ now }, state) {
      if (state.status === 'redeemed') {
        throw new DomainError('code_replayed', 'the auth_req_id was used before', {
          field: 'auth_req_id',
        });
      }
      alive(state, now);
      if (state.status !== 'approved') throw unknown();
      return [{ type: 'BackchannelRequestRedeemed', data: { at: now } }];
    },
  },
};

function alive({ request }: BackchannelRequestState, now: Instant): void {
  if (!request || request.expiresAt <= now) throw unknown();
}

function unknown(): DomainError {
  return new DomainError('not_found', 'no such request is waiting', { field: 'requestId' });
}

function decided(): DomainError {
  return new DomainError('already_used', 'the request has been decided before', {
    field: 'requestId',
  });
}
