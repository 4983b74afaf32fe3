import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { grant } from '../domain/grant.ts';
import { clientToken } from '../domain/token.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import type { Catalogue } from '../projections/catalogue.ts';
import type { ProtocolReads } from '../projections/protocol-reads.ts';
import { accountFinder } from './account.ts';
import { adapterFactory } from './adapter/index.ts';
import { issued } from './adapter/tokens.ts';
import { authorizationRequestFeatures } from './authorization-request.ts';
import { POLICY, policyOf, RESPONSE_TYPES } from './clients.ts';
import { grantLoader } from './grant-loader.ts';
import { interactionPath } from './interactions.ts';
import { privateJwks } from './jwks.ts';
import { redirectOriginOf } from './pages/csp.ts';
import { negotiateLocale } from './pages/locale.ts';
import { type Pages, send } from './pages/pages.ts';
import { defaultResource, resourceServer } from './resources.ts';
import { currentUnitOfWork } from './unit-of-work.ts';

export interface ConfigurationContext {
  readonly issuer: string;
  readonly reads: ProtocolReads;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  readonly pages: Pages;
  /** Seconds. */
  readonly refreshTokenLeeway: number;
  /** Whether all clients push their authorization requests, or only those that are required to. */
  readonly requirePushedRequests: boolean;
  /** What changes at run time: a change makes a new provider. */
  readonly catalogue: Catalogue;
}

/** Seconds; a client's or resource's own policy comes first. */
const LIFETIMES = {
  accessToken: 60 * 60,
  authorizationCode: 60,
  idToken: 60 * 60,
  refreshToken: 30 * 24 * 60 * 60,
  session: 14 * 24 * 60 * 60,
  interaction: 60 * 60,
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
};

const ASYMMETRIC = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** How oidc-provider is set up. What is not switched on here does not exist. */
export function configuration(context: ConfigurationContext): Configuration {
  const { reads, secrets, pages, catalogue } = context;
  const ofThePerson = [...catalogue.scopes.values()].filter(
    ({ resources }) => resources.length === 0,
  );
  return {
    adapter: adapterFactory({ ...context, interactionLifetime: LIFETIMES.interaction }),
    findAccount: accountFinder(reads, context.subjectKeys),
    loadExistingGrant: grantLoader(reads),
    jwks: privateJwks(catalogue.signingKeys, secrets),
    scopes: ofThePerson.map(({ name }) => name),
    claims: Object.fromEntries(ofThePerson.map(({ name, claims }) => [name, [...claims]])),
    responseTypes: [...RESPONSE_TYPES],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    extraClientMetadata: { properties: [POLICY] },
    routes: ROUTES,
    interactions: { url: (_ctx, { uid }) => interactionPath(uid) },
    cookies: {
      keys: [secrets.keyedDigest('cookies', 'signature')],
      names: {
        session: 'muniment_session',
        interaction: 'muniment_interaction',
        resume: 'muniment_resume',
      },
      long: { signed: true, httpOnly: true, sameSite: 'lax', path: '/' },
      short: { signed: true, httpOnly: true, sameSite: 'lax' },
    },
    pkce: { required: (_ctx, client) => policyOf(client).requirements.pkce },
    rotateRefreshToken: true,
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
      RefreshToken: (_ctx, _token, client) =>
        policyOf(client).tokenPolicy.refreshTokenLifetime ?? LIFETIMES.refreshToken,
      Session: LIFETIMES.session,
      Interaction: LIFETIMES.interaction,
      Grant: LIFETIMES.grant,
    },
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      authorizationSigningAlgValues: ['RS256', 'ES256'],
      requestObjectSigningAlgValues: [...ASYMMETRIC],
      clientAuthSigningAlgValues: [...ASYMMETRIC],
      dPoPSigningAlgValues: [...ASYMMETRIC],
    },
    formats: { customizers: { jwt: recordJwt } },
    features: {
      devInteractions: { enabled: false },
      ...authorizationRequestFeatures(context),
      clientCredentials: { enabled: true },
      introspection: {
        enabled: true,
        // RFC 7662 §2.1: whoever asks must have proved who they are; others may ask about their own.
        allowedPolicy: (_ctx, client, token) =>
          client.clientAuthMethod !== 'none' || token.clientId === client.clientId,
      },
      revocation: { enabled: true },
      userinfo: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: defaultResource(catalogue),
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServer(catalogue, LIFETIMES.accessToken),
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
      send(
        ctx,
        pages.error({ locale: localeOf(ctx), status: ctx.status, error, message, requestId }),
      );
    },
  };
}

/** RFC 9068 tokens never reach the adapter; that one was issued is recorded here, by its `jti`. */
const recordJwt: NonNullable<
  NonNullable<NonNullable<Configuration['formats']>['customizers']>['jwt']
> = async (ctx, token, { payload }) => {
  const unit = currentUnitOfWork();
  const { jti, aud } = payload as { jti: string; aud?: string };
  const fact = {
    ...issued(jti, payload as Parameters<typeof issued>[1]),
    parameters: boundBy(token),
    format: 'jwt' as const,
    audience: aud ?? null,
  };
  if (token.kind === 'AccessToken') {
    const grantId = (token as { grantId?: string }).grantId ?? '';
    unit.wish(grant, grantId, { type: 'IssueAccessToken', data: fact });
  } else {
    const data = { ...fact, clientId: ctx.oidc.client?.clientId ?? '' };
    unit.wish(clientToken, fact.digest, { type: 'IssueClientToken', data }, { fresh: true });
  }
};

/** What a JWT shares with a reference token beside its claims. */
function boundBy(token: object): Record<string, unknown> {
  const { gty, sid, jkt, 'x5t#S256': x5t } = token as Record<string, unknown>;
  const known = Object.entries({ gty, sid, jkt, 'x5t#S256': x5t });
  return Object.fromEntries(known.filter(([, value]) => value !== undefined));
}

function localeOf(ctx: KoaContextWithOIDC) {
  const uiLocales = ctx.oidc?.params?.ui_locales as string | undefined;
  return negotiateLocale({ uiLocales, acceptLanguage: ctx.get('Accept-Language') });
}
