import { usernameDigest } from '../../commands/users.ts';
import { type SignInFailure, signIns } from '../../domain/sign-ins.ts';
import { verifyPassword } from '../../platform/passwords.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { SubjectKeys } from '../../platform/subject-keys.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import type { SignInLimits } from '../limits/sign-in-limits.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';

export interface CredentialContext {
  readonly reads: ProtocolReads;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  readonly limits: SignInLimits;
}

/** Whose credentials they are; or why they are not accepted, which whoever tried is not told in full. */
export type CredentialCheck = { readonly sub: string } | { readonly refused: Reason };

type Reason = SignInFailure['reason'];

/**
 * Checks a user name and password, wherever they are entered. Guessing is slowed down by account and
 * by address, and each failure is recorded.
 */
export async function checkCredentials(
  { reads, secrets, subjectKeys, limits }: CredentialContext,
  username: string,
  password: string,
  address: string,
): Promise<CredentialCheck> {
  const name = usernameDigest(secrets, username);
  const user = await reads.userByName(name);
  const refuse = (reason: Reason): CredentialCheck => {
    currentUnitOfWork().wish(signIns, new Date().toISOString().slice(0, 10), {
      type: 'RecordSignInFailure',
      data: { usernameDigest: name, sub: user?.sub ?? null, reason },
    });
    return { refused: reason };
  };

  if (!(await limits.allows(name, address))) return refuse('rate_limited');
  const verifier = user?.password_verifier
    ? await subjectKeys.open(user.sub, user.password_verifier)
    : null;
  const right = await verifyPassword(verifier, password);
  if (!user || !right || user.disabled_at) {
    await limits.failed(name, address);
    return refuse(!user ? 'unknown_user' : right ? 'disabled' : 'wrong_password');
  }
  await limits.succeeded(name);
  return { sub: user.sub };
}
