import { randomBytes } from 'node:crypto';
import { post } from './http.js';

/** How Muniment is configured and gets its clients: as an administrator would, through GraphQL. */

const ADMIN_CLIENT = 'muniment-admin';
const ADMIN_SCOPE = 'admin:clients:read admin:clients:write admin:scopes:read admin:scopes:write';

/** @param {{ issuer: string, port: number, adminPort: number, databaseUrl: string }} place */
export function munimentEnvironment({ issuer, port, adminPort, databaseUrl }) {
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
      MASTER_KEY: random(),
      ADMIN_USERNAME: person.username,
      ADMIN_PASSWORD: person.password,
      ADMIN_CLIENT_SECRET: administrator,
      LOG_LEVEL: 'error',
    },
  };
}

/**
 * @typedef {import('./contenders.js').Clients} Clients
 * @param {Clients} clients
 * @param {{ graphql: string, tokenEndpoint: string, administrator: string }} server
 * @returns {Promise<Clients>} the same with the secrets that the server made
 */
export async function registerClients(clients, { graphql, tokenEndpoint, administrator }) {
  const { access_token } = await post(
    tokenEndpoint,
    { clientId: ADMIN_CLIENT, clientSecret: administrator },
    { grant_type: 'client_credentials', scope: ADMIN_SCOPE },
  );
  void graphql;
  void access_token;
  void clients;
  throw new Error('not yet');
}

function random() {
  return randomBytes(32).toString('base64url');
}
