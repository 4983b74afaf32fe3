import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
  SignJWT,
} from 'jose';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  type ClientRegistrationInput,
  changeClientResponseProtection,
} from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../src/domain/signing-key.ts';
import type { Person } from '../support/admin.ts';
import { adminApi } from '../support/admin-api.ts';
import { ClientApp, goThrough, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { UserAgent } from '../support/user-agent.ts';

/** An API that says what its tokens are signed with. */
const BILLS = 'https://bills.example';
const ALL = [...SIGNING_ALGORITHMS];
/** Not what it is where nobody says. */
const BY_DEFAULT = 'PS256';

describe.each(ENGINES)('signing algorithms, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let browser: UserAgent;

  beforeAll(async () => {
    const others = ALL.filter((alg) => alg !== BY_DEFAULT);
    const env = { SIGNING_ALGORITHMS: [BY_DEFAULT, ...others].join(', ') };
    server = await startTestServer({ engine, env });
    person = await server.admin.person();
    browser = newBrowser(server);
    await server.admin.run(defineApiResource, {
      identifier: BILLS,
      displayName: 'Bills',
      tokenPolicy: { accessTokenFormat: 'jwt', accessTokenSigningAlg: 'EdDSA' },
    });
    await server.admin.run(defineScope, {
      name: 'bills',
      displayName: 'Bills',
      resources: [BILLS],
    });
    const client = await server.admin.client();
    await eventually('the server knows of the scope', async () => {
      const asked = { grant_type: 'client_credentials', scope: 'bills' };
      return (await post(server, '/connect/token', asked, { client })).status === 200;
    });
  });
  afterAll(() => server?.stop());

  const connect = async (input: Partial<ClientRegistrationInput> = {}) =>
    ClientApp.connect(server, await server.admin.client({ consentType: 'implicit', ...input }));

  const jwks = async () =>
    (await (await server.node.fetch(`${server.issuer}/connect/jwks`)).json()) as JSONWebKeySet;

  /** What anybody does who has nothing but the published keys. */
  const verified = async (jwt: string, audience: string, alg: SigningAlgorithm) => {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    const { issuer } = server;
    return (await jwtVerify(jwt, keys, { issuer, audience, algorithms: [alg] })).payload;
  };

  /** OpenID Connect Core §3.1.3.6: the left half, by the hash that belongs to the algorithm. */
  function leftHalf(value: string, alg: SigningAlgorithm): string {
    const hash = alg.startsWith('ML-DSA')
      ? createHash('shake256', { outputLength: 64 })
      : createHash(`sha${/\d56|384/.exec(alg)?.[0] ?? '512'}`);
    const whole = hash.update(value).digest();
    return whole.subarray(0, whole.length / 2).toString('base64url');
  }

  test('discovery and the JWK Set tell which there are', async () => {
    const metadata = (await connect()).config.serverMetadata();
    for (const answer of ['id_token', 'userinfo', 'introspection', 'authorization']) {
      const offered = metadata[`${answer}_signing_alg_values_supported`] as string[];
      expect([...offered].sort()).toEqual([...ALL].sort());
    }
    const { keys } = await jwks();
    expect(keys.map(({ alg }) => alg).sort()).toEqual([...ALL].sort());
    expect(keys.some((key) => 'd' in key || 'priv' in key)).toBe(false);
  });

  test.each(ALL)(
    '%s signs what the client wishes, with the hashes that belong to it',
    async (alg) => {
      const app = await connect({
        permissions: {
          grantTypes: ['authorization_code', 'implicit', 'refresh_token'],
          responseTypes: ['code id_token token'],
          scopes: ['*'],
        },
        tokenPolicy: { accessTokenFormat: 'jwt', accessTokenSigningAlg: alg },
        responseProtection: {
          idToken: { signingAlg: alg },
          userinfo: { signingAlg: alg },
        },
      });
      const { clientId } = app.registered;
      oidc.useCodeIdTokenResponseType(app.config);
      const { url, checks } = await app.request({ response_type: 'code id_token token' });
      const { callback } = await goThrough(browser, url, person);
      const answer = new URLSearchParams(callback.hash.slice(1));
      const [code = '', token = '', idToken = ''] = ['code', 'access_token', 'id_token'].map(
        (name) => answer.get(name) ?? '',
      );

      expect(await verified(idToken, clientId, alg)).toMatchObject({
        sub: person.sub,
        at_hash: leftHalf(token, alg),
        c_hash: leftHalf(code, alg),
      });
      expect(await verified(token, server.issuer, alg)).toMatchObject({ client_id: clientId });
      const userinfo = await server.node.fetch(`${server.issuer}/connect/userinfo`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(userinfo.headers.get('content-type')).toMatch('application/jwt');
      const told = await verified(await userinfo.text(), clientId, alg);
      expect(told).toMatchObject({ sub: person.sub, email: person.claims.email });

      // The client library checks signature and c_hash by itself.
      const tokens = await oidc.authorizationCodeGrant(app.config, callback, checks);
      expect(decodeProtectedHeader(tokens.id_token ?? '').alg).toBe(alg);
      expect(decodeProtectedHeader(tokens.access_token).alg).toBe(alg);
    },
  );

  test('without a word from anybody, the first signs', async () => {
    const app = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
    const { tokens } = await app.signIn(browser, person);
    await verified(tokens.id_token ?? '', app.registered.clientId, BY_DEFAULT);
    await verified(tokens.access_token, server.issuer, BY_DEFAULT);
  });

  test('an API says for its tokens what they are signed with, whatever the client wishes', async () => {
    const tokenPolicy = { accessTokenSigningAlg: 'ES384' } as const;
    const { config } = await connect({ tokenPolicy });
    const { access_token } = await oidc.clientCredentialsGrant(config, { scope: 'bills' });
    await verified(access_token, BILLS, 'EdDSA');
    expect(await oidc.tokenIntrospection(config, access_token)).toMatchObject({ active: true });
  });

  test('a change takes effect on the next request', async () => {
    const app = await connect();
    const { clientId } = app.registered;
    const idToken = async () => (await app.signIn(browser, person)).tokens.id_token ?? '';
    expect(decodeProtectedHeader(await idToken()).alg).toBe(BY_DEFAULT);
    const responseProtection = { idToken: { signingAlg: 'ES512' } } as const;
    await server.admin.run(changeClientResponseProtection, { clientId, responseProtection });
    expect(decodeProtectedHeader(await idToken()).alg).toBe('ES512');
  });

  describe('a token that was signed by somebody else is not believed', () => {
    test.each([
      'with a published key as if it were a secret',
      'with no signature at all',
      'with a key of the same algorithm under the same kid',
    ])('%s', async (how) => {
      const app = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
      const { access_token } = await oidc.clientCredentialsGrant(app.config);
      const { kid = '' } = decodeProtectedHeader(access_token);
      const [published] = (await jwks()).keys.filter((key) => key.kid === kid);
      const forged = new SignJWT(decodeJwt(access_token));
      const header = { typ: 'at+jwt', kid };
      let token: string;
      if (how.includes('secret')) {
        const secret = Buffer.from(JSON.stringify(published));
        token = await forged.setProtectedHeader({ ...header, alg: 'HS256' }).sign(secret);
      } else if (how.includes('no signature')) {
        const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url');
        token = `${none}.${access_token.split('.')[1]}.`;
      } else {
        const { privateKey } = await generateKeyPair(BY_DEFAULT);
        token = await forged.setProtectedHeader({ ...header, alg: BY_DEFAULT }).sign(privateKey);
      }
      expect(await app.isActive(access_token)).toBe(true);
      const asked = await post(
        server,
        '/connect/introspect',
        { token },
        { client: app.registered },
      );
      expect(asked.body.active ?? false).toBe(false);
      const userinfo = await server.node.fetch(`${server.issuer}/connect/userinfo`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(userinfo.status).toBe(401);
    });
  });
});

describe('an algorithm that keys are not kept for', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ engine: 'postgres' });
  });
  afterAll(() => server?.stop());

  test('is refused by name where a client wishes for it, and one that was kept once gives way', async () => {
    const { call, send } = await adminApi(server);
    const register = (responseProtection: object) => ({
      query: `mutation ($input: ClientRegisterInput!) { clientRegister(input: $input) {
        clientId secret userErrors { code field message } } }`,
      variables: {
        input: {
          displayName: 'Picky',
          clientType: 'CONFIDENTIAL',
          responseProtection,
          jwks: null,
        },
      },
    });
    const refused = await send(JSON.stringify(register({ userinfo: { signingAlg: 'PS256' } })));
    expect(refused.body.data.clientRegister.userErrors).toEqual([
      {
        code: 'INVALID',
        field: 'responseProtection.userinfo.signingAlg',
        message: 'must be one that this server keeps keys for: RS256, ES256',
      },
    ]);
    const { query, variables } = register({ idToken: { signingAlg: 'ES256' } });
    expect((await call(query, variables)).userErrors).toEqual([]);

    // Another server wrote it, which kept more.
    const { clientId, secret } = await server.admin.client({
      tokenPolicy: { accessTokenFormat: 'jwt', accessTokenSigningAlg: 'ML-DSA-44' },
      responseProtection: { idToken: { signingAlg: 'ES512' } },
    });
    const app = await ClientApp.connect(server, { clientId, secret });
    const { access_token } = await oidc.clientCredentialsGrant(app.config);
    expect(decodeProtectedHeader(access_token).alg).toBe('RS256');
  });
});
