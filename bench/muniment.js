import { randomBytes } from 'node:crypto';
import { API_SCOPE, LIFETIME, RESOURCE } from './conditions.js';
import { post } from './http.js';

/** How Muniment is configured and gets its clients: as an administrator would, through GraphQL. */

export const ADMIN_CLIENT = 'muniment-admin';
const ADMIN_SCOPE = 'admin:resources:write admin:scopes:write admin:clients:write';

/** @param {{ issuer: string, port: number, adminPort: number, databaseUrl: string, workers: number }} place */
export function munimentEnvironment({ issuer, port, adminPort, databaseUrl, workers }) {
  const person = { username: 'bench', password: random() };
  const administrator = random();
  return {
    person,
    administrator,
    env: {
      ISSUER: issuer,
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      DATABASE_URL: databaseUrl,
      WORKERS: String(workers),
      MASTER_KEY: randomBytes(32).toString('base64'),
      ADMIN_USERNAME: person.username,
      ADMIN_PASSWORD: person.password,
      ADMIN_CLIENT_SECRET: administrator,
      LOG_LEVEL: 'error',
    },
  };
}

/**
 * @typedef {import('./contenders.js').Clients} Clients
 * @typedef {import('./conditions.js').Client} Client
 *
 * @param {Clients} clients
 * @param {{ graphql: string, tokenEndpoint: string, administrator: string, accessTokenLifetime?: number }} server
 * its place, and for how many seconds the clients' access tokens are to live
 * @returns {Promise<Clients>} the same with the secrets that the server made
 */
export async function registerClients(clients, server) {
  const { graphql, tokenEndpoint, administrator, accessTokenLifetime } = server;
  const { access_token: token } = await post(
    tokenEndpoint,
    { clientId: ADMIN_CLIENT, clientSecret: administrator },
    { grant_type: 'client_credentials', scope: ADMIN_SCOPE },
  );
  /** @type {Wish} */
  const wish = (mutation, input) => perform({ graphql, token }, mutation, input);

  await wish('apiResourceDefine', { identifier: RESOURCE, displayName: 'The API' });
  await wish('scopeDefine', { name: API_SCOPE, displayName: 'The API', resources: [RESOURCE] });
  const register = (/** @type {Client} */ client) =>
    registerClient(wish, client, accessTokenLifetime);
  const web = [];
  for (const client of clients.web) web.push(await register(client));
  return {
    opaque: await register(clients.opaque),
    jwt: await register(clients.jwt),
    web,
  };
}

/** @typedef {(mutation: string, input: object) => Promise<{ secret?: string }>} Wish */

/**
 * @param {Wish} wish
 * @param {Client} client
 * @param {number} accessTokenLifetime
 * @returns {Promise<Client>}
 */
async function registerClient(wish, client, accessTokenLifetime = LIFETIME.accessToken) {
  const { clientId, redirectUris, grantTypes, scopes, accessTokenFormat } = client;
  const { secret } = await wish('clientRegister', {
    clientId,
    displayName: clientId,
    clientType: 'CONFIDENTIAL',
    authenticationMethod: 'CLIENT_SECRET_BASIC',
    consentType: 'IMPLICIT',
    redirectUris,
    permissions: { grantTypes, scopes, responseTypes: redirectUris.length > 0 ? ['code'] : [] },
    requirements: { pkce: true },
    tokenPolicy: {
      accessTokenFormat: accessTokenFormat.toUpperCase(),
      accessTokenLifetime,
      authorizationCodeLifetime: LIFETIME.authorizationCode,
      idTokenLifetime: LIFETIME.idToken,
      refreshTokenLifetime: LIFETIME.refreshToken,
    },
  });
  return { ...client, clientSecret: String(secret) };
}

/**
 * @param {{ graphql: string, token: string }} server
 * @param {string} mutation
 * @param {object} input
 */
async function perform({ graphql, token }, mutation, input) {
  const type = `${mutation[0].toUpperCase()}${mutation.slice(1)}Input`;
  const secret = mutation === 'clientRegister' ? 'secret' : '';
  const response = await fetch(graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({
      query: `mutation ($input: ${type}!) {
        outcome: ${mutation}(input: $input) { ${secret} userErrors { field message } }
      }`,
      variables: { input },
    }),
  });
  /** @type {any} */
  const { data, errors = [] } = await response.json();
  const problems = [...errors, ...(data?.outcome?.userErrors ?? [])];
  if (problems.length > 0) throw new Error(`${mutation}: ${JSON.stringify(problems)}`);
  return data.outcome;
}

function random() {
  return randomBytes(32).toString('base64url');
}
