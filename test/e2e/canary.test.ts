import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair } from 'jose';
import * as oidc from 'openid-client';
import { digest } from '../../src/platform/secrets.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { POST_LOGOUT_REDIRECT_URI, REDIRECT_URI } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, goThrough, newBrowser } from '../support/client-app.ts';
import { ENGINES, type Fetch, startTestServer, type TestServer } from '../support/server.ts';
import { everyRow } from '../support/tables.ts';
import { UserAgent } from '../support/user-agent.ts';

const BILLS = 'https://bills.example';
const USER_AGENT = 'CanaryBrowser/7.3';

describe.each(ENGINES)('what is handed out or confided, on %s,', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  /** Values that may be nowhere in clear, by what they are. */
  const canaries = new Map<string, string>();
  /** Values that anybody may see, by which it is known that the search looks in the right places. */
  const open = new Map<string, string>();

  beforeAll(async () => {
    server = await startTestServer({ engine, env: { REFRESH_TOKEN_LEEWAY: '30' } });
    api = await adminApi(server);
    await tour();
  });
  afterAll(() => server?.stop());

  function keep(what: string, value: string | undefined): string {
    if (!value || value.length < 6) throw new Error(`${what} is no canary: ${value}`);
    canaries.set(what, value);
    return value;
  }

  /** Everything that people, applications and administrators do, and what they learn on the way. */
  async function tour(): Promise<void> {
    keep('administrator password', server.adminPassword);
    keep('administrator client secret', server.adminClientSecret);
    keep('administrator access token', api.accessToken);

    const person = {
      sub: '',
      username: keep('user name', `canary.${randomBytes(6).toString('hex')}`),
      password: keep('password', randomBytes(18).toString('base64url')),
      claims: {
        name: keep('name', 'Zebedee Quillfeather'),
        givenName: keep('given name', 'Zebedee'),
        familyName: keep('family name', 'Quillfeather'),
        email: keep('e-mail address', `z.${randomBytes(6).toString('hex')}@canary.example`),
        phoneNumber: keep('phone number', '+44 1632 960983'),
        birthdate: keep('birthdate', '1931-10-28'),
        address: { streetAddress: keep('street', '83 Canary Wharf Lane') },
      },
    };
    const { sub } = await api.call(
      `mutation ($input: UserRegisterInput!) {
         userRegister(input: $input) { sub userErrors { message } user { claims { email } } } }`,
      { input: { ...person, sub: undefined, idempotencyKey: randomBytes(9).toString('hex') } },
    );
    open.set('sub', sub);

    const registered = await register({ displayName: 'Canary application' });
    open.set('client id', registered.clientId);
    const added = await api.call(
      `mutation ($input: ClientSecretAddInput!) {
         clientSecretAdd(input: $input) { secret userErrors { message } } }`,
      { input: { clientId: registered.clientId, description: 'second' } },
    );
    keep('second client secret', added.secret);
    await api.call(
      `mutation ($input: ApiResourceDefineInput!) {
         apiResourceDefine(input: $input) { userErrors { message } } }`,
      {
        input: {
          identifier: BILLS,
          displayName: 'Bills',
          tokenPolicy: { accessTokenFormat: 'JWT' },
        },
      },
    );
    await api.call(
      `mutation ($input: ScopeDefineInput!) { scopeDefine(input: $input) { userErrors { message } } }`,
      { input: { name: 'bills:read', displayName: 'Bills', resources: [BILLS] } },
    );

    const app = await ClientApp.connect(server, registered);
    const disguised: Fetch = (url, init) =>
      server.node.fetch(url, { ...init, headers: { ...init?.headers, 'user-agent': USER_AGENT } });
    keep('user agent', USER_AGENT);
    const browser = new UserAgent(server.issuer, disguised);
    await fail(app, browser, person);

    const { url, checks } = await app.request({ login_hint: person.claims.email });
    keep('state', checks.expectedState);
    keep('code verifier', checks.pkceCodeVerifier);
    const { callback } = await goThrough(browser, url, person);
    keep('authorization code', callback.searchParams.get('code') ?? '');
    const tokens = await oidc.authorizationCodeGrant(app.config, callback, checks);
    keep('access token', tokens.access_token);
    keep('refresh token', tokens.refresh_token);
    keep('ID token', tokens.id_token);
    await oidc.fetchUserInfo(app.config, tokens.access_token, sub);
    await app.isActive(tokens.access_token);

    const second = await app.refresh(tokens.refresh_token ?? '');
    keep('second access token', second.access_token);
    keep('second refresh token', second.refresh_token);
    keep('second ID token', second.id_token);
    const again = await app.refresh(tokens.refresh_token ?? '');
    expect(again.refresh_token).toBe(second.refresh_token);
    await oidc.tokenRevocation(app.config, second.access_token);

    const jwt = await app.signIn(
      browser,
      { ...person, sub, claims: {} },
      { scope: 'openid bills:read' },
    );
    keep('JWT access token', jwt.tokens.access_token);
    const machine = await oidc.clientCredentialsGrant(app.config);
    keep('client credentials token', machine.access_token);
    const jwtMachine = await oidc.clientCredentialsGrant(app.config, { scope: 'bills:read' });
    keep('client credentials JWT', jwtMachine.access_token);
    await proveKeys();

    for (const value of browser.cookieValues) keep(`cookie ${value.slice(0, 6)}`, value);
    const page = await app.signOut(browser, {
      id_token_hint: tokens.id_token ?? '',
      state: keep('logout state', oidc.randomState()),
    });
    expect(page.url.href).toContain(POST_LOGOUT_REDIRECT_URI);

    await api.call(
      `mutation ($input: UserPasswordSetInput!) {
         userPasswordSet(input: $input) { userErrors { message } } }`,
      { input: { sub, password: keep('new password', randomBytes(18).toString('base64url')) } },
    );
    await api.call(
      `query ($filter: String!) { client(clientId: $filter) { clientId displayName } }`,
      { filter: registered.clientId },
    );
  }

  async function register(input: object) {
    const { clientId, secret } = await api.call(
      `mutation ($input: ClientRegisterInput!) {
         clientRegister(input: $input) { clientId secret userErrors { message } } }`,
      {
        input: {
          clientType: 'CONFIDENTIAL',
          redirectUris: [REDIRECT_URI],
          postLogoutRedirectUris: [POST_LOGOUT_REDIRECT_URI],
          permissions: {
            grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
            responseTypes: ['code'],
            scopes: ['*'],
          },
          idempotencyKey: randomBytes(9).toString('hex'),
          ...input,
        },
      },
    );
    if (!secret) return { clientId, secret: '' };
    const basic = Buffer.from(`${clientId}:${secret}`).toString('base64');
    keep(`Basic credentials of ${clientId}`, basic);
    return { clientId, secret: keep(`secret of ${clientId}`, secret) };
  }

  /** Attempts that fail tell as much about a person as those that do not. */
  async function fail(app: ClientApp, browser: UserAgent, { username }: { username: string }) {
    const { url } = await app.request();
    const page = await browser.open(url);
    const wrong = { username, password: keep('wrong password', 'tr0mbone-of-Ophelia') };
    const refused = await browser.press(page, '_action=sign-in', { type: wrong });
    expect(refused.status).toBe(422);
    const unknown = { username: keep('unknown user name', 'nobody.anywhere'), password: 'x' };
    await browser.press(page, '_action=sign-in', { type: unknown });
    keep('interaction', page.url.pathname.split('/').at(-1));
    keep('form token', page.formOf('_action=sign-in').inputs.find((i) => i.name === 'csrf')?.value);
  }

  /** A client with a key of its own, once as its secret and once to bind its tokens. */
  async function proveKeys(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    keep('private key', (await exportJWK(privateKey)).d);
    const keyed = await register({
      displayName: 'Canary with a key',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] },
    });
    const sent = new Set<string>();
    const app = await ClientApp.connect(server, keyed, {
      authentication: async (as, client, body, headers) => {
        await oidc.PrivateKeyJwt({ key: privateKey, kid: 'k' })(as, client, body, headers);
        sent.add(body.get('client_assertion') ?? '');
      },
    });
    const DPoP = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
    const tokens = await oidc.clientCredentialsGrant(app.config, {}, { DPoP });
    keep('DPoP token', tokens.access_token);
    for (const assertion of sent) keep('client assertion', assertion);
  }

  /** Where each of some values occurs. */
  function found(values: Map<string, string>, text: string): string[] {
    const searched = text.toLowerCase();
    return [...values]
      .filter(([, value]) => searched.includes(value.toLowerCase()))
      .map(([k]) => k);
  }

  test('is in no row of any table', async () => {
    const tables = await everyRow(server.admin.pool);
    const text = [...tables.values()].flat().join('\n');
    expect(found(open, text)).toEqual([...open.keys()]);
    expect([...tables.keys()]).toEqual(
      expect.arrayContaining([
        'log.events',
        `${READ_SCHEMA}.tokens`,
        'state.entries',
        'vault.subject_keys',
      ]),
    );
    for (const [table, rows] of tables) {
      expect({ table, holds: found(canaries, rows.join('\n')) }).toEqual({ table, holds: [] });
    }
  });

  test('is in no event, nor in the name of a stream', async () => {
    const events = await server.admin.events();
    expect(found(open, JSON.stringify(events))).toEqual([...open.keys()]);
    for (const event of events) {
      const { type } = event;
      expect({ type, holds: found(canaries, JSON.stringify(event)) }).toEqual({ type, holds: [] });
    }
  });

  test('is in no line the servers log', () => {
    const output = server.output();
    expect(output).toContain('"path":"/connect/token"');
    expect(output).toContain('"path":"/graphql"');
    for (const line of output.split('\n')) {
      expect({ line, holds: found(canaries, line) }).toEqual({ line, holds: [] });
    }
  });

  test('is, where it could be guessed, not to be found by its plain digest either', async () => {
    const guessable = ['user name', 'password', 'e-mail address', 'wrong password', 'name'];
    const digests = new Map(guessable.map((what) => [what, digest(canaries.get(what) as string)]));
    const tables = [...(await everyRow(server.admin.pool)).values()].flat().join('\n');
    const events = JSON.stringify(await server.admin.events());
    expect(found(digests, tables + events + server.output())).toEqual([]);
  });

  test('is no longer readable once the person is erased', async () => {
    const sub = open.get('sub') as string;
    await api.call(
      `mutation ($input: UserEraseInput!) { userErase(input: $input) { userErrors { message } } }`,
      { input: { sub } },
    );
    const { pool } = server.admin;
    const { rows } = await pool.query('select key from vault.subject_keys where sub = $1', [sub]);
    expect(rows).toEqual([{ key: '' }]);
    await expect(
      goThrough(newBrowser(server), (await (await freshApp()).request()).url, {
        username: canaries.get('user name') as string,
        password: canaries.get('new password') as string,
      }),
    ).rejects.toThrow('422 at');
  });

  const freshApp = async () => ClientApp.connect(server, await server.admin.client());
});
