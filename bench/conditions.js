import { randomBytes } from 'node:crypto';

/**
 * What every contender is set up with: the same clients, scopes, lifetimes and algorithms, so that
 * all of them do the same protocol work.
 *
 * @typedef {{ clientId: string, clientSecret: string }} Credentials
 * presented by client_secret_basic (RFC 6749 §2.3.1)
 *
 * @typedef {Credentials & Metadata} Client
 *
 * @typedef {object} Metadata
 * @property {string[]} grantTypes
 * @property {string[]} scopes
 * @property {string[]} redirectUris
 * @property {'reference' | 'jwt'} accessTokenFormat
 */

/** The API whose scope the client_credentials tokens carry. */
export const RESOURCE = 'https://api.bench.example';
export const API_SCOPE = 'bench';
export const WEB_SCOPE = 'openid offline_access';
export const REDIRECT_URI = 'https://client.bench.example/callback';

/**
 * JWS algorithms (RFC 7518 §3.1). The peers sign as Muniment does when it is there to look at.
 *
 * @typedef {'ES256' | 'RS256'} Algorithm
 * @typedef {{ idToken: Algorithm, accessToken: Algorithm }} Algorithms
 * @type {Algorithms}
 */
export const ALGORITHMS = { idToken: 'ES256', accessToken: 'ES256' };

/** Seconds. Codes live long enough to be prepared before the timed window. */
export const LIFETIME = {
  accessToken: 3600,
  authorizationCode: 600,
  idToken: 3600,
  refreshToken: 14 * 24 * 3600,
};

/**
 * People sign in to several applications. With so many web clients, a session stands for as many
 * grants, and each grant gets only a handful of codes.
 */
const WEB_CLIENTS = 16;

/** @returns {{ opaque: Client, jwt: Client, web: Client[] }} */
export function makeClients() {
  return {
    opaque: serviceClient('bench-opaque', 'reference'),
    jwt: serviceClient('bench-jwt', 'jwt'),
    web: Array.from({ length: WEB_CLIENTS }, (_, index) => ({
      clientId: `bench-web-${index}`,
      clientSecret: secret(),
      grantTypes: ['authorization_code', 'refresh_token'],
      scopes: WEB_SCOPE.split(' '),
      redirectUris: [REDIRECT_URI],
      accessTokenFormat: 'reference',
    })),
  };
}

/** Value of the Authorization header for client_secret_basic. @param {Credentials} client */
export function basicAuthorization({ clientId, clientSecret }) {
  const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/**
 * @param {string} clientId
 * @param {Client['accessTokenFormat']} accessTokenFormat
 * @returns {Client}
 */
function serviceClient(clientId, accessTokenFormat) {
  return {
    clientId,
    clientSecret: secret(),
    grantTypes: ['client_credentials'],
    scopes: [API_SCOPE],
    redirectUris: [],
    accessTokenFormat,
  };
}

function secret() {
  return randomBytes(32).toString('base64url');
}
