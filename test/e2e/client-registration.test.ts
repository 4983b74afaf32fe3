import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';
import { disableClient } from '../../src/commands/clients.ts';
import {
  createInitialAccessToken,
  revokeInitialAccessToken,
} from '../../src/commands/initial-access-tokens.ts';
import { REDIRECT_URI } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const TOMORROW = () => new Date(Date.now() + 86_400_000).toISOString();
const ANYTHING = {
  grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
  scopes: ['openid', 'profile', 'email', 'offline_access'],
} satisfies object;

type Body = Record<string, unknown>;

describe.each(ENGINES)('client registration, on %s', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  let invitation: string;

  beforeAll(async () => {
    server = await startTestServer({ engine, env: { CLIENT_REGISTRATION: 'token' } });
    api = await adminApi(server);
    ({ token: invitation } = await invite({ quota: 1_000 }));
  });
  afterAll(() => server?.stop());

  const invite = (input: Partial<Parameters<typeof createInitialAccessToken>[1]> = {}) =>
    server.admin.run(createInitialAccessToken, {
      description: 'for tests',
      expiresAt: TOMORROW(),
      policy: { ...ANYTHING, grantTypes: [...ANYTHING.grantTypes] as 'authorization_code'[] },
      ...input,
    });

  async function send(
    url: string,
    options: { method?: string; token?: string | undefined; body?: unknown } = {},
  ): Promise<{ status: number; headers: Headers; body: Body }> {
    const { method = 'POST', token, body } = options;
    const response = await server.node.fetch(url, {
      method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text ? JSON.parse(text) : {},
    };
  }

  const register = (body: object, token: string | undefined = invitation) =>
    send(`${server.issuer}/connect/register`, {
      token,
      body: { redirect_uris: [REDIRECT_URI], ...body },
    });

  /** A client, and calls with its own registration access token. */
  async function registered(body: object = {}) {
    const answer = await register(body);
    expect(answer).toMatchObject({ status: 201 });
    const url = String(answer.body.registration_client_uri);
    const token = String(answer.body.registration_access_token);
    return {
      clientId: String(answer.body.client_id),
      url,
      token,
      told: answer.body,
      manage: (method: string, body?: unknown) => send(url, { method, token, body }),
    };
  }

  async function eventsOf(clientId: string) {
    const events = await server.admin.store.read(`client-${clientId}`);
    return events.map(({ type }) => type);
  }

  test('gives openid-client a client that signs people in and refreshes', async () => {
    const config = await oidc.dynamicClientRegistration(
      new URL(server.issuer),
      { redirect_uris: [REDIRECT_URI], client_name: 'Self-made', grant_types: ANYTHING.grantTypes },
      undefined,
      {
        initialAccessToken: invitation,
        execute: [oidc.allowInsecureRequests],
        [oidc.customFetch]: (url, init) => server.node.fetch(url, init as RequestInit),
      },
    );
    const { client_id: clientId, client_secret: secret } = config.clientMetadata();
    const app = await ClientApp.connect(server, { clientId, secret: String(secret) });
    const { tokens, pages } = await app.signIn(newBrowser(server), await server.admin.person());
    expect(pages).toEqual(['sign-in', 'consent']);
    const again = await app.refresh(String(tokens.refresh_token));
    expect(await app.isActive(again.access_token)).toBe(true);
  });

  test('is told of in the metadata, and answers oauth4webapi with what was registered', async () => {
    const issuer = new URL(server.issuer);
    const http = {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: (url: string, init: RequestInit) => server.node.fetch(url, init),
    } as const;
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...http }),
    );
    const metadata = {
      redirect_uris: ['http://127.0.0.1/callback'],
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      client_name: 'Tool',
      scope: 'openid email',
      contacts: ['ada@mail.example'],
    };
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, metadata, {
        initialAccessToken: invitation,
        ...http,
      }),
    );
    expect(client).toMatchObject({
      redirect_uris: ['http://127.0.0.1/callback'],
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      client_name: 'Tool',
      scope: 'openid email',
      grant_types: ['authorization_code'],
      response_types: ['code'],
    });
    expect(client).not.toHaveProperty('client_secret');
    expect(client).not.toHaveProperty('contacts');
  });

  test('writes the client’s own stream, in its own name, and keeps no secret', async () => {
    const { clientId, token, told } = await registered();
    expect(await eventsOf(clientId)).toEqual([
      'ClientRegistered',
      'ClientSecretAdded',
      'ClientRegistrationAccessTokenIssued',
    ]);
    const [first, ...others] = await server.admin.store.read(`client-${clientId}`);
    expect(first).toMatchObject({
      data: { origin: 'dynamic', consentType: 'explicit', requirements: { pkce: true } },
      metadata: {
        actor: { type: 'client', id: clientId },
        authentication: 'initial_access_token',
      },
    });
    const log = JSON.stringify([first, ...others]);
    for (const value of [token, invitation, String(told.client_secret)]) {
      expect(value.length).toBeGreaterThan(40);
      expect(log).not.toContain(value);
    }
  });

  describe('a registration', () => {
    test('is read, with everything but the secret', async () => {
      const { manage, told } = await registered({ client_name: 'Shop' });
      const { status, body, headers } = await manage('GET');
      const { client_secret, client_secret_expires_at, ...rest } = told;
      expect(client_secret_expires_at).toBe(0);
      expect({ status, body }).toEqual({ status: 200, body: rest });
      expect(headers.get('cache-control')).toBe('no-store');
    });

    test('is replaced by what the client says of itself, each change a fact', async () => {
      const { clientId, manage, told } = await registered({
        client_name: 'Shop',
        client_uri: 'https://shop.example',
      });
      const wanted = {
        client_id: clientId,
        client_secret: told.client_secret,
        client_name: 'New shop',
        redirect_uris: ['https://app.example/new'],
        grant_types: ['authorization_code', 'refresh_token'],
      };
      const { status, body } = await manage('PUT', wanted);
      expect({ status, body }).toMatchObject({
        status: 200,
        body: { client_name: 'New shop', redirect_uris: ['https://app.example/new'] },
      });
      expect(body).not.toHaveProperty('client_uri');
      expect(body).not.toHaveProperty('client_secret');
      expect((await manage('GET')).body).toEqual(body);
      expect((await eventsOf(clientId)).slice(3)).toEqual([
        'ClientPresentationChanged',
        'ClientRedirectUrisChanged',
        'ClientPermissionsChanged',
      ]);
      await manage('PUT', wanted);
      expect(await eventsOf(clientId)).toHaveLength(6);
    });

    test('may become one without a secret, and get a new one later', async () => {
      const { clientId, manage } = await registered();
      const body = { client_id: clientId, redirect_uris: [REDIRECT_URI] };
      const open = await manage('PUT', { ...body, token_endpoint_auth_method: 'none' });
      expect(open.body).toMatchObject({ token_endpoint_auth_method: 'none' });
      const closed = await manage('PUT', body);
      expect(closed.body).toMatchObject({ client_secret: expect.stringMatching(/^mun_/) });
      expect((await eventsOf(clientId)).slice(3)).toEqual([
        'ClientTypeChanged',
        'ClientAuthenticationMethodChanged',
        'ClientSecretRevoked',
        'ClientTypeChanged',
        'ClientAuthenticationMethodChanged',
        'ClientSecretAdded',
      ]);
    });

    test('ends with DELETE, and the client’s tokens with it', async () => {
      const { clientId, manage, told } = await registered({
        grant_types: ['client_credentials'],
        redirect_uris: [],
      });
      const client = { clientId, secret: String(told.client_secret) };
      const app = await ClientApp.connect(server, client);
      const token = await oidc.clientCredentialsGrant(app.config);
      expect(await app.isActive(token.access_token)).toBe(true);
      expect(await manage('DELETE')).toMatchObject({ status: 204 });
      expect(await manage('GET')).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
      await expect(oidc.clientCredentialsGrant(app.config)).rejects.toMatchObject({
        status: 401,
      });
      expect((await eventsOf(clientId)).at(-1)).toBe('ClientRemoved');
    });

    test('is of nobody with another client’s token, and of nobody without one', async () => {
      const [mine, other] = [await registered(), await registered()];
      for (const method of ['GET', 'PUT', 'DELETE']) {
        for (const token of [other.token, mine.clientId, invitation, undefined]) {
          const answer = await send(mine.url, {
            method,
            token,
            body: method === 'GET' ? undefined : {},
          });
          expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
          expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
        }
      }
      expect(await mine.manage('GET')).toMatchObject({ status: 200 });
      expect(await other.manage('GET')).toMatchObject({ status: 200 });
    });

    test('is not told of while an administrator has the client disabled', async () => {
      const { clientId, manage } = await registered();
      await server.admin.run(disableClient, { clientId, reason: 'abuse' });
      expect(await manage('GET')).toMatchObject({ status: 403, body: { error: 'access_denied' } });
    });

    test.each([
      ['another client’s id', { client_id: 'muniment-admin' }, 'invalid_request'],
      ['no id', { client_id: undefined }, 'invalid_request'],
      ['a secret that is not its own', { client_secret: 'mun_guess' }, 'invalid_request'],
      ['its token', { registration_access_token: 'x' }, 'invalid_request'],
      ['a scope beyond the policy', { scope: 'openid phone' }, 'invalid_client_metadata'],
    ])('is not replaced by one with %s', async (_, part, error) => {
      const { clientId, manage } = await registered();
      const body = { client_id: clientId, redirect_uris: [REDIRECT_URI], ...part };
      expect(await manage('PUT', body)).toMatchObject({ status: 400, body: { error } });
      expect(await eventsOf(clientId)).toHaveLength(3);
    });
  });

  describe('refuses', () => {
    test.each([
      ['a grant type beyond the policy', { grant_types: ['password'] }, 'grant_types'],
      ['a grant type that there is not', { grant_types: ['magic'] }, 'grant_types'],
      ['a scope beyond the policy', { scope: 'openid phone' }, 'scope'],
      ['a scope of the Admin API', { scope: 'openid admin:clients:write' }, 'scope'],
      ['all scopes', { scope: '*' }, 'scope'],
      ['metadata of a wrong type', { client_name: ['Shop'] }, 'client_name'],
      ['a private key', { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'jwks'],
      ['a method that is not offered', { token_endpoint_auth_method: 'magic' }, 'token_endpoint'],
      ['keys by http', { jwks_uri: 'http://keys.example/jwks' }, 'jwks_uri'],
    ])('%s', async (_, body, field) => {
      expect(await register(body)).toMatchObject({
        status: 400,
        body: {
          error: 'invalid_client_metadata',
          error_description: expect.stringContaining(field),
        },
      });
    });

    test.each([
      'http://app.example/callback',
      'https://app.example/#fragment',
      'https://*.example/callback',
      'javascript:alert(1)',
      'not a uri',
    ])('to send people to %s', async (uri) => {
      expect(await register({ redirect_uris: [uri] })).toMatchObject({
        status: 400,
        body: { error: 'invalid_redirect_uri' },
      });
    });

    test('what is no JSON object', async () => {
      const url = `${server.issuer}/connect/register`;
      for (const body of [[], null, 'text']) {
        expect(await send(url, { token: invitation, body })).toMatchObject({
          status: 400,
          body: { error: 'invalid_client_metadata' },
        });
      }
    });

    test('who has no initial access token, or one that is foreign, revoked, expired or used up', async () => {
      const revoked = await invite();
      await server.admin.run(revokeInitialAccessToken, { tokenId: revoked.tokenId });
      const soon = new Date(Date.now() + 300).toISOString();
      const expired = await invite({ expiresAt: soon });
      await eventually('it has expired', () => new Date().toISOString() > soon);
      const single = await invite();
      expect(await register({}, single.token)).toMatchObject({ status: 201 });
      const { token } = await registered();
      for (const each of ['', token, revoked.token, expired.token, single.token, api.accessToken]) {
        const answer = await register({}, each);
        expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
        expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
      }
    });
  });

  test('of twenty at once with a token that is good for one, one succeeds', async () => {
    const { token } = await invite();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => register({ client_name: `Racer ${n}` }, token)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array(19).fill(401)]);
    const made = await server.admin.events();
    const racers = made.filter(
      ({ type, data }) =>
        type === 'ClientRegistered' && String((data as Body).displayName).startsWith('Racer'),
    );
    expect(racers).toHaveLength(1);
  });

  test('a refused registration uses nothing up', async () => {
    const { token } = await invite();
    expect(await register({ scope: 'phone' }, token)).toMatchObject({ status: 400 });
    expect(await register({}, token)).toMatchObject({ status: 201 });
  });

  test('is governed by the policy of the token', async () => {
    const policy = {
      redirectHosts: ['*.shop.example'],
      requirements: { dpop: true, pkce: true },
      consentType: 'systematic' as const,
    };
    const { token } = await invite({ policy, quota: 2 });
    expect(await register({}, token)).toMatchObject({ body: { error: 'invalid_redirect_uri' } });
    const redirect_uris = ['https://a.shop.example/callback'];
    const { body } = await register({ redirect_uris }, token);
    expect(body).toMatchObject({ dpop_bound_access_tokens: true, scope: 'openid' });
    const [event] = await server.admin.store.read(`client-${body.client_id}`);
    expect(event?.data).toMatchObject({ consentType: 'systematic' });
  });

  test('administrators create, list and revoke tokens, and see who was registered', async () => {
    const created = await api.call(
      `mutation ($input: InitialAccessTokenCreateInput!) {
        initialAccessTokenCreate(input: $input) {
          token tokenId userErrors { code field message }
          initialAccessToken { quota uses policy { grantTypes scopes consentType } }
        }
      }`,
      { input: { description: 'Partners', expiresAt: TOMORROW(), quota: 3 } },
    );
    expect(created).toMatchObject({
      token: expect.stringMatching(/^mun_iat_/),
      initialAccessToken: {
        quota: 3,
        uses: 0,
        policy: { scopes: ['openid'], consentType: 'EXPLICIT' },
      },
    });
    const { body } = await register({}, created.token);
    const { tokenId } = created;
    const revoke = `mutation ($input: InitialAccessTokenRevokeInput!) {
      initialAccessTokenRevoke(input: $input) { userErrors { code } initialAccessToken { uses revokedAt } }
    }`;
    const input = { tokenId, reason: 'enough' };
    expect(await api.call(revoke, { input })).toMatchObject({
      initialAccessToken: { uses: 1, revokedAt: expect.any(String) },
    });
    const { nodes } = await api.call(
      '{ initialAccessTokens(first: 1) { nodes { tokenId history { nodes { type } } } } }',
    );
    expect(nodes).toEqual([
      {
        tokenId,
        history: {
          nodes: [
            { type: 'InitialAccessTokenRevoked' },
            { type: 'InitialAccessTokenUsed' },
            { type: 'InitialAccessTokenCreated' },
          ],
        },
      },
    ]);
    const client = await api.call(`{ client(clientId: "${body.client_id}") { origin } }`);
    expect(client).toEqual({ origin: 'DYNAMIC' });
  });

  test.each([
    ['a scope of the Admin API', { policy: { scopes: ['admin:users:read'] } }, 'policy.scopes.0'],
    ['trust', { policy: { consentType: 'IMPLICIT' } }, 'policy.consentType'],
    ['no end', { expiresAt: '2099-01-01T00:00:00Z' }, 'expiresAt'],
    ['no quota', { quota: 0 }, 'quota'],
  ])('no token is created that gives %s', async (_, part, field) => {
    const query = `mutation ($input: InitialAccessTokenCreateInput!) {
      initialAccessTokenCreate(input: $input) { token userErrors { field } }
    }`;
    const input = { description: 'Too much', expiresAt: TOMORROW(), ...part };
    const { body } = await api.send(JSON.stringify({ query, variables: { input } }));
    expect(body.data.initialAccessTokenCreate).toEqual({ token: null, userErrors: [{ field }] });
  });

  test.each([
    ['clientConsentTypeChange', { consentType: 'IMPLICIT' }, 'consentType'],
    [
      'clientPermissionsChange',
      {
        permissions: {
          grantTypes: ['authorization_code'],
          responseTypes: ['code'],
          scopes: ['admin:clients:read'],
        },
      },
      'permissions.scopes',
    ],
  ])('not even an administrator makes it trusted: %s', async (mutation, part, field) => {
    const { clientId } = await registered();
    const type = `C${mutation.slice(1)}Input!`;
    const query = `mutation ($input: ${type}) { ${mutation}(input: $input) { userErrors { field } } }`;
    const variables = { input: { clientId, ...part } };
    const { body } = await api.send(JSON.stringify({ query, variables }));
    expect(body.data[mutation]).toEqual({ userErrors: [{ field }] });
  });
});
