import type { AccessToken, ClientCredentials, KoaContextWithOIDC } from 'oidc-provider';
import { policyOf } from '../clients/clients.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';

/** How and when a person signed in, as far as it is known. */
interface Authentication {
  readonly authTime?: number | undefined;
  readonly acr?: string | undefined;
  readonly amr?: readonly string[] | undefined;
}

/**
 * What an access token tells beside what every one does: how and when the person signed in, so that
 * a resource can ask for more (RFC 9068 §2.2.1, RFC 9470 §5). JWTs carry it, introspection answers it.
 */
export function accessTokenClaims(
  ctx: KoaContextWithOIDC,
  token: AccessToken | ClientCredentials,
): Record<string, unknown> | undefined {
  if (token.kind !== 'AccessToken') return clientClaims(token);
  const { tokenClaims } = currentUnitOfWork();
  if (tokenClaims) return tokenClaims;
  const { authTime, acr, amr } = signIn(ctx);
  const claims = { auth_time: authTime, acr, amr: amr?.length ? amr : undefined };
  const known = Object.entries(claims).filter(([, value]) => value !== undefined);
  return known.length > 0 ? Object.fromEntries(known) : undefined;
}

/** What the operator has said of the client, in a token that the client has for itself. */
function clientClaims({ client }: ClientCredentials): Record<string, unknown> | undefined {
  if (!client) return undefined;
  const { claims, claimsPrefix } = policyOf(client).tokenPolicy;
  const named = Object.entries(claims).map(([claim, value]) => [claimsPrefix + claim, value]);
  return named.length > 0 ? Object.fromEntries(named) : undefined;
}

/** Of what is being exchanged for the token; or of the session, where the token is given at once. */
function signIn({ oidc }: KoaContextWithOIDC): Authentication {
  const { AuthorizationCode, RefreshToken, DeviceCode, Session } = oidc.entities;
  const source = AuthorizationCode ?? DeviceCode ?? RefreshToken;
  if (source) return source;
  return Session ? { authTime: Session.authTime(), acr: Session.acr, amr: Session.amr } : {};
}
