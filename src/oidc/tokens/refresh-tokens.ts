import type { Client, KoaContextWithOIDC, RefreshToken } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { ClientTokenPolicy } from '../../domain/client.ts';
import { policyOf } from '../clients/clients.ts';

type RefreshPolicy = Pick<
  ClientTokenPolicy,
  'refreshTokenLifetime' | 'refreshTokenAbsoluteLifetime'
>;

/**
 * Seconds that a refresh token made now is good for: a lifetime of its own, which begins anew with
 * each rotation, but not past the end of the chain that began at `firstIssuedAt`.
 * @param firstIssuedAt of the first of the chain; like `now`, in seconds since 1970
 */
export function refreshTokenLifetime(
  policy: RefreshPolicy,
  byDefault: number,
  firstIssuedAt: number,
  now: number,
): number {
  const ownLifetime = policy.refreshTokenLifetime ?? byDefault;
  return Math.min(ownLifetime, secondsLeft(policy, firstIssuedAt, now));
}

/** Seconds until the chain ends, whatever the tokens in it were made for; not positive when it has. */
export function secondsLeft(policy: RefreshPolicy, firstIssuedAt: number, now: number): number {
  const { refreshTokenAbsoluteLifetime } = policy;
  if (refreshTokenAbsoluteLifetime === null) return Number.POSITIVE_INFINITY;
  return firstIssuedAt + refreshTokenAbsoluteLifetime - now;
}

/** `ttl.RefreshToken` of the library. */
export function refreshTokenTtl(byDefault: number) {
  return (_ctx: KoaContextWithOIDC, token: RefreshToken, client: Client): number => {
    const now = Math.floor(Date.now() / 1000);
    return refreshTokenLifetime(policyOf(client).tokenPolicy, byDefault, token.iiat ?? now, now);
  };
}

/**
 * Whether the refresh token that is being used is replaced. A public client's always is, unless it is
 * bound to a key (RFC 9700 §4.14.2).
 * @throws InvalidGrant when the client's policy, as it is now, has ended the chain
 */
export function rotateRefreshToken({ oidc }: KoaContextWithOIDC): boolean {
  const { client, RefreshToken: token } = { ...oidc.entities, client: oidc.client };
  if (!client || !token) return true;
  const { tokenPolicy } = policyOf(client);
  const now = Math.floor(Date.now() / 1000);
  if (secondsLeft(tokenPolicy, token.iiat ?? token.iat, now) <= 0) {
    throw new errors.InvalidGrant('refresh token is expired');
  }
  const exposed = client.clientAuthMethod === 'none' && !token.isSenderConstrained();
  return exposed || tokenPolicy.refreshTokenUsage === 'one_time';
}
