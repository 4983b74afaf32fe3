import { decodeProtectedHeader } from 'jose';
import { API_SCOPE, REDIRECT_URI, WEB_SCOPE } from './conditions.js';
import { post, tryPost } from './http.js';
import { UserAgent } from './user-agent.js';

/**
 * What one contender answers to each kind of request, in words that can be compared: two servers do
 * the same protocol work only when they give the same things.
 *
 * @typedef {{ answers: Record<string, string>, algorithms: import('./conditions.js').Algorithms }} Description
 * @param {import('./contenders.js').Contender} contender
 * @returns {Promise<Description>} answers by kind of request
 */
export async function describeAnswers({ clients, endpoints, person }) {
  const { token_endpoint: token, introspection_endpoint: introspection } = endpoints;
  const web = clients.web[0];
  const byClient = { grant_type: 'client_credentials', scope: API_SCOPE };

  const opaque = await post(token, clients.opaque, byClient);
  const jwt = await post(token, clients.jwt, byClient);
  const { code, codeVerifier } = await new UserAgent(person).authorize(
    endpoints.authorization_endpoint,
    web,
  );
  const exchange = {
    grant_type: 'authorization_code',
    code,
    code_verifier: codeVerifier,
    redirect_uri: REDIRECT_URI,
  };
  const unproved = await tryPost(token, web, { ...exchange, code_verifier: 'x'.repeat(43) });
  const exchanged = await post(token, web, exchange);
  const refreshed = await post(token, web, {
    grant_type: 'refresh_token',
    refresh_token: exchanged.refresh_token,
  });
  const answers = {
    'client-credentials': tokens(opaque),
    'client-credentials-jwt': tokens(jwt),
    'code without proof (PKCE)': refusal(unproved),
    code: tokens(exchanged),
    refresh: tokens(refreshed),
    'refresh token rotated': String(refreshed.refresh_token !== exchanged.refresh_token),
    introspection: members(
      await post(introspection, clients.opaque, { token: opaque.access_token }),
    ),
    'introspection-user': members(
      await post(introspection, web, { token: refreshed.access_token }),
    ),
    'code used twice': refusal(await tryPost(token, web, exchange)),
    'introspection after that': JSON.stringify(
      await post(introspection, web, { token: refreshed.access_token }),
    ),
    'scope of the code flow': exchanged.scope ?? WEB_SCOPE,
  };
  const algorithms = {
    idToken: algorithm(exchanged.id_token),
    accessToken: algorithm(jwt.access_token),
  };
  return { answers, algorithms };
}

/**
 * @param {Map<string, Description>} descriptions by title of the contender
 * @returns {{ request: string, answers: [title: string, answer: string][] }[]} where they differ
 */
export function differences(descriptions) {
  const [first] = descriptions.values();
  return Object.keys(first?.answers ?? {}).flatMap((request) => {
    const all = [...descriptions].map(
      ([title, { answers }]) => /** @type {[string, string]} */ ([title, answers[request]]),
    );
    const same = all.every(([, answer]) => answer === all[0]?.[1]);
    return same ? [] : [{ request, answers: all }];
  });
}

/** @param {Record<string, any>} answer of the token endpoint */
function tokens(answer) {
  return Object.keys(answer)
    .sort()
    .map((member) => {
      const value = answer[member];
      if (/_token$/.test(member)) return `${member}: ${form(value)}`;
      return member === 'expires_in' ? `${member}: ${value}` : member;
    })
    .join(', ');
}

/** @param {string} token */
function form(token) {
  if (token.split('.').length !== 3) return `opaque, ${token.length} characters`;
  return `JWT, ${algorithm(token)}`;
}

/** @param {string} token */
function algorithm(token) {
  return /** @type {import('./conditions.js').Algorithm} */ (decodeProtectedHeader(token).alg);
}

/** @param {Record<string, any>} answer */
function members(answer) {
  return Object.keys(answer).sort().join(', ');
}

/** @param {{ status: number, body: Record<string, any> }} answer */
function refusal({ status, body }) {
  return `${status} ${body.error}`;
}
