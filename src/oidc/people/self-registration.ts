import { checkedUser, newUser, usernameDigest } from '../../commands/users.ts';
import { DomainError } from '../../domain/errors.ts';
import { user } from '../../domain/user.ts';
import { username as usernames } from '../../domain/username.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { SubjectKeys } from '../../platform/subject-keys.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import type { RegistrationLimits } from '../limits/registration-limits.ts';
import type { RegisterField } from '../pages/models.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';

export interface SelfRegistrationContext {
  readonly reads: ProtocolReads;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  readonly registrationLimits: RegistrationLimits;
}

/** What a person has to do otherwise: the field, if it is one, and the message it deserves. */
export interface RegistrationProblem {
  readonly field?: RegisterField;
  readonly text: string;
}

/** The name may be somebody's by now. */
export const TAKEN: RegistrationProblem = { field: 'username', text: 'register.error.taken' };

/** The message for each field that the command may find fault with. */
const FAULTS: Readonly<Record<string, RegistrationProblem>> = {
  username: { field: 'username', text: 'register.error.username' },
  password: { field: 'password', text: 'register.error.password' },
  'claims.email': { field: 'email', text: 'register.error.email' },
};

/**
 * A person registers themselves: the wish is recorded, and decided when the request is committed.
 * Whether a name is taken is told last, and so many times to an address: no sooner than it has to be.
 */
export async function registerPerson(
  { reads, secrets, subjectKeys, registrationLimits }: SelfRegistrationContext,
  form: URLSearchParams,
  address: string,
): Promise<{ readonly sub: string } | { readonly problem: RegistrationProblem }> {
  const typed = (name: RegisterField) => form.get(name) ?? '';
  if (typed('password') !== typed('repeated')) {
    return { problem: { field: 'repeated', text: 'register.error.repeated' } };
  }
  try {
    const checked = await checkedUser({
      username: typed('username'),
      password: typed('password'),
      claims: typed('email') ? { email: typed('email'), email_verified: false } : {},
    });
    if (!(await registrationLimits.try(address))) {
      return { problem: { text: 'signIn.error.tooManyAttempts' } };
    }
    if (await reads.userByName(usernameDigest(secrets, checked.username))) {
      return { problem: TAKEN };
    }
    const { sub, digest, wishes } = await newUser({ secrets, subjectKeys }, checked);
    const unit = currentUnitOfWork();
    unit.subject = sub;
    unit.wish(usernames, digest, { type: 'ClaimUsername', data: { sub } });
    for (const wish of wishes) unit.wish(user, sub, wish, { fresh: true });
    return { sub };
  } catch (error) {
    const field = error instanceof DomainError ? String(error.detail.field) : '';
    const problem = FAULTS[field];
    if (!problem) throw error;
    return { problem };
  }
}
