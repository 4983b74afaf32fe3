import { API_SCOPE, basicAuthorization, REDIRECT_URI } from './conditions.js';
import { inParallel, post } from './http.js';
import { UserAgent } from './user-agent.js';

/**
 * THE LIST of what is measured. Everything a cell needs is made in `prepare`, through the server's
 * own endpoints; inside the timed window there is only the one endpoint.
 *
 * @typedef {import('./load.js').Body} Body
 * @typedef {import('./contenders.js').Contender} Contender
 * @typedef {{ connections: number, codes: number, warmUpCodes: number }} Sizes
 *
 * @typedef {object} Cell
 * @property {string} name
 * @property {string} title
 * @property {'token_endpoint' | 'introspection_endpoint' | 'userinfo_endpoint'} endpoint
 * @property {import('./load.js').Job['use']} use
 * @property {string} expect part of every right answer
 * @property {(contender: Contender, sizes: Sizes) => Promise<{ warmUpBodies: Body[], bodies: Body[] }>} prepare
 */

/** Distinct tokens that the introspection cells go round in. */
const TOKENS = 1000;
const CODES_PER_GRANT = 5;
/** Refresh token families per connection: a family gets about as many rotations as in real life. */
const CHAINS_PER_CONNECTION = 16;

/** @type {readonly Cell[]} */
export const cells = [
  {
    name: 'client-credentials',
    title: 'client_credentials, opaque token',
    endpoint: 'token_endpoint',
    use: 'repeat',
    expect: '"access_token"',
    prepare: async ({ clients }) => same([clientCredentials(clients.opaque)]),
  },
  {
    name: 'client-credentials-jwt',
    title: 'client_credentials, JWT',
    endpoint: 'token_endpoint',
    use: 'repeat',
    expect: '"access_token":"ey',
    prepare: async ({ clients }) => same([clientCredentials(clients.jwt)]),
  },
  {
    name: 'code',
    title: 'code exchange (PKCE; access, refresh and ID token)',
    endpoint: 'token_endpoint',
    use: 'once',
    expect: '"refresh_token"',
    async prepare(contender, { codes, warmUpCodes }) {
      const all = await makeCodes(contender, codes + warmUpCodes, CODES_PER_GRANT);
      return { warmUpBodies: all.slice(0, warmUpCodes), bodies: all.slice(warmUpCodes) };
    },
  },
  {
    name: 'refresh',
    title: 'refresh with rotation',
    endpoint: 'token_endpoint',
    use: 'chain',
    expect: '"refresh_token"',
    async prepare(contender, { connections }) {
      // The warm-up ends with requests under way; families of its own keep the window clean.
      const half = connections * CHAINS_PER_CONNECTION;
      const all = await makeGrants(contender, 2 * half, ({ authorization }, tokens) => ({
        authorization,
        form: { grant_type: 'refresh_token', refresh_token: tokens.refresh_token },
      }));
      return { warmUpBodies: all.slice(0, half), bodies: all.slice(half) };
    },
  },
  {
    name: 'introspection',
    title: 'introspection of a client_credentials token',
    endpoint: 'introspection_endpoint',
    use: 'repeat',
    expect: '"active":true',
    async prepare({ clients, endpoints }) {
      const { authorization, form } = clientCredentials(clients.opaque);
      const tokens = await inParallel(TOKENS, () =>
        post(endpoints.token_endpoint, clients.opaque, form),
      );
      return same(tokens.map((each) => ({ authorization, form: { token: each.access_token } })));
    },
  },
  {
    name: 'introspection-user',
    title: "introspection of a person's access token",
    endpoint: 'introspection_endpoint',
    use: 'repeat',
    expect: '"active":true',
    async prepare(contender) {
      return same(
        await makeGrants(contender, TOKENS, ({ authorization }, tokens) => ({
          authorization,
          form: { token: tokens.access_token },
        })),
      );
    },
  },
  {
    name: 'userinfo',
    title: 'userinfo',
    endpoint: 'userinfo_endpoint',
    use: 'repeat',
    expect: '"sub"',
    async prepare(contender) {
      return same(
        await makeGrants(contender, TOKENS, (_, tokens) => ({
          authorization: `Bearer ${tokens.access_token}`,
          form: { scope: 'openid' },
        })),
      );
    },
  },
];

/** @param {Body[]} bodies */
function same(bodies) {
  return { warmUpBodies: bodies, bodies };
}

/** @param {import('./conditions.js').Client} client @returns {Body} */
function clientCredentials(client) {
  return {
    authorization: basicAuthorization(client),
    form: { grant_type: 'client_credentials', scope: API_SCOPE },
  };
}

/**
 * Token requests with fresh codes. Each session signs in once; the codes after the first come from
 * the session (single sign-on), one client after the other.
 *
 * @param {Contender} contender
 * @param {number} count
 * @param {number} codesPerGrant
 * @returns {Promise<Body[]>}
 */
async function makeCodes({ clients: { web }, endpoints, person }, count, codesPerGrant) {
  const perSession = web.length * codesPerGrant;
  const sessions = await inParallel(Math.ceil(count / perSession), async (session) => {
    const agent = new UserAgent(person);
    /** @type {Body[]} */
    const bodies = [];
    for (let i = 0; i < perSession && session * perSession + i < count; i++) {
      const client = web[i % web.length];
      const { code, codeVerifier } = await agent.authorize(
        endpoints.authorization_endpoint,
        client,
      );
      bodies.push({
        authorization: basicAuthorization(client),
        form: {
          grant_type: 'authorization_code',
          code,
          code_verifier: codeVerifier,
          redirect_uri: REDIRECT_URI,
        },
      });
    }
    return bodies;
  });
  return interleaved(sessions);
}

/**
 * One request for each of `count` grants, made of the tokens that its code was exchanged for.
 *
 * @param {Contender} contender
 * @param {number} count
 * @param {(code: Body, tokens: Record<string, any>) => Body} make
 */
async function makeGrants(contender, count, make) {
  const codes = await makeCodes(contender, count, 1);
  const { web } = contender.clients;
  const byAuthorization = new Map(web.map((client) => [basicAuthorization(client), client]));
  return inParallel(count, async (index) => {
    const code = codes[index];
    const client = byAuthorization.get(code.authorization);
    if (!client) throw new Error('a code of a client that nobody knows');
    return make(code, await post(contender.endpoints.token_endpoint, client, code.form));
  });
}

/**
 * One of each session in turn: requests that meet in time are of different people.
 *
 * @template T
 * @param {T[][]} lists
 */
function interleaved(lists) {
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, row) =>
    lists.flatMap((list) => (row < list.length ? [list[row]] : [])),
  ).flat();
}
