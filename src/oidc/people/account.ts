import type { Account, FindAccount } from 'oidc-provider';
import type { SubjectKeys } from '../../platform/subject-keys.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { claimsFor } from '../tokens/claim-destinations.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';

/** What a person is called, to themselves. */
export async function accountName(
  reads: ProtocolReads,
  subjectKeys: SubjectKeys,
  sub: string,
): Promise<string> {
  const user = await reads.user(sub);
  const personal = user?.personal && (await subjectKeys.open(sub, user.personal));
  const claims = personal ? JSON.parse(personal) : {};
  return claims.name ?? claims.preferred_username ?? sub;
}

/**
 * Finds the person behind a subject. A disabled or erased one is not found, so nothing more is
 * issued to them; their claims are unsealed only when asked for.
 */
export function accountFinder(
  reads: ProtocolReads,
  subjectKeys: SubjectKeys,
  catalogue: Catalogue,
): FindAccount {
  return async (_ctx, sub): Promise<Account | undefined> => {
    const user = await reads.user(sub);
    if (!user || user.disabled_at) return undefined;
    currentUnitOfWork().subject = sub;
    return {
      accountId: sub,
      async claims(use, scope, asked) {
        const personal = user.personal && (await subjectKeys.open(sub, user.personal));
        const claims = personal ? JSON.parse(personal) : {};
        const all = { ...claims, roles: user.roles, sub };
        return { ...claimsFor(catalogue, all, use, scope, asked ?? {}), sub };
      },
    };
  };
}
