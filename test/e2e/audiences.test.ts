import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import {
  changeApiResourceIsolation,
  changeApiResourceTokenPolicy,
  defineApiResource,
} from '../../src/commands/api-resources.ts';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { ADMIN_RESOURCE } from '../../src/commands/seed/seed.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, goThrough, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const ORDERS = 'https://orders.example';
const BILLS = 'https://bills.example';
/** Tokens for it are JWTs, whatever the client wishes. */
const STOCK = 'https://stock.example';
const LEDGER = 'https://ledger.example';

const SCOPES = {
  'orders:read': [ORDERS],
  'orders:write': [ORDERS],
  'bills:read': [BILLS],
  reports: [ORDERS, BILLS],
  stock: [STOCK],
  ledger: [LEDGER],
};

describe.each(ENGINES)('audiences, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    const policies = {
      [ORDERS]: { accessTokenLifetime: 600 },
      [BILLS]: { accessTokenLifetime: 300 },
      [STOCK]: { accessTokenFormat: 'jwt' as const },
      [LEDGER]: {},
    };
    for (const [identifier, tokenPolicy] of Object.entries(policies)) {
      const isolated = identifier === LEDGER;
      const definition = { identifier, displayName: identifier, tokenPolicy, isolated };
      await admin.run(defineApiResource, definition);
    }
    for (const [name, resources] of Object.entries(SCOPES)) {
      await admin.run(defineScope, { name, displayName: name, resources });
    }
    person = await admin.person();
    app = await connect();
    await eventually('the server knows of the last scope', async () => {
      return (await ask(app, 'ledger', LEDGER)).status === 200;
    });
  });
  afterAll(() => server?.stop());

  const connect = async (input: Partial<ClientRegistrationInput> = {}) =>
    ClientApp.connect(server, await server.admin.client({ consentType: 'implicit', ...input }));

  const form = (scope: string, resources: readonly string[], others: object = {}) =>
    new URLSearchParams([
      ...Object.entries({ scope, ...others }),
      ...resources.map((resource) => ['resource', resource]),
    ] as [string, string][]);

  const ask = (client: ClientApp, scope: string, ...resources: string[]) =>
    post(server, '/connect/token', form(scope, resources, { grant_type: 'client_credentials' }), {
      client: client.registered,
    });

  const verify = (jwt: string, audience: string) => {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    return jwtVerify(jwt, keys, { issuer: server.issuer, audience, typ: 'at+jwt' });
  };

  /** The code of a sign-in that names these resources, and what redeems it. */
  async function code(scope: string, ...resources: string[]) {
    const { url, checks } = await app.request({ scope });
    for (const resource of resources) url.searchParams.append('resource', resource);
    const { callback } = await goThrough(newBrowser(server), url, person);
    return (...wished: string[]) =>
      oidc.authorizationCodeGrant(app.config, callback, checks, form('', wished));
  }

  const told = async (token: string) => {
    const { aud, scope, active } = await oidc.tokenIntrospection(app.config, token);
    return { active, aud, scope };
  };

  describe('a token for several APIs', () => {
    test('is for all that its scopes are permissions on', async () => {
      const scope = 'orders:read bills:read';
      const tokens = await oidc.clientCredentialsGrant(app.config, { scope });
      expect(tokens.scope).toBe(scope);
      expect(await told(tokens.access_token)).toEqual({
        active: true,
        aud: [ORDERS, BILLS],
        scope,
      });
      const issued = (await server.admin.events()).find(
        ({ data }) => 'audience' in data && Array.isArray(data.audience),
      );
      expect(issued).toMatchObject({
        type: 'ClientTokenIssued',
        data: { audience: [ORDERS, BILLS] },
      });
    });

    test('lives as long as the one that is to live shortest', async () => {
      const expiresIn = async (client: ClientApp) =>
        (await ask(client, 'orders:read bills:read')).body.expires_in;
      expect(await expiresIn(app)).toBe(300);
      expect(await expiresIn(await connect({ tokenPolicy: { accessTokenLifetime: 60 } }))).toBe(60);
    });

    test('is a JWT that each of them believes', async () => {
      const client = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
      const tokens = await oidc.clientCredentialsGrant(
        client.config,
        form('orders:write bills:read', [BILLS, ORDERS]),
      );
      for (const audience of [ORDERS, BILLS]) {
        const { payload } = await verify(tokens.access_token, audience);
        expect(payload).toMatchObject({ aud: [BILLS, ORDERS], scope: 'orders:write bills:read' });
      }
      await expect(verify(tokens.access_token, STOCK)).rejects.toThrow('aud');
      expect(await told(tokens.access_token)).toMatchObject({ active: true, aud: [BILLS, ORDERS] });
      await oidc.tokenRevocation(client.config, tokens.access_token);
      expect(await told(tokens.access_token)).toMatchObject({ active: false });
    });

    test('comes of a code, stays so when it is refreshed, and can be narrowed', async () => {
      const redeem = await code('openid orders:read reports offline_access', ORDERS, BILLS);
      const tokens = await redeem();
      expect(await told(tokens.access_token)).toMatchObject({
        aud: [ORDERS, BILLS],
        scope: 'orders:read reports',
      });
      const refresh = (...resources: string[]) =>
        oidc.refreshTokenGrant(app.config, refreshToken, form('', resources));
      let refreshToken = tokens.refresh_token ?? '';
      for (const [resources, expected] of [
        [[], { aud: [ORDERS, BILLS], scope: 'orders:read reports' }],
        [[BILLS], { aud: BILLS, scope: 'reports' }],
        [[BILLS, ORDERS], { aud: [BILLS, ORDERS], scope: 'orders:read reports' }],
      ] as const) {
        const refreshed = await refresh(...resources);
        refreshToken = refreshed.refresh_token ?? '';
        expect(await told(refreshed.access_token)).toMatchObject(expected);
      }
      await expect(refresh(ORDERS, STOCK)).rejects.toMatchObject({ error: 'invalid_target' });
    });

    test('comes of a password', async () => {
      const client = await connect({
        permissions: {
          grantTypes: ['password', 'refresh_token'],
          responseTypes: [],
          scopes: ['*'],
        },
      });
      const { username, password } = person;
      const asked = form('openid reports offline_access', [ORDERS, BILLS], {
        grant_type: 'password',
        username,
        password,
      });
      const { body } = await post(server, '/connect/token', asked, { client: client.registered });
      expect(await told(String(body.access_token))).toMatchObject({
        aud: [ORDERS, BILLS],
        scope: 'reports',
      });
      const refreshed = await client.refresh(String(body.refresh_token));
      expect(await told(refreshed.access_token)).toMatchObject({ aud: [ORDERS, BILLS] });
    });

    test('is none where they want their tokens made differently', async () => {
      expect(await ask(app, 'orders:read stock')).toMatchObject({
        status: 400,
        body: {
          error: 'invalid_target',
          error_description: expect.stringContaining('name one of them by the parameter resource'),
        },
      });
      expect((await ask(app, 'orders:read stock', STOCK)).status).toBe(200);
      const client = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
      expect((await ask(client, 'orders:read stock')).status).toBe(200);
      const accessTokenFormat = 'reference';
      await server.admin.run(changeApiResourceTokenPolicy, {
        identifier: STOCK,
        tokenPolicy: { accessTokenFormat },
      });
      await eventually('the change has come to the server', async () => {
        return (await ask(client, 'orders:read stock')).body.error === 'invalid_target';
      });
    });

    test('is never one for the Admin API as well', async () => {
      const asked = 'admin:clients:read orders:read';
      expect((await ask(app, asked)).body.error).toBe('invalid_target');
      expect((await ask(app, asked, ADMIN_RESOURCE, ORDERS)).body.error).toBe('invalid_target');
      expect((await ask(app, asked, ADMIN_RESOURCE)).status).toBe(200);
    });
  });

  describe('an API that is isolated', () => {
    test('must be named', async () => {
      expect(await ask(app, 'ledger')).toMatchObject({
        status: 400,
        body: {
          error: 'invalid_target',
          error_description: 'the API resource must be named by the parameter resource',
        },
      });
      const { body } = await ask(app, 'ledger', LEDGER);
      expect(await told(String(body.access_token))).toMatchObject({ aud: LEDGER, scope: 'ledger' });
    });

    test('shares no token', async () => {
      expect((await ask(app, 'ledger orders:read', LEDGER, ORDERS)).body.error).toBe(
        'invalid_target',
      );
      const { body } = await ask(app, 'ledger orders:read');
      expect(await told(String(body.access_token))).toMatchObject({ aud: ORDERS });
    });

    test('has a token of its own of a code that is for others too', async () => {
      const scope = 'openid orders:read reports ledger';
      const all = [ORDERS, BILLS, LEDGER];
      const tokens = await (await code(scope, ...all))();
      expect(await told(tokens.access_token)).toMatchObject({ aud: [ORDERS, BILLS] });
      const own = await (await code(scope, ...all))(LEDGER);
      expect(await told(own.access_token)).toMatchObject({ aud: LEDGER, scope: 'ledger' });
      await expect((await code(scope, ...all))(ORDERS, LEDGER)).rejects.toMatchObject({
        error: 'invalid_target',
      });
    });

    test('is not so any more from the request after the change', async () => {
      const identifier = LEDGER;
      await server.admin.run(changeApiResourceIsolation, { identifier, isolated: false });
      await eventually('the change has come to the server', async () => {
        return (await ask(app, 'ledger')).status === 200;
      });
      await server.admin.run(changeApiResourceIsolation, { identifier, isolated: true });
      await eventually('and back', async () => (await ask(app, 'ledger')).status === 400);
    });
  });

  describe('a resource that is refused', () => {
    test.each([
      ['there is not', 'https://nobody.example'],
      ['is no URI', 'nobody'],
      ['is made of others, by name', `urn:muniment:resources:${encodeURIComponent(ORDERS)},x`],
    ])('is one that %s', async (_, resource) => {
      expect((await ask(app, 'orders:read', resource)).body.error).toBe('invalid_target');
      expect((await ask(app, 'orders:read', ORDERS, resource)).body.error).toBe('invalid_target');
      const { url } = await app.request({ scope: 'openid orders:read', resource });
      const { callback } = await goThrough(newBrowser(server), url, person);
      expect(callback.searchParams.get('error')).toBe('invalid_target');
    });

    test('is several under one name, in a request that a person agrees to', async () => {
      const both = [ORDERS, BILLS].map(encodeURIComponent).join(',');
      const { url } = await app.request({
        scope: 'openid reports',
        resource: `urn:muniment:resources:${both}`,
      });
      const { callback } = await goThrough(newBrowser(server), url, person);
      expect(callback.searchParams.get('error')).toBe('invalid_target');
    });
  });
});
