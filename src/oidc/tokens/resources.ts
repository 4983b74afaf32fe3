import { decodeJwt } from 'jose';
import type { Client, KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { ADMIN_RESOURCE } from '../../commands/seed/seed.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import type { KnownScope } from '../../projections/protocol-reads.ts';
import { scopeList } from '../adapter/model-adapter.ts';
import { askedDetails, resourcesOf } from '../authorization-details.ts';
import { policyOf } from '../clients/clients.ts';
import { sharedTerms, type TermsOf } from './resource-tokens.ts';
import { partsOf, together } from './several-resources.ts';

/** Scopes of the protocol itself: they need no permission of their own. */
const OF_THE_PROTOCOL = ['openid', 'offline_access'];

const NOT_TOGETHER =
  'these API resources have no token in common: name one of them by the parameter resource';

/**
 * Which resource (RFC 8707) a request without `resource` means: those its scopes are permissions on,
 * or at which the authorization details count, and that need not be named. `oneOf` are those that were
 * granted, or that the request names: one token is for all of them.
 * @throws InvalidScope for a scope that does not exist or that the client may not ask for
 * @throws InvalidTarget where nothing is left but resources that must be named
 */
export function defaultResource(catalogue: Catalogue) {
  const { scopes: defined, resources } = catalogue;
  const unnamed = (identifiers: readonly string[]): string[] => {
    const meant = identifiers.filter((each) => !resources.get(each)?.isolated);
    if (identifiers.length === 0 || meant.length > 0) return meant;
    throw new errors.InvalidTarget('the API resource must be named by the parameter resource');
  };
  return (
    ctx: KoaContextWithOIDC,
    client: Client,
    oneOf?: readonly string[],
  ): string | readonly string[] | undefined => {
    if (oneOf) return together(ctx.oidc.params?.resource ? oneOf : unnamed(oneOf));
    keepOfflineAccess(ctx, client);
    const scopes = checkedScopes(defined, ctx, client);
    const details = askedDetails(ctx) ?? [];
    const meant = unnamed([
      ...new Set([
        ...scopes.flatMap((scope) => scope.resources),
        ...details.flatMap((each) => resourcesOf(catalogue, each)),
      ]),
    ]);
    // Each is agreed to by itself; what they have in common is their token.
    if (meant.length > 0) return ctx.oidc.route === 'token' ? together(meant) : meant;
    const formatIsJwt = policyOf(client).tokenPolicy.accessTokenFormat === 'jwt';
    // RFC 9068 §3: a JWT has an audience even where no resource is named.
    return formatIsJwt && !scopes.some(({ name }) => name === 'openid')
      ? ctx.oidc.issuer
      : undefined;
  };
}

/**
 * How tokens for a resource, or for several together, are made for this client.
 * @throws InvalidTarget for a resource that is not defined, and for several that cannot share a token
 */
export function resourceServer({ scopes: defined, resources }: Catalogue, termsOf: TermsOf) {
  return (ctx: KoaContextWithOIDC, identifier: string, client: Client): ResourceServer => {
    keepOfflineAccess(ctx, client);
    const scopes = checkedScopes(defined, ctx, client);
    const parts = partsOf(identifier);
    const unknown = parts.filter((each) => !resources.has(each) && each !== ctx.oidc.issuer);
    if (unknown.length > 0) throw new errors.InvalidTarget();
    if (parts.length > 1) assertMayShare(ctx, parts);
    const terms = sharedTerms(parts.map((each) => termsOf(each, client)));
    if (!terms) throw new errors.InvalidTarget(NOT_TOGETHER);
    return {
      ...terms,
      audience: identifier,
      scope: scopes
        .filter(({ resources }) => parts.some((each) => resources.includes(each)))
        .map(({ name }) => name)
        .join(' '),
    };
  };

  function assertMayShare({ oidc }: KoaContextWithOIDC, parts: readonly string[]): void {
    const alone = parts.some((each) => each === ADMIN_RESOURCE || resources.get(each)?.isolated);
    // Elsewhere each is resolved by itself, so whoever names them together is not the library.
    if (alone || parts.includes(oidc.issuer) || oidc.route !== 'token') {
      throw new errors.InvalidTarget(NOT_TOGETHER);
    }
  }
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
