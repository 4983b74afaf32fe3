import type { Digest } from './ids.ts';

/**
 * Facts that no decision rests on; they are appended to one stream a day, `sign-ins-2026-11-21`,
 * whatever its revision, so that no person's stream grows with attempts on their account.
 */
export type SignInFacts = {
  SignInFailed: {
    /** Keyed digest of the user name that was tried. */
    readonly usernameDigest: Digest;
    readonly sub: string | null;
    readonly reason: 'unknown_user' | 'wrong_password' | 'disabled' | 'rate_limited';
  };
};

/** @param day the UTC date, `2026-11-21` */
export function signInsStream(day: string): string {
  return `sign-ins-${day}`;
}
