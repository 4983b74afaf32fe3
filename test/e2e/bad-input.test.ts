import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemEnvelope } from '../../src/commands/command.ts';
import { client as clientDecider } from '../../src/domain/client.ts';
import { act } from '../../src/eventstore/execute.ts';
import { type Person, REDIRECT_URI, type RegisteredClient } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type RawAnswer, rawRequest } from '../support/raw-request.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const TEN_MEGABYTES = 10 * 1024 * 1024;
const NUL = '\u0000';

type Fields = Readonly<Record<string, string>>;

describe.each(ENGINES)('bad input, on %s,', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  let app: ClientApp;
  let registered: RegisteredClient;
  let person: Person;
  /** Number of events in the log. */
  let before: number;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    api = await adminApi(server);
    person = await server.admin.person();
    registered = await server.admin.client();
    app = await ClientApp.connect(server, registered);
    before = (await server.admin.events()).length;
  });
  afterAll(() => server?.stop());

  const basic = ({ clientId, secret } = registered) => ({
    authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`,
  });

  const at = (path: string, options?: Parameters<typeof rawRequest>[1]) =>
    rawRequest(`${server.node.url}${path}`, options);

  const post = (path: string, parameters: Fields | string, headers?: Fields) =>
    at(path, {
      method: 'POST',
      headers: { ...FORM, ...basic(), ...headers },
      body:
        typeof parameters === 'string' ? parameters : new URLSearchParams(parameters).toString(),
    });

  const authorize = (parameters: Fields, without: readonly string[] = []) => {
    const query = new URLSearchParams({
      client_id: registered.clientId,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      ...parameters,
    });
    for (const name of without) query.delete(name);
    return at(`/connect/authorize?${query}`, { headers: { accept: 'text/html' } });
  };

  /** The status and the error code of an answer, which must be in the right format for its kind. */
  function refusal(answer: RawAnswer): [number, unknown] {
    const location = answer.headers.location;
    if (location) {
      const { search, hash } = new URL(location, server.issuer);
      return [answer.status, new URLSearchParams(search || hash.slice(1)).get('error')];
    }
    if (answer.json) return [answer.status, answer.json.error];
    const code = /<dd><code>(\w+)<\/code><\/dd>/.exec(answer.text)?.[1];
    return [answer.status, code];
  }

  async function nothingRecorded(): Promise<void> {
    const events = await server.admin.events();
    expect(events.slice(before).map(({ type }) => type)).toEqual([]);
  }

  /** Answered by a refusal, whichever fits best, and never by a fault of the server. */
  async function expectRefused(answers: Iterable<readonly [string, RawAnswer]>): Promise<void> {
    for (const [what, answer] of answers) {
      const [status, error] = refusal(answer);
      expect({ what, status, error, text: answer.text.slice(0, 300) }).toMatchObject({
        what,
        error: expect.not.stringMatching(/^server_error$/),
      });
      expect({ what, status: status < 500 }).toEqual({ what, status: true });
    }
    await nothingRecorded();
  }

  describe('to the token endpoint:', () => {
    const token = (parameters: Fields | string, headers?: Fields) =>
      post('/connect/token', parameters, headers);

    test('each mistake has its error code of RFC 6749', async () => {
      const grant = { grant_type: 'client_credentials' };
      const stranger = basic({ clientId: 'nobody', secret: 'x'.repeat(43) });
      const wrong = basic({ ...registered, secret: 'x'.repeat(43) });
      const code = {
        grant_type: 'authorization_code',
        code: 'made-up',
        redirect_uri: REDIRECT_URI,
        code_verifier: 'v'.repeat(43),
      };
      const cases: [string, RawAnswer, number, string][] = [
        ['an unknown client', await token(grant, stranger), 401, 'invalid_client'],
        ['a wrong secret', await token(grant, wrong), 401, 'invalid_client'],
        [
          'no Basic at all',
          await token(grant, { authorization: 'Basic !' }),
          400,
          'invalid_request',
        ],
        ['no grant type', await token({}), 400, 'invalid_request'],
        [
          'a grant type nobody knows',
          await token({ grant_type: 'x' }),
          400,
          'unsupported_grant_type',
        ],
        ['a made-up code', await token(code), 400, 'invalid_grant'],
        ['no code', await token({ grant_type: 'authorization_code' }), 400, 'invalid_request'],
        [
          'a made-up refresh token',
          await token({ grant_type: 'refresh_token', refresh_token: 'made-up' }),
          400,
          'invalid_grant',
        ],
        ['a repeated parameter', await token('grant_type=a&grant_type=b'), 400, 'invalid_request'],
        [
          'JSON in the place of a form',
          await token('{"grant_type":"client_credentials"}', {
            'content-type': 'application/json',
          }),
          400,
          'invalid_request',
        ],
        [
          'a body of another type',
          await token('x', { 'content-type': 'text/plain' }),
          400,
          'invalid_request',
        ],
        ['ten megabytes', await token('a'.repeat(TEN_MEGABYTES)), 400, 'invalid_request'],
      ];
      for (const [what, answer, status, error] of cases) {
        expect([what, ...refusal(answer)]).toEqual([what, status, error]);
        expect([what, answer.headers['content-type']]).toEqual([
          what,
          expect.stringContaining('application/json'),
        ]);
      }
      await nothingRecorded();
    });

    test('U+0000 in any parameter', async () => {
      const names = {
        client_credentials: ['grant_type', 'scope', 'resource', 'client_id', 'client_secret'],
        authorization_code: ['code', 'redirect_uri', 'code_verifier', 'resource', 'client_id'],
        refresh_token: ['refresh_token', 'scope', 'client_id', 'client_assertion'],
      };
      const answers: [string, RawAnswer][] = [];
      for (const [type, parameters] of Object.entries(names)) {
        for (const name of parameters) {
          const fields: Fields = {
            grant_type: type,
            code: 'made-up',
            redirect_uri: REDIRECT_URI,
            code_verifier: 'v'.repeat(43),
            refresh_token: 'made-up',
            [name]: `a${NUL}b`,
          };
          const answer = await token(fields);
          expect([type, name, Math.floor(answer.status / 100)]).toEqual([type, name, 4]);
          answers.push([`${type} ${name}`, answer]);
        }
      }
      await expectRefused(answers);
    });

    test('text that is no text', async () => {
      const answers: [string, RawAnswer][] = [
        ['percent signs', await token('grant_type=%zz&scope=%')],
        ['no UTF-8', await token('grant_type=client_credentials&scope=%ff%fe')],
        ['lone surrogates', await token('grant_type=client_credentials&scope=%ed%a0%80')],
        ['Basic of no UTF-8', await token({}, { authorization: 'Basic /////w==' })],
        ['percent in Basic', await token({}, basic({ clientId: '%', secret: '%zz' }))],
        ['U+0000 in Basic', await token({}, basic({ clientId: `a${NUL}`, secret: NUL }))],
        ['no DPoP proof', await token({ grant_type: 'client_credentials' }, { dpop: 'x.y.z' })],
      ];
      for (const [what, { status }] of answers) {
        expect([what, Math.floor(status / 100)]).toEqual([what, 4]);
      }
      await expectRefused(answers);
    });

    test('a verifier that does not fit the challenge, and none at all', async () => {
      for (const verifier of ['w'.repeat(43), '']) {
        const { code } = await app.code(newBrowser(server), person);
        const issued = (await server.admin.events()).length;
        const parameters = {
          grant_type: 'authorization_code',
          code,
          redirect_uri: REDIRECT_URI,
          ...(verifier ? { code_verifier: verifier } : {}),
        };
        expect(refusal(await token(parameters))).toEqual([400, 'invalid_grant']);
        expect(await server.admin.events()).toHaveLength(issued);
      }
      before = (await server.admin.events()).length;
    });

    test('a redirect URI other than that of the request', async () => {
      const { code, codeVerifier } = await app.code(newBrowser(server), person);
      before = (await server.admin.events()).length;
      const parameters = {
        grant_type: 'authorization_code',
        code,
        redirect_uri: `${REDIRECT_URI}/`,
        code_verifier: codeVerifier,
      };
      expect(refusal(await token(parameters))).toEqual([400, 'invalid_grant']);
      await nothingRecorded();
    });

    test('a code of another client', async () => {
      const { code, codeVerifier } = await app.code(newBrowser(server), person);
      const thief = await server.admin.client();
      before = (await server.admin.events()).length;
      const parameters = {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: codeVerifier,
      };
      expect(refusal(await token(parameters, basic(thief)))).toEqual([400, 'invalid_grant']);
      await nothingRecorded();
    });

    test('a code that has expired', async () => {
      const brief = await ClientApp.connect(server, await server.admin.client());
      // Shorter than an administrator may choose, so that nobody has to wait.
      const tokenPolicy = {
        accessTokenFormat: 'reference',
        accessTokenSigningAlg: null,
        claims: {},
        claimsPrefix: 'client_',
        accessTokenLifetime: null,
        refreshTokenLifetime: null,
        authorizationCodeLifetime: 1,
        idTokenLifetime: null,
        refreshTokenUsage: 'one_time',
        refreshTokenAbsoluteLifetime: null,
      } as const;
      const { clientId } = brief.registered;
      await server.admin.execute(
        [
          act(clientDecider, clientId, [
            { type: 'ChangeClientTokenPolicy', data: { tokenPolicy } },
          ]),
        ],
        systemEnvelope(),
      );
      const { code, codeVerifier } = await brief.code(newBrowser(server), person);
      const expires = Date.now() + 1_000;
      before = (await server.admin.events()).length;
      await eventually('the code expires', () => Date.now() > expires);
      const parameters = {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: codeVerifier,
      };
      expect(refusal(await token(parameters, basic(brief.registered)))).toEqual([
        400,
        'invalid_grant',
      ]);
      await nothingRecorded();
    });
  });

  describe('to the authorization endpoint:', () => {
    test('what would lead to a stranger ends on a page of the server', async () => {
      const cases: [string, RawAnswer, string][] = [
        ['an unknown client', await authorize({ client_id: 'nobody' }), 'invalid_client'],
        [
          'an unknown redirect URI',
          await authorize({ redirect_uri: 'https://evil.example/callback' }),
          'invalid_redirect_uri',
        ],
        [
          'a redirect URI that only begins like one',
          await authorize({ redirect_uri: `${REDIRECT_URI}/evil` }),
          'invalid_redirect_uri',
        ],
        ['no client', await authorize({}, ['client_id']), 'invalid_request'],
      ];
      for (const [what, answer, error] of cases) {
        expect([what, ...refusal(answer)]).toEqual([what, 400, error]);
        expect(answer.headers['content-type']).toContain('text/html');
        expect(answer.headers.location).toBeUndefined();
      }
      await nothingRecorded();
    });

    test('other mistakes are told to the client', async () => {
      const cases: [string, RawAnswer, string][] = [
        [
          'no PKCE',
          await authorize({}, ['code_challenge', 'code_challenge_method']),
          'invalid_request',
        ],
        ['plain PKCE', await authorize({ code_challenge_method: 'plain' }), 'invalid_request'],
        ['implicit flow', await authorize({ response_type: 'token' }), 'unsupported_response_type'],
        ['no response type', await authorize({}, ['response_type']), 'invalid_request'],
        ['a wrong prompt', await authorize({ prompt: 'perhaps' }), 'invalid_request'],
        ['an unknown scope', await authorize({ scope: 'openid no:such' }), 'invalid_scope'],
        ['an unknown resource', await authorize({ resource: 'urn:nobody' }), 'invalid_target'],
        ['a request object', await authorize({ request: 'a.b.c' }), 'invalid_request_object'],
      ];
      for (const [what, answer, error] of cases) {
        expect([what, ...refusal(answer)]).toEqual([what, 303, error]);
        expect(answer.headers.location).toMatch(/^https:\/\/app\.example\/callback[?#]/);
      }
      await nothingRecorded();
    });

    test('U+0000 in any parameter', async () => {
      const names = ['client_id', 'redirect_uri', 'response_type', 'scope', 'state', 'nonce'];
      names.push('prompt', 'max_age', 'ui_locales', 'login_hint', 'id_token_hint', 'claims');
      names.push('resource', 'acr_values', 'code_challenge', 'code_challenge_method', 'x');
      const answers: [string, RawAnswer][] = [];
      for (const name of names) {
        const value = name === 'claims' ? `{"userinfo":{"a\\u0000":null}}` : `openid${NUL}`;
        answers.push([name, await authorize({ [name]: value })]);
      }
      await expectRefused(answers);
    });

    test('a very long address', async () => {
      const answer = await authorize({ state: 's'.repeat(64 * 1024) });
      expect([414, 431]).toContain(answer.status);
    });
  });

  test('U+0000, and nonsense, to every other endpoint', async () => {
    const answers: [string, RawAnswer][] = [];
    for (const value of [`a${NUL}b`, 'made-up', '..%2f..', 'é', '"']) {
      for (const path of ['/connect/introspect', '/connect/revoke']) {
        answers.push([`${path} ${value}`, await post(path, { token: value })]);
        const hint = { token: 'x', token_type_hint: value };
        answers.push([`${path} hint ${value}`, await post(path, hint)]);
      }
      const encoded = encodeURIComponent(value);
      for (const path of [
        `/connect/logout?id_token_hint=${encoded}`,
        `/connect/logout?client_id=${encoded}`,
        `/connect/logout?post_logout_redirect_uri=${encoded}&state=${encoded}`,
        `/connect/logout/success?client_id=${encoded}`,
        `/interaction/${encoded}`,
        `/interaction/${'a'.repeat(43)}`,
        `/connect/authorize/${encoded}`,
        `/${encoded}`,
      ]) {
        answers.push([path, await at(path)]);
        answers.push([`${path} as a page`, await at(path, { headers: { accept: 'text/html' } })]);
      }
      answers.push([
        'logout',
        await post('/connect/logout/confirm', { xsrf: value, logout: 'yes' }),
      ]);
    }
    const cookie = 'muniment_session=%00; muniment_session.sig=%00; muniment_interaction=%00';
    for (const path of [
      '/connect/authorize',
      '/connect/logout',
      `/interaction/${'a'.repeat(43)}`,
    ]) {
      answers.push([`${path} with odd cookies`, await at(path, { headers: { cookie } })]);
    }
    await expectRefused(answers);
  });

  test('a token that is none, to userinfo', async () => {
    for (const token of ['made-up', 'a.b.c', '%00', 'x'.repeat(5_000)]) {
      const answer = await at('/connect/userinfo', {
        headers: { authorization: `Bearer ${token}` },
      });
      expect([token, ...refusal(answer)]).toEqual([token, 401, 'invalid_token']);
      expect(answer.headers['www-authenticate']).toContain('invalid_token');
    }
    expect((await at('/connect/userinfo')).status).toBe(401);
    await nothingRecorded();
  });

  test('methods that an endpoint does not have', async () => {
    for (const [method, path] of [
      ['GET', '/connect/token'],
      ['PUT', '/connect/token'],
      ['GET', '/connect/introspect'],
      ['DELETE', '/connect/authorize'],
      ['POST', '/.well-known/openid-configuration'],
      ['TRACE', '/connect/jwks'],
      ['PATCH', '/'],
    ] as const) {
      const answer = await at(path, { method });
      expect([method, path, [404, 405].includes(answer.status)]).toEqual([method, path, true]);
      expect(refusal(answer)[1]).toEqual(expect.any(String));
    }
    await nothingRecorded();
  });

  test('headers that are too large', async () => {
    const answer = await at('/connect/jwks', { headers: { 'x-long': 'x'.repeat(100_000) } });
    expect(answer.status).toBe(431);
  });

  test('a forged Host: links are the issuer’s', async () => {
    const forged = { host: 'evil.example', 'x-forwarded-host': 'evil.example' };
    const proto = { 'x-forwarded-proto': 'https', forwarded: 'host=evil.example;proto=https' };
    const headers = { ...forged, ...proto };
    const { text } = await at('/.well-known/openid-configuration', { headers });
    expect(text).not.toContain('evil.example');
    expect(JSON.parse(text).token_endpoint).toBe(`${server.issuer}/connect/token`);
    const { url } = await app.request();
    const page = await at(`${url.pathname}${url.search}`, { headers });
    expect(page.status).toBe(303);
    expect(page.headers.location).not.toContain('evil.example');
    for (const line of page.headers['set-cookie'] ?? []) expect(line).not.toContain('evil');
  });

  describe('to the sign-in page:', () => {
    test('a form from elsewhere, of another kind, or too large', async () => {
      const browser = newBrowser(server);
      const { url } = await app.request();
      const page = await browser.open(url);
      expect(page.name).toBe('sign-in');
      const { csrf } = Object.fromEntries(
        page.formOf('_action=sign-in').inputs.map(({ name, value }) => [name, value]),
      );
      const cookie = browser.cookieHeader(page.url);
      const send = (body: string, type = FORM['content-type']) =>
        at(page.url.pathname, { method: 'POST', body, headers: { cookie, 'content-type': type } });
      const right = new URLSearchParams({ csrf: csrf ?? '', username: 'a', password: 'b' });

      const cases: [string, RawAnswer, number][] = [
        ['no form token', await send('username=a&password=b'), 403],
        ['a made-up form token', await send('csrf=x&username=a&password=b'), 403],
        ['JSON', await send(JSON.stringify({ csrf }), 'application/json'), 415],
        ['ten megabytes', await send(`${right}&x=${'x'.repeat(TEN_MEGABYTES)}`), 413],
        [
          'another method',
          await at(page.url.pathname, { method: 'PUT', headers: { cookie } }),
          405,
        ],
      ];
      for (const [what, answer, status] of cases) {
        expect([what, ...refusal(answer)]).toEqual([what, status, 'invalid_request']);
      }
      await nothingRecorded();
    });

    test('nobody’s sign-in, and another browser’s, is a page that says so', async () => {
      const { url } = await app.request();
      const page = await newBrowser(server).open(url);
      for (const path of [page.url.pathname, `/interaction/${'a'.repeat(43)}`]) {
        const answer = await at(path);
        expect([path, ...refusal(answer)]).toEqual([path, 400, 'session_not_found']);
      }
    });

    test('a failed attempt is recorded, also with U+0000 in it', async () => {
      for (const [username, password] of [
        [person.username, 'wrong'],
        [`${person.username}${NUL}`, person.password],
        [person.username, `${person.password}${NUL}`],
        ['', ''],
        ['x'.repeat(2_000), 'y'.repeat(2_000)],
      ] as const) {
        const browser = newBrowser(server);
        const page = await browser.open((await app.request()).url);
        const type = { username, password };
        const refused = await browser.press(page, '_action=sign-in', { type });
        expect([username.slice(0, 50), refused.name, refused.status]).toEqual([
          username.slice(0, 50),
          'sign-in',
          422,
        ]);
      }
      const events = await server.admin.events();
      expect(events.slice(before).map(({ type }) => type)).toEqual(Array(5).fill('SignInFailed'));
      before = events.length;
    });
  });

  describe('to the Admin API:', () => {
    const query = (text: string, variables?: object) =>
      api.send(JSON.stringify({ query: text, variables }));
    const code = (answer: { body: { errors?: { extensions: { code: string } }[] } }) =>
      answer.body.errors?.[0]?.extensions.code;

    test('what is no request is refused as such', async () => {
      const cases: [string, Awaited<ReturnType<AdminApi['send']>>, number][] = [
        ['broken JSON', await api.send('{"query":'), 400],
        ['no JSON', await api.send('query { __typename }'), 400],
        ['nothing', await api.send(''), 400],
        ['a list', await api.send('[]'), 400],
        ['no query', await api.send('{}'), 400],
        ['broken GraphQL', await query('{ clients( }'), 400],
        ['an unknown field', await query('{ clients { passwords } }'), 400],
        ['no token', await api.send('{}', { authorization: '' }), 401],
        ['a made-up token', await api.send('{}', { authorization: 'Bearer made-up' }), 401],
        ['U+0000 for a token', await api.send('{}', { authorization: 'Bearer %00' }), 401],
        ['ten megabytes', await api.send(`"${'x'.repeat(TEN_MEGABYTES)}"`), 413],
      ];
      for (const [what, answer, status] of cases) {
        expect([what, answer.status]).toEqual([what, status]);
        expect([what, code(answer)]).toEqual([what, expect.any(String)]);
      }
      const text = await api.send('{"query":"{__typename}"}', { 'content-type': 'text/plain' });
      expect(text.status).toBeGreaterThanOrEqual(400);
      expect(text.status).toBeLessThan(500);
      await nothingRecorded();
    });

    test('forged cursors', async () => {
      for (const after of ['', 'x', 'AAAA', NUL, '"', `${'A'.repeat(500)}`, "' or 1=1 --"]) {
        const answer = await query(
          'query ($after: String) { clients(first: 1, after: $after) { nodes { clientId } } }',
          { after },
        );
        expect([after, answer.status < 500, code(answer)]).toEqual([
          after,
          true,
          expect.any(String),
        ]);
        expect([after, code(answer)]).not.toEqual([after, 'INTERNAL_SERVER_ERROR']);
      }
    });

    test('U+0000 in any input is a user error that names the field', async () => {
      for (const [field, input] of Object.entries({
        displayName: { displayName: `a${NUL}`, clientType: 'CONFIDENTIAL' },
        clientId: { clientId: `a${NUL}`, displayName: 'a', clientType: 'CONFIDENTIAL' },
        'redirectUris.0': {
          displayName: 'a',
          clientType: 'CONFIDENTIAL',
          redirectUris: [`https://a.example/${NUL}`],
        },
        clientUri: { displayName: 'a', clientType: 'CONFIDENTIAL', clientUri: `https://a${NUL}` },
        idempotencyKey: { displayName: 'a', clientType: 'CONFIDENTIAL', idempotencyKey: NUL },
      })) {
        const answer = await query(
          `mutation ($input: ClientRegisterInput!) {
             clientRegister(input: $input) { userErrors { field message } } }`,
          { input },
        );
        expect([field, answer.status]).toEqual([field, 200]);
        const [error] = answer.body.data.clientRegister.userErrors;
        expect([field, [error?.field].flat().join('.')]).toEqual([field, field]);
      }
      await nothingRecorded();
    });

    test('U+0000 where something is looked for finds nothing', async () => {
      for (const [text, variables] of [
        ['query ($id: String!) { client(clientId: $id) { clientId } }', { id: NUL }],
        ['query ($id: String!) { scope(name: $id) { name } }', { id: NUL }],
        ['query ($id: String!) { user(sub: $id) { sub } }', { id: NUL }],
      ] as const) {
        const answer = await query(text, variables);
        expect([text, answer.status < 500]).toEqual([text, true]);
        expect([text, code(answer)]).not.toEqual([text, 'INTERNAL_SERVER_ERROR']);
      }
    });

    test('methods and addresses it does not have', async () => {
      const { authorization } = { authorization: `Bearer ${api.accessToken}` };
      for (const [method, path] of [
        ['DELETE', '/graphql'],
        ['PUT', '/graphql'],
        ['GET', '/graphql?query=mutation{clientRemove(input:{clientId:"x"}){clientId}}'],
        ['GET', '/no-such-thing'],
        ['POST', '/health/ready/%00'],
      ] as const) {
        const answer = await rawRequest(`${server.node.adminUrl}${path.replaceAll('"', '%22')}`, {
          method,
          headers: { authorization },
        });
        expect([method, path, Math.floor(answer.status / 100)]).toEqual([method, path, 4]);
      }
      await nothingRecorded();
    });
  });
});
