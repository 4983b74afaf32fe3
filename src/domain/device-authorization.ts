import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Digest, Instant } from './ids.ts';

/**
 * What a device asks for (RFC 8628 §3.1). The user code is short enough to be guessed and is no part
 * of it: it leads here for as long as the authorization lasts, and is forgotten then.
 */
export interface DeviceRequest {
  /** Digest of the device code. */
  readonly digest: Digest;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly requestedAt: Instant;
  readonly expiresAt: Instant;
  /** Seconds the device waits between two polls. */
  readonly interval: number;
  /** What the protocol engine must find again. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What the person allowed, and the grant that came of it. */
export interface DeviceApproval {
  readonly sub: string;
  readonly grantId: string;
  readonly sessionUid: string | null;
  readonly scopes: readonly string[];
  /** What the protocol engine must find again: resource, claims, how the person signed in … */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly at: Instant;
}

/** Why the device gets nothing, as an OAuth error: `access_denied` when the person said no. */
export interface DeviceDenial {
  readonly error: string;
  readonly description: string | null;
  readonly at: Instant;
}

export type DeviceAuthorizationFacts = {
  DeviceAuthorizationRequested: DeviceRequest;
  DeviceUserCodeEntered: { readonly at: Instant };
  DeviceAuthorizationApproved: DeviceApproval;
  DeviceAuthorizationDenied: DeviceDenial;
  DeviceCodeRedeemed: { readonly at: Instant };
};

export type DeviceAuthorizationWishes = {
  RequestDeviceAuthorization: DeviceRequest;
  /** The person says that the code is on their device. Refused with `already_used` the second time. */
  EnterDeviceUserCode: { readonly now: Instant };
  ApproveDeviceAuthorization: DeviceApproval;
  DenyDeviceAuthorization: DeviceDenial;
  /** Refused with `code_replayed` the second time. */
  RedeemDeviceCode: { readonly now: Instant };
};

export interface DeviceAuthorizationState {
  readonly status: 'none' | 'requested' | 'entered' | 'approved' | 'denied' | 'redeemed';
  readonly expiresAt: Instant;
}

/** Streams are named by the digest of the device code: `device-<digest>`. */
export const deviceAuthorization: Decider<
  DeviceAuthorizationState,
  DeviceAuthorizationWishes,
  DeviceAuthorizationFacts
> = {
  category: 'device',
  initial: { status: 'none', expiresAt: '' },

  evolve: {
    DeviceAuthorizationRequested: (_, { expiresAt }) => ({ status: 'requested', expiresAt }),
    DeviceUserCodeEntered: (state) => ({ ...state, status: 'entered' }),
    DeviceAuthorizationApproved: (state) => ({ ...state, status: 'approved' }),
    DeviceAuthorizationDenied: (state) => ({ ...state, status: 'denied' }),
    DeviceCodeRedeemed: (state) => ({ ...state, status: 'redeemed' }),
  },

  decide: {
    RequestDeviceAuthorization(request, { status }) {
      if (status !== 'none') {
        throw new DomainError('already_exists', 'the device code exists already');
      }
      return [{ type: 'DeviceAuthorizationRequested', data: request }];
    },
    EnterDeviceUserCode({ now }, state) {
      alive(state, now);
      if (state.status !== 'requested') throw userCodeUsed();
      return [{ type: 'DeviceUserCodeEntered', data: { at: now } }];
    },
    ApproveDeviceAuthorization(approval, state) {
      alive(state, approval.at);
      if (state.status !== 'entered') throw userCodeUsed();
      return [{ type: 'DeviceAuthorizationApproved', data: approval }];
    },
    DenyDeviceAuthorization(denial, state) {
      if (state.status === 'denied') return [];
      alive(state, denial.at);
      if (state.status !== 'requested' && state.status !== 'entered') throw userCodeUsed();
      return [{ type: 'DeviceAuthorizationDenied', data: denial }];
    },
    RedeemDeviceCode({ now }, state) {
      if (state.status === 'redeemed') {
        throw new DomainError('code_replayed', 'the device code was used before', {
          field: 'device_code',
        });
      }
      alive(state, now);
      if (state.status !== 'approved') throw unknown();
      return [{ type: 'DeviceCodeRedeemed', data: { at: now } }];
    },
  },
};

function alive({ status, expiresAt }: DeviceAuthorizationState, now: Instant): void {
  if (status === 'none' || expiresAt <= now) throw unknown();
}

function unknown(): DomainError {
  return new DomainError('not_found', 'the device code is not known here', {
    field: 'device_code',
  });
}

function userCodeUsed(): DomainError {
  return new DomainError('already_used', 'the user code was used before', { field: 'user_code' });
}
