import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { type Allowance, covers } from '../domain/consent.ts';
import type { ConsentRow } from '../projections/consents.ts';
import type { ProtocolReads } from '../projections/protocol-reads.ts';
import { policyOf } from './clients/clients.ts';
import { currentUnitOfWork } from './unit-of-work.ts';

/** Claims that need no consent: they describe the sign-in, not the person. */
export const OF_THE_SIGN_IN = ['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss'];

/**
 * The grant an authorization request rests on: the session's own for this client, or a new one
 * opened from a lasting consent or from the client's consent type. Undefined: the person is asked.
 */
export function grantLoader(reads: ProtocolReads) {
  return async (ctx: KoaContextWithOIDC): Promise<Grant | undefined> => {
    const { client, session, account, provider, result } = ctx.oidc;
    if (!client || !session || !account) return undefined;
    const unit = currentUnitOfWork();
    unit.sessionUid = session.uid;

    const decided = result?.consent?.grantId;
    if (decided) return provider.Grant.find(decided);

    const wanted = requested(ctx);
    const current = await provider.Grant.find(session.grantIdFor(client.clientId) ?? '');
    const { consentType, consentLifetime } = policyOf(client);
    if (consentType === 'systematic') return undefined;
    const consentId = `${account.accountId}.${client.clientId}`;
    // What was agreed to for a time is looked at each time, in the same session too.
    const timed = consentLifetime !== null && consentType !== 'implicit';
    const over = timed && isOver(await reads.consent(consentId), consentLifetime);
    if (over && consentType === 'explicit') return undefined;
    if (!over && current && covers(allowanceOf(current, wanted), wanted)) return current;

    if (consentType === 'implicit') {
      unit.grantBasis = 'implicit';
    } else {
      const given = await reads.consent(consentId);
      const covered = given && !given.withdrawn_at && !over && covers(given, wanted);
      if (!covered && consentType === 'external') {
        throw new errors.ConsentRequired('consent for this client is given elsewhere');
      }
      if (!covered) return current;
      unit.grantBasis = consentType === 'external' ? 'external' : 'consent';
    }

    const grant =
      current ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    allow(grant, wanted);
    await grant.save();
    return grant;
  };
}

/** Whether a consent was given so long ago, in seconds, that it counts no more. */
export function isOver(given: ConsentRow | undefined, lifetime: number | null): boolean {
  if (!given || lifetime === null) return false;
  return Date.parse(given.granted_at) + lifetime * 1000 <= Date.now();
}

/** Everything an authorization request asks for. */
export function requested(ctx: KoaContextWithOIDC): Allowance {
  const { oidc } = ctx;
  const resources = Object.entries(oidc.resourceServers ?? {}).map(([identifier, server]) => [
    identifier,
    [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope)),
  ]);
  return {
    scopes: [...oidc.requestParamOIDCScopes],
    claims: [...oidc.requestParamClaims].filter((claim) => !OF_THE_SIGN_IN.includes(claim)),
    resources: Object.fromEntries(resources),
  };
}

/** Adds an allowance to a grant of the library. */
export function allow(grant: Grant, allowance: Allowance): void {
  if (allowance.scopes.length > 0) grant.addOIDCScope(allowance.scopes.join(' '));
  if (allowance.claims.length > 0) grant.addOIDCClaims([...allowance.claims]);
  for (const [resource, scopes] of Object.entries(allowance.resources)) {
    if (scopes.length > 0) grant.addResourceScope(resource, scopes.join(' '));
  }
}

function allowanceOf(grant: Grant, wanted: Allowance): Allowance {
  const resources = Object.keys(wanted.resources).map((resource) => [
    resource,
    grant.getResourceScope(resource).split(' '),
  ]);
  return {
    scopes: grant.getOIDCScope().split(' '),
    claims: grant.getOIDCClaims(),
    resources: Object.fromEntries(resources),
  };
}
