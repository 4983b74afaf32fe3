import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { API_SCOPE, LIFETIME, RESOURCE } from '../conditions.js';

/**
 * oidc-provider as its users set it up, doing the protocol work that Muniment does. Only the
 * adapter and the place of the clients differ between the two peers.
 */

const ACCOUNT = 'bench';
const SIGN_IN_PATH = '/sign-in/';

/** @type {import('../conditions.js').Algorithms} */
const algorithms = JSON.parse(String(process.env.ALGORITHMS));

/**
 * Serves until SIGTERM. Reads ISSUER, PORT and, as JSON, CLIENTS and ALGORITHMS (conditions.js).
 *
 * @param {{ adapter: import('oidc-provider').AdapterFactory, clients: import('oidc-provider').ClientMetadata[] }} storage
 */
export async function serve({ adapter, clients }) {
  const { ISSUER, PORT } = process.env;
  const provider = new Provider(String(ISSUER), {
    adapter,
    clients,
    ...(await configuration()),
  });
  provider.use(signInAtOnce);
  createServer(provider.callback()).listen(Number(PORT), '127.0.0.1');
  process.on('SIGTERM', () => process.exit(0));
}

/** The clients in the metadata of RFC 7591 §2. @returns {import('oidc-provider').ClientMetadata[]} */
export function clientMetadata() {
  /** @type {import('../conditions.js').Client[]} */
  const clients = JSON.parse(String(process.env.CLIENTS));
  return clients.map((client) => ({
    client_id: client.clientId,
    client_secret: client.clientSecret,
    grant_types: client.grantTypes,
    response_types: client.redirectUris.length > 0 ? ['code'] : [],
    redirect_uris: client.redirectUris,
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: algorithms.idToken,
    access_token_format: client.accessTokenFormat,
  }));
}

/** @returns {Promise<import('oidc-provider').Configuration>} */
async function configuration() {
  return {
    clientAuthMethods: ['client_secret_basic'],
    claims: { openid: ['sub'] },
    scopes: ['openid', 'offline_access'],
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    jwks: { keys: [await signingKey('ES256'), await signingKey('RS256')] },
    extraClientMetadata: { properties: ['access_token_format'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client) => {
          keepOfflineAccess(ctx);
          return client.grantTypeAllowed('client_credentials') ? RESOURCE : [];
        },
        getResourceServerInfo: (_, resource, client) => ({
          scope: API_SCOPE,
          audience: resource,
          accessTokenTTL: LIFETIME.accessToken,
          accessTokenFormat: client.access_token_format === 'jwt' ? 'jwt' : 'opaque',
          jwt: { sign: { alg: algorithms.accessToken } },
        }),
      },
    },
    interactions: { url: (_, interaction) => SIGN_IN_PATH + interaction.uid },
    loadExistingGrant: existingOrImplicitGrant,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: {
      AccessToken: LIFETIME.accessToken,
      ClientCredentials: LIFETIME.accessToken,
      AuthorizationCode: LIFETIME.authorizationCode,
      IdToken: LIFETIME.idToken,
      RefreshToken: LIFETIME.refreshToken,
      Grant: LIFETIME.refreshToken,
      Session: LIFETIME.refreshToken,
      Interaction: 3600,
    },
  };
}

/**
 * The library drops offline_access from a request without prompt=consent; like many of its users,
 * these servers leave the permission to the client's registration.
 *
 * @param {import('oidc-provider').KoaContextWithOIDC} ctx
 */
function keepOfflineAccess({ oidc, query }) {
  if (oidc.route === 'authorization' && oidc.params) oidc.params.scope = query.scope;
}

/** @param {string} alg */
async function signingKey(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg };
}

/**
 * Consent is implicit: a grant is made the first time a session meets a client.
 *
 * @param {import('oidc-provider').KoaContextWithOIDC} ctx
 */
async function existingOrImplicitGrant(ctx) {
  const { provider, session, client, account } = ctx.oidc;
  const known = session?.grantIdFor(String(client?.clientId));
  if (known) return provider.Grant.find(known);
  const grant = new provider.Grant({
    accountId: account?.accountId,
    clientId: client?.clientId,
  });
  grant.addOIDCScope(String(ctx.oidc.params?.scope));
  await grant.save();
  return grant;
}

/**
 * Whoever asks is signed in: the sign-in page is not what is measured.
 *
 * @this {Provider}
 * @param {import('koa').Context} ctx
 * @param {import('koa').Next} next
 */
async function signInAtOnce(ctx, next) {
  if (!ctx.path.startsWith(SIGN_IN_PATH)) return next();
  const provider = /** @type {Provider} */ (ctx.app);
  ctx.redirect(
    await provider.interactionResult(ctx.req, ctx.res, { login: { accountId: ACCOUNT } }),
  );
}
