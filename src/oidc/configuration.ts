import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { SigningAlgorithm } from '../domain/signing-key.ts';
import type { Outbound } from '../platform/outbound.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import type { Catalogue } from '../projections/catalogue.ts';
import type { ProtocolReads } from '../projections/protocol-reads.ts';
import { DetailSeals } from './adapter/authorization-details.ts';
import { adapterFactory } from './adapter/index.ts';
import { detailTypes, richAuthorizationRequests } from './authorization-details.ts';
import { authorizationRequestFeatures } from './authorization-request.ts';
import { BACKCHANNEL_ROUTES, ciba, requestLifetime } from './backchannel.ts';
import { REGISTRATION_ROUTE } from './clients/client-registration-metadata.ts';
import { POLICY, policyOf, RESPONSE_TYPES } from './clients/clients.ts';
import { type MutualTls, mutualTls } from './clients/mutual-tls.ts';
import { assertClientAssertion, fapi } from './clients/profiles.ts';
import { DEVICE_ROUTES, deviceFlow } from './device-flow.ts';
import { grantLoader } from './grant-loader.ts';
import { cookieSecrets } from './keys/cookie-keys.ts';
import { privateJwks } from './keys/jwks.ts';
import type { BackchannelLimits } from './limits/backchannel-limits.ts';
import { redirectOriginOf } from './pages/csp.ts';
import { LOCALES, negotiateLocale } from './pages/locale.ts';
import { type Pages, send } from './pages/pages.ts';
import { accountFinder } from './people/account.ts';
import { ACR_VALUES } from './people/acr.ts';
import { interactionPath } from './people/interactions.ts';
import { FORM_LIFETIME, SESSION_LIFETIME } from './people/own-session.ts';
import { prompts, promptValues } from './people/prompts.ts';
import { pairwiseSubject } from './people/subjects.ts';
import { accessTokenClaims } from './tokens/access-token-claims.ts';
import { introspectionPolicy } from './tokens/introspection.ts';
import { completeJwt, jwtReader } from './tokens/jwt-access-tokens.ts';
import { refreshTokenTtl, rotateRefreshToken } from './tokens/refresh-tokens.ts';
import { resourceTokens } from './tokens/resource-tokens.ts';
import { defaultResource, resourceServer } from './tokens/resources.ts';
import { responseAlgorithms, responseDefaults } from './tokens/response-protection.ts';

export interface ConfigurationContext {
  readonly issuer: string;
  /** Those that keys are kept for; the first signs what says nothing else. */
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  readonly reads: ProtocolReads;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  readonly pages: Pages;
  /** Seconds. */
  readonly refreshTokenLeeway: number;
  /** Whether all clients push their authorization requests, or only those that are required to. */
  readonly requirePushedRequests: boolean;
  /** Whether people may register themselves. */
  readonly selfRegistration: boolean;
  readonly backchannelLimits: BackchannelLimits;
  /** Calls addresses that clients name. */
  readonly outbound: Outbound;
  /** Whether all proofs of possession have a nonce, or only those of clients that are required to. */
  readonly requireDpopNonce: boolean;
  readonly mutualTls: MutualTls;
  /** Whether clients may be known by a document: where it is published. */
  readonly clientMetadataHosts: readonly string[];
  readonly clientRegistration: 'off' | 'token' | 'open';
  /** What changes at run time: a change makes a new provider. */
  readonly catalogue: Catalogue;
}

/** Seconds; a client's or resource's own policy comes first. */
const LIFETIMES = {
  accessToken: 60 * 60,
  authorizationCode: 60,
  deviceCode: 10 * 60,
  idToken: 60 * 60,
  refreshToken: 30 * 24 * 60 * 60,
  session: SESSION_LIFETIME,
  interaction: FORM_LIFETIME,
  /** A grant ends with its tokens, its session or its consent, never by itself. */
  grant: 10 * 365 * 24 * 60 * 60,
};

/** The paths of the endpoints (see also docs/map.md). */
export const ROUTES = {
  authorization: '/connect/authorize',
  pushed_authorization_request: '/connect/par',
  token: '/connect/token',
  userinfo: '/connect/userinfo',
  introspection: '/connect/introspect',
  revocation: '/connect/revoke',
  end_session: '/connect/logout',
  jwks: '/connect/jwks',
  registration: REGISTRATION_ROUTE,
  ...DEVICE_ROUTES,
  ...BACKCHANNEL_ROUTES,
};

/** Of logout by either channel, which is our own: the library's is not switched on. */
const LOGOUT_METADATA = {
  backchannel_logout_supported: true,
  backchannel_logout_session_supported: true,
  frontchannel_logout_supported: true,
  frontchannel_logout_session_supported: true,
};

export const ASYMMETRIC = ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'] as const;

/** How oidc-provider is set up. What is not switched on here does not exist. */
export function configuration(context: ConfigurationContext): Configuration {
  const { issuer, reads, secrets, pages, catalogue, signingAlgorithms } = context;
  const tls = mutualTls(context.mutualTls, ROUTES);
  const ofThePerson = [...catalogue.scopes.values()].filter(
    ({ resources }) => resources.length === 0,
  );
  const details = new DetailSeals(context);
  const findAccount = accountFinder(reads, context.subjectKeys, catalogue);
  return {
    adapter: adapterFactory({
      ...context,
      details,
      detailTypes: detailTypes(catalogue),
      interactionLifetime: LIFETIMES.interaction,
      jtiOf: jwtReader(issuer, catalogue.signingKeys),
    }),
    findAccount,
    loadExistingGrant: grantLoader(reads),
    jwks: privateJwks(catalogue.signingKeys, secrets),
    scopes: ofThePerson.map(({ name }) => name),
    claims: Object.fromEntries(ofThePerson.map(({ name, claims }) => [name, [...claims]])),
    fetch: context.outbound,
    responseTypes: [...RESPONSE_TYPES],
    clientAuthMethods: [
      'none',
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      ...tls.methods,
    ],
    extraClientMetadata: { properties: [POLICY] },
    clientBasedCORS: (_ctx, origin, client) => policyOf(client).allowedOrigins.includes(origin),
    subjectTypes: ['public', 'pairwise'],
    acrValues: ACR_VALUES,
    pairwiseIdentifier: pairwiseSubject(secrets),
    extraTokenClaims: accessTokenClaims,
    discovery: {
      ...LOGOUT_METADATA,
      ...tls.discovery,
      prompt_values_supported: promptValues(context),
      ui_locales_supported: [...LOCALES],
      client_id_metadata_document_supported: context.clientMetadataHosts.length > 0,
      registration_endpoint:
        context.clientRegistration === 'off' ? undefined : new URL(REGISTRATION_ROUTE, issuer).href,
    },
    routes: ROUTES,
    interactions: { policy: prompts(context), url: (_ctx, { uid }) => interactionPath(uid) },
    cookies: {
      keys: cookieSecrets(catalogue.cookieKeys, secrets),
      names: {
        session: 'muniment_session',
        interaction: 'muniment_interaction',
        resume: 'muniment_resume',
      },
      long: { signed: true, httpOnly: true, sameSite: 'lax', path: '/' },
      short: { signed: true, httpOnly: true, sameSite: 'lax' },
    },
    assertJwtClientAuthClaimsAndHeader: assertClientAssertion,
    pkce: { required: (_ctx, client) => policyOf(client).requirements.pkce },
    rotateRefreshToken,
    ttl: {
      AccessToken: (_ctx, token, client) =>
        token.resourceServer?.accessTokenTTL ??
        policyOf(client).tokenPolicy.accessTokenLifetime ??
        LIFETIMES.accessToken,
      ClientCredentials: (_ctx, token, client) =>
        token.resourceServer?.accessTokenTTL ??
        policyOf(client).tokenPolicy.accessTokenLifetime ??
        LIFETIMES.accessToken,
      AuthorizationCode: (_ctx, _token, client) =>
        policyOf(client).tokenPolicy.authorizationCodeLifetime ?? LIFETIMES.authorizationCode,
      IdToken: (_ctx, _token, client) =>
        policyOf(client).tokenPolicy.idTokenLifetime ?? LIFETIMES.idToken,
      RefreshToken: refreshTokenTtl(LIFETIMES.refreshToken),
      DeviceCode: LIFETIMES.deviceCode,
      BackchannelAuthenticationRequest: requestLifetime,
      // Where nobody has signed in it holds no more than what a form has to bring back.
      Session: (_ctx, { accountId }) => (accountId ? LIFETIMES.session : LIFETIMES.interaction),
      Interaction: LIFETIMES.interaction,
      Grant: LIFETIMES.grant,
    },
    clientDefaults: responseDefaults(signingAlgorithms),
    enabledJWA: {
      ...responseAlgorithms(signingAlgorithms),
      requestObjectSigningAlgValues: [...ASYMMETRIC],
      clientAuthSigningAlgValues: [...ASYMMETRIC],
      dPoPSigningAlgValues: [...ASYMMETRIC],
    },
    formats: { customizers: { jwt: completeJwt(catalogue, findAccount) } },
    features: {
      devInteractions: { enabled: false },
      ...authorizationRequestFeatures(context),
      clientCredentials: { enabled: true },
      richAuthorizationRequests: richAuthorizationRequests(catalogue),
      deviceFlow: deviceFlow(context),
      ciba: ciba(context),
      introspection: {
        enabled: true,
        allowedPolicy: introspectionPolicy(catalogue, findAccount),
      },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: true },
      jwtUserinfo: { enabled: true },
      encryption: { enabled: true },
      dPoP: {
        enabled: true,
        nonceSecret: Buffer.from(secrets.keyedDigest('dpop', 'nonces'), 'hex'),
        requireNonce: ({ oidc }) =>
          context.requireDpopNonce ||
          (oidc.client !== undefined && policyOf(oidc.client).requirements.dpopNonce),
      },
      fapi,
      mTLS: tls.feature,
      resourceIndicators: {
        enabled: true,
        defaultResource: defaultResource(catalogue),
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServer(
          catalogue,
          resourceTokens(catalogue, {
            lifetime: LIFETIMES.accessToken,
            signingAlgorithms,
            secrets,
          }),
        ),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          const { state } = ctx.oidc.session ?? {};
          const redirectUri = state?.postLogoutRedirectUri as string | undefined;
          const page = pages.signOut({
            locale: localeOf(ctx),
            form,
            clientName: ctx.oidc.client?.clientName,
            redirectOrigin: redirectUri ? redirectOriginOf(redirectUri) : null,
          });
          send(ctx, page);
        },
        postLogoutSuccessSource: (ctx) => {
          const { clientName, clientUri } = ctx.oidc.client ?? {};
          send(ctx, pages.signedOut({ locale: localeOf(ctx), clientName, clientUri }));
        },
      },
    },
    renderError: (ctx, out) => {
      const { error, error_description: message } = out;
      const requestId = ctx.state.requestId as string;
      ctx.state.oauthError = error;
      send(
        ctx,
        pages.error({ locale: localeOf(ctx), status: ctx.status, error, message, requestId }),
      );
    },
  };
}

function localeOf(ctx: KoaContextWithOIDC) {
  const uiLocales = ctx.oidc?.params?.ui_locales as string | undefined;
  return negotiateLocale({ uiLocales, acceptLanguage: ctx.get('Accept-Language') });
}
