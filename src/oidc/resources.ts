import { decodeJwt } from 'jose';
import type { Client, KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { signingAlgorithmsFor } from '../domain/client-profiles.ts';
import type { SigningAlgorithm } from '../domain/signing-key.ts';
import type { Catalogue } from '../projections/catalogue.ts';
import type { KnownScope } from '../projections/protocol-reads.ts';
import { scopeList } from './adapter/model-adapter.ts';
import { askedDetails, resourcesOf } from './authorization-details.ts';
import { policyOf } from './clients.ts';
import { signedWith } from './jwks.ts';

/** Scopes of the protocol itself: they need no permission of their own. */
const OF_THE_PROTOCOL = ['openid', 'offline_access'];

/**
 * Which resource (RFC 8707) a request without `resource` means: the one its scopes are permissions
 * on, or at which the authorization details count. `oneOf` narrows the choice to what was granted.
 * @throws InvalidScope for a scope that does not exist or that the client may not ask for
 */
export function defaultResource(catalogue: Catalogue) {
  const { scopes: defined } = catalogue;
  return (
    ctx: KoaContextWithOIDC,
    client: Client,
    oneOf?: readonly string[],
  ): string | readonly string[] | undefined => {
    if (oneOf) return oneOf;
    keepOfflineAccess(ctx, client);
    const scopes = checkedScopes(defined, ctx, client);
    const details = askedDetails(ctx) ?? [];
    const meant = [
      ...new Set([
        ...scopes.flatMap((scope) => scope.resources),
        ...details.flatMap((each) => resourcesOf(catalogue, each)),
      ]),
    ];
    if (meant.length > 0) return meant.length === 1 ? meant[0] : meant;
    const formatIsJwt = policyOf(client).tokenPolicy.accessTokenFormat === 'jwt';
    // RFC 9068 §3: a JWT has an audience even where no resource is named.
    return formatIsJwt && !scopes.some(({ name }) => name === 'openid')
      ? ctx.oidc.issuer
      : undefined;
  };
}

/**
 * How tokens for one resource are made for this client: the resource's own policy first, then the
 * client's, then the server's.
 * @throws InvalidTarget for a resource that is not defined
 */
export function resourceServer(
  { scopes: defined, resources }: Catalogue,
  defaultLifetime: number,
  signingAlgorithms: readonly SigningAlgorithm[],
) {
  return (ctx: KoaContextWithOIDC, identifier: string, client: Client): ResourceServer => {
    keepOfflineAccess(ctx, client);
    const row = resources.get(identifier);
    const scopes = checkedScopes(defined, ctx, client);
    if (!row && identifier !== ctx.oidc.issuer) throw new errors.InvalidTarget();
    const { accessTokenFormat, accessTokenLifetime, accessTokenSigningAlg } =
      policyOf(client).tokenPolicy;
    const format = row?.token_policy.accessTokenFormat ?? accessTokenFormat;
    return {
      audience: identifier,
      scope: scopes
        .filter(({ resources }) => resources.includes(identifier))
        .map(({ name }) => name)
        .join(' '),
      accessTokenFormat: format === 'jwt' ? 'jwt' : 'opaque',
      jwt: signedWith(
        signingAlgorithmsFor(policyOf(client).profile, signingAlgorithms),
        row?.token_policy.accessTokenSigningAlg,
        accessTokenSigningAlg,
      ),
      accessTokenTTL:
        row?.token_policy.accessTokenLifetime ?? accessTokenLifetime ?? defaultLifetime,
    };
  };
}

/** Whether the client is permitted a scope. */
export function mayAsk(client: Client, scope: string): boolean {
  const permitted = policyOf(client).scopes;
  return OF_THE_PROTOCOL.includes(scope) || permitted.includes('*') || permitted.includes(scope);
}

/** The scopes that the request, or the token being refreshed, names. */
function checkedScopes(
  defined: Catalogue['scopes'],
  ctx: KoaContextWithOIDC,
  client: Client,
): KnownScope[] {
  const asked = ctx.oidc.params?.scope as string | undefined;
  const { AuthorizationCode, DeviceCode, BackchannelAuthenticationRequest, RefreshToken } =
    ctx.oidc.entities;
  const source =
    AuthorizationCode ?? DeviceCode ?? BackchannelAuthenticationRequest ?? RefreshToken;
  const names = (asked ?? source?.scope ?? '').split(' ').filter(Boolean);
  return names.map((name) => {
    const scope = defined.get(name);
    if (!scope) throw new errors.InvalidScope('requested scope does not exist', name);
    if (!mayAsk(client, name))
      throw new errors.InvalidScope('requested scope is not allowed', name);
    return scope;
  });
}

/**
 * OpenID Connect Core §11 wants `prompt=consent` with offline_access, and the library drops the scope
 * without it. Here the permission to hold refresh tokens is the client's, and consent is asked when
 * it is missing: the scope is put back where the library took it away.
 */
function keepOfflineAccess(ctx: KoaContextWithOIDC, client: Client): void {
  const { params, route } = ctx.oidc;
  if (route !== 'authorization' && route !== 'pushed_authorization_request') return;
  if (!params || !client.grantTypeAllowed('refresh_token')) return;
  // Only a code can become a refresh token.
  if (!scopeList(params.response_type as string | undefined).includes('code')) return;
  const kept = scopeList(params.scope as string | undefined);
  if (kept.includes('offline_access') || !askedScopes(ctx).includes('offline_access')) return;
  params.scope = [...kept, 'offline_access'].join(' ');
}

/** The scopes as the client wrote them: in a pushed request, in a request object, or as they are. */
function askedScopes({ oidc, query, method }: KoaContextWithOIDC): string[] {
  const pushed = oidc.entities.PushedAuthorizationRequest?.request;
  const sent = (method === 'POST' ? oidc.body : query) ?? {};
  const request = pushed ?? sent.request;
  const { scope } = request ? decodeJwt(String(request)) : sent;
  return scopeList(scope as string | undefined);
}
