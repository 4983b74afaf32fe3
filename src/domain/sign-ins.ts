import type { Decider } from './decider.ts';
import type { Digest } from './ids.ts';

export interface SignInFailure {
  /** Keyed digest of the user name that was tried. */
  readonly usernameDigest: Digest;
  readonly sub: string | null;
  readonly reason: 'unknown_user' | 'wrong_password' | 'disabled' | 'rate_limited';
}

export type SignInFacts = { SignInFailed: SignInFailure };
export type SignInWishes = { RecordSignInFailure: SignInFailure };

/**
 * Attempts that failed, in one stream for each UTC day, `sign-ins-2026-11-21`: no person's stream
 * grows with what others try on their account.
 */
export const signIns: Decider<null, SignInWishes, SignInFacts> = {
  category: 'sign-ins',
  blind: true,
  initial: null,
  evolve: { SignInFailed: (state) => state },
  decide: { RecordSignInFailure: (failure) => [{ type: 'SignInFailed', data: failure }] },
};
