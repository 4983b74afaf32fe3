import type { ClaimsParameter, Client, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { Catalogue } from '../projections/catalogue.ts';
import { policyOf } from './clients/clients.ts';
import { assertRequestOfProfile } from './clients/profiles.ts';
import { OF_THE_SIGN_IN } from './grant-loader.ts';
import { ACR_VALUES } from './people/acr.ts';

/** What may be asked for at the authorization endpoint, and in which forms. */
export function authorizationRequestFeatures(options: {
  readonly catalogue: Catalogue;
  readonly requirePushedRequests: boolean;
}) {
  return {
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: options.requirePushedRequests,
    },
    requestObjects: { enabled: true, assertJwtClaimsAndHeader: assertRequestObject },
    jwtResponseModes: { enabled: true },
    claimsParameter: { enabled: true, assertClaimsParameter: claimsChecker(options.catalogue) },
  } satisfies Configuration['features'];
}

/** What a request by the back channel must say, so that it counts for a while only (CIBA Core §7.1.1). */
const BY_THE_BACK_CHANNEL = ['exp', 'iat', 'nbf', 'jti'];

async function assertRequestObject(
  { oidc }: KoaContextWithOIDC,
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>>,
  client: Client,
): Promise<void> {
  const { resource } = claims;
  // It would pass by the check of the scopes, which is made for each resource.
  if (Array.isArray(resource) && resource.length === 0) {
    throw new errors.InvalidRequestObject('resource must not be empty');
  }
  const required = oidc.route === 'backchannel_authentication' ? BY_THE_BACK_CHANNEL : [];
  const missing = required.find((claim) => claims[claim] === undefined);
  if (missing) throw new errors.InvalidRequestObject(`the claim ${missing} is missing`);
  assertRequestOfProfile(client, claims, header);
}

/**
 * The `claims` parameter (Core §5.5) asks for single claims. A client may ask for those of the scopes
 * it is permitted; claims that nobody has defined are passed over, as the standard wants it.
 * @throws InvalidRequest, UnmetAuthenticationRequirements
 */
function claimsChecker({ scopes }: Catalogue) {
  return (_ctx: KoaContextWithOIDC, asked: ClaimsParameter, client: Client): void => {
    const permitted = policyOf(client).scopes;
    for (const claim of new Set([
      ...Object.keys(asked.userinfo ?? {}),
      ...Object.keys(asked.id_token ?? {}),
    ])) {
      const among = [...scopes.values()].filter(({ claims }) => claims.includes(claim));
      const may =
        OF_THE_SIGN_IN.includes(claim) ||
        among.length === 0 ||
        among.some(({ name }) => permitted.includes('*') || permitted.includes(name));
      if (!may) throw new errors.InvalidRequest(`requested claim is not allowed: ${claim}`);
    }
    const { essential, value, values } = asked.id_token?.acr ?? {};
    const wanted = value === undefined ? values : [value];
    // Nobody could meet it, however often they sign in.
    if (essential && wanted && ![wanted].flat().some((acr) => ACR_VALUES.includes(String(acr)))) {
      throw new errors.UnmetAuthenticationRequirements('no such authentication is offered');
    }
  };
}
