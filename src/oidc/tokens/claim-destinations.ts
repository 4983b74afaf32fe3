import type Provider from 'oidc-provider';
import type {
  AccessToken,
  Account,
  CanBePromise,
  ClientCredentials,
  KoaContextWithOIDC,
} from 'oidc-provider';
import { own } from '../../domain/decider.ts';
import type { ClaimDestination } from '../../domain/scope.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import type { KnownScope } from '../../projections/protocol-reads.ts';
import { scopeList } from '../adapter/model-adapter.ts';

type Claims = Record<string, unknown>;

/** Says what a token is and whose; a person has no claims of these names that could be put there. */
const OF_THE_TOKEN = [
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'scope', 'cnf', 'active'],
  ...['act', 'auth_time', 'acr', 'amr', 'sid'],
];

/**
 * Where the claims of a scope go, as its operator has set it up for each. Without a word of theirs,
 * those of a scope about the person go to userinfo, and to the ID token where there is no userinfo to
 * ask (OpenID Connect Core §5.4); those of a scope on an API go into its access tokens.
 */
function destinations(scope: KnownScope, claim: string): readonly ClaimDestination[] | undefined {
  const set = own(scope.claim_destinations, claim);
  if (set) return set;
  return scope.resources.length > 0 ? ['access_token'] : undefined;
}

/** The claims that these scopes send to one of the destinations by a word of their operator. */
function sentTo(
  { scopes: defined }: Catalogue,
  scopes: Iterable<string>,
  ...wanted: ClaimDestination[]
): string[] {
  return [...scopes].flatMap((name) => {
    const scope = defined.get(name);
    if (!scope) return [];
    return scope.claims.filter((claim) =>
      destinations(scope, claim)?.some((each) => wanted.includes(each)),
    );
  });
}

/**
 * A person's claims without those that are kept from the ID token or from userinfo. What the client
 * asks for one by one (Core §5.5), it gets.
 */
export function claimsFor(
  { scopes: defined }: Catalogue,
  claims: Claims,
  use: string,
  scope: string,
  asked: object,
): Claims {
  const scopes = scopeList(scope).flatMap((name) => defined.get(name) ?? []);
  const kept = Object.entries(claims).filter(([claim]) => {
    const releasing = scopes.filter((each) => each.claims.includes(claim));
    if (releasing.length === 0 || Object.hasOwn(asked, claim)) return true;
    return releasing.some((each) => {
      const set = destinations(each, claim);
      return !set || set.some((destination) => destination === use);
    });
  });
  return Object.fromEntries(kept);
}

/** Has the library put claims into ID tokens that would otherwise be told at userinfo alone. */
export function sendClaimsToIdTokens(provider: Provider, catalogue: Catalogue): void {
  const { prototype } = provider.IdToken;
  const { issue } = prototype;
  Object.assign(prototype, {
    issue(this: Making, options: { use: string }) {
      if (options.use === 'idtoken') {
        const scopes = sentTo(catalogue, grantedScopes(this.ctx), 'id_token');
        const mask = Object.fromEntries(scopes.map((claim) => [claim, null]));
        this.mask = { ...this.mask, ...mask };
      }
      return issue.call(this as never, options as never);
    },
  });
}

interface Making {
  readonly ctx: KoaContextWithOIDC;
  mask: object | undefined;
}

/** The scopes about the person that were asked for and granted. */
function grantedScopes({ oidc }: KoaContextWithOIDC): string[] {
  const { entities } = oidc;
  const source =
    entities.AuthorizationCode ??
    entities.DeviceCode ??
    entities.BackchannelAuthenticationRequest ??
    entities.RefreshToken;
  const asked = source ? source.scopes : oidc.requestParamScopes;
  return scopeList(entities.Grant?.getOIDCScopeFiltered(asked));
}

/** What an access token tells of the person, by its own scopes; nothing is unsealed where that is nothing. */
export async function personalClaims(
  catalogue: Catalogue,
  { oidc }: KoaContextWithOIDC,
  token: AccessToken | ClientCredentials,
  find: (token: AccessToken) => CanBePromise<Account | undefined>,
  ...wanted: ClaimDestination[]
): Promise<Claims> {
  if (token.kind !== 'AccessToken') return {};
  const rejected = oidc.entities.Grant?.getRejectedOIDCClaims() ?? [];
  const sent = sentTo(catalogue, token.scopes, ...wanted).filter(
    (claim) => !rejected.includes(claim) && !OF_THE_TOKEN.includes(claim),
  );
  if (sent.length === 0) return {};
  const all: Claims = (await (await find(token))?.claims('access_token', '', {}, [])) ?? {};
  return Object.fromEntries(
    sent.filter((claim) => all[claim] !== undefined).map((claim) => [claim, all[claim]]),
  );
}
