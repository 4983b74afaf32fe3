import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, customFetch, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  addClientSecret,
  type ClientRegistrationInput,
  disableClient,
  enableClient,
  revokeClientSecret,
} from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { disableUser, enableUser } from '../../src/commands/users.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const ORDERS = 'https://orders.example';
const BILLS = 'https://bills.example';

describe.each(ENGINES)('tokens, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, { identifier: ORDERS, displayName: 'Orders' });
    await admin.run(defineApiResource, {
      identifier: BILLS,
      displayName: 'Bills',
      tokenPolicy: { accessTokenFormat: 'jwt', accessTokenLifetime: 120 },
    });
    const scopes = { 'orders:read': ORDERS, 'orders:write': ORDERS, 'bills:read': BILLS };
    for (const [name, resource] of Object.entries(scopes)) {
      await admin.run(defineScope, { name, displayName: name, resources: [resource] });
    }
    person = await admin.person();
    app = await connect();
    await eventually('the server knows of the last scope', async () => {
      const scope = 'bills:read';
      const asked = { grant_type: 'client_credentials', scope };
      return (
        (await post(server, '/connect/token', asked, { client: app.registered })).status === 200
      );
    });
  });
  afterAll(() => server?.stop());

  const connect = async (input?: Partial<ClientRegistrationInput>) =>
    ClientApp.connect(server, await server.admin.client(input));

  /** What a resource server does with a JWT (RFC 9068 §4). */
  const verify = (jwt: string, audience: string) => {
    const jwks = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    return jwtVerify(jwt, jwks, { issuer: server.issuer, audience, typ: 'at+jwt' });
  };

  const eventsOf = async (stream: string) => {
    const events = await server.admin.store.read(stream);
    return events.map(({ type, data }) => ({ type, data }));
  };

  describe('client credentials', () => {
    test('give a reference token, and the log tells that they did', async () => {
      const tokens = await oidc.clientCredentialsGrant(app.config, { scope: 'orders:read' });
      expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'orders:read' });
      expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
        active: true,
        client_id: app.registered.clientId,
        aud: ORDERS,
        scope: 'orders:read',
      });
      expect(await eventsOf(`token-${digest(tokens.access_token)}`)).toEqual([
        {
          type: 'ClientTokenIssued',
          data: expect.objectContaining({
            clientId: app.registered.clientId,
            format: 'reference',
            audience: ORDERS,
            scopes: ['orders:read'],
          }),
        },
      ]);
    });

    test('give a JWT where the resource wants one, verifiable with the published keys', async () => {
      const tokens = await oidc.clientCredentialsGrant(app.config, { scope: 'bills:read' });
      expect(tokens.expires_in).toBe(120);
      const { payload } = await verify(tokens.access_token, BILLS);
      expect(payload).toMatchObject({
        client_id: app.registered.clientId,
        sub: app.registered.clientId,
        scope: 'bills:read',
      });
      expect(await eventsOf(`token-${digest(payload.jti ?? '')}`)).toEqual([
        {
          type: 'ClientTokenIssued',
          data: expect.objectContaining({ format: 'jwt', audience: BILLS }),
        },
      ]);
    });

    test('give a JWT for the issuer itself where the client wants one and names no resource', async () => {
      const jwtApp = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
      const tokens = await oidc.clientCredentialsGrant(jwtApp.config);
      const { payload } = await verify(tokens.access_token, server.issuer);
      expect(payload.client_id).toBe(jwtApp.registered.clientId);
    });

    test('can be revoked', async () => {
      const tokens = await oidc.clientCredentialsGrant(app.config, { scope: 'orders:read' });
      await oidc.tokenRevocation(app.config, tokens.access_token);
      expect(await app.isActive(tokens.access_token)).toBe(false);
    });

    test('the id of a JWT is not a token', async () => {
      const tokens = await oidc.clientCredentialsGrant(app.config, { scope: 'bills:read' });
      const { payload } = await verify(tokens.access_token, BILLS);
      expect(await app.isActive(payload.jti)).toBe(false);
    });
  });

  describe('a scope', () => {
    test('that the client may not have is invalid_scope, wherever it is asked for', async () => {
      const modest = await connect({
        permissions: {
          grantTypes: ['authorization_code', 'client_credentials'],
          responseTypes: ['code'],
          scopes: ['openid', 'orders:read'],
        },
      });
      await expect(
        oidc.clientCredentialsGrant(modest.config, { scope: 'orders:write' }),
      ).rejects.toMatchObject({ error: 'invalid_scope' });
      await expect(
        modest.signIn(newBrowser(server), person, { scope: 'openid orders:write' }),
      ).rejects.toMatchObject({ error: 'invalid_scope' });
      expect(
        (await oidc.clientCredentialsGrant(modest.config, { scope: 'orders:read' })).scope,
      ).toBe('orders:read');
    });

    test('that does not exist is invalid_scope', async () => {
      await expect(
        oidc.clientCredentialsGrant(app.config, { scope: 'no:such' }),
      ).rejects.toMatchObject({ error: 'invalid_scope' });
    });
  });

  describe('for an API resource', () => {
    test('a reference token has its audience and only its scopes', async () => {
      const { tokens, pages } = await app.signIn(newBrowser(server), person, {
        scope: 'openid orders:read orders:write',
        resource: ORDERS,
      });
      expect(pages).toContain('consent');
      expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
        active: true,
        aud: ORDERS,
        scope: 'orders:read orders:write',
        sub: person.sub,
      });
    });

    test('the resource follows from the scopes when none is named', async () => {
      const { tokens } = await app.signIn(newBrowser(server), person, {
        scope: 'openid orders:read',
      });
      expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
        active: true,
        aud: ORDERS,
        scope: 'orders:read',
      });
    });

    test('a JWT is one by the resource’s policy, and the log tells of it in the grant', async () => {
      const { tokens } = await app.signIn(newBrowser(server), person, {
        scope: 'openid bills:read offline_access',
        resource: BILLS,
      });
      const { payload } = await verify(tokens.access_token, BILLS);
      expect(payload).toMatchObject({ sub: person.sub, scope: 'bills:read' });
      const refreshed = await app.refresh(tokens.refresh_token ?? '');
      await verify(refreshed.access_token, BILLS);

      const issued = (await server.admin.events()).filter(
        ({ type, data }) =>
          type === 'AccessTokenIssued' &&
          (data as { digest: string }).digest === digest(payload.jti ?? ''),
      );
      expect(issued).toHaveLength(1);
      expect(issued[0]?.stream).toMatch(/^grant-/);
      expect(issued[0]?.data).toMatchObject({ format: 'jwt', audience: BILLS });
    });

    test('one sign-in reaches two resources with a token for each', async () => {
      const both = await connect();
      const { url, checks } = await both.request({
        scope: 'openid orders:read bills:read offline_access',
        resource: ORDERS,
      });
      url.searchParams.append('resource', BILLS);
      const { tokens } = await both.answer(newBrowser(server), url, checks, person, {
        resource: ORDERS,
      });
      expect(await oidc.tokenIntrospection(both.config, tokens.access_token)).toMatchObject({
        aud: ORDERS,
        scope: 'orders:read',
      });
      const bills = await both.refresh(tokens.refresh_token ?? '', { resource: BILLS });
      expect((await verify(bills.access_token, BILLS)).payload.scope).toBe('bills:read');
    });

    test('that is not defined is invalid_target', async () => {
      await expect(
        app.signIn(newBrowser(server), person, { resource: 'https://nobody.example' }),
      ).rejects.toMatchObject({ error: 'invalid_target' });
    });
  });

  describe('a client’s secrets', () => {
    const token = (clientId: string, secret: string) =>
      post(
        server,
        '/connect/token',
        { grant_type: 'client_credentials' },
        {
          client: { clientId, secret },
        },
      );

    test('are valid side by side, until they expire or are revoked', async () => {
      const { admin } = server;
      const { clientId, secret: first } = await admin.client();
      const second = await admin.run(addClientSecret, { clientId, description: 'second' });
      const expiresAt = new Date(Date.now() + 1_000).toISOString();
      const brief = await admin.run(addClientSecret, { clientId, description: 'brief', expiresAt });
      const revoked = await admin.run(addClientSecret, { clientId, description: 'revoked' });

      expect((await token(clientId, revoked.secret ?? '')).status).toBe(200);
      await admin.run(revokeClientSecret, { clientId, secretId: revoked.secretId ?? '' });

      expect((await token(clientId, first)).status).toBe(200);
      expect((await token(clientId, second.secret ?? '')).status).toBe(200);
      const refused = { status: 401, body: expect.objectContaining({ error: 'invalid_client' }) };
      expect(await token(clientId, revoked.secret ?? '')).toEqual(refused);
      expect(await token(clientId, `${first}x`)).toEqual(refused);
      await eventually('the secret expires', () => Date.now() > Date.parse(expiresAt));
      expect(await token(clientId, brief.secret ?? '')).toEqual(refused);
    });
  });

  describe('disabling', () => {
    test('a client refuses its next request and its tokens, enabling it brings both back', async () => {
      const { admin } = server;
      const doomed = await connect();
      const { tokens } = await doomed.signIn(newBrowser(server), person);
      const { clientId } = doomed.registered;
      await admin.run(disableClient, { clientId, reason: 'test' });
      await expect(oidc.clientCredentialsGrant(doomed.config)).rejects.toMatchObject({
        status: 401,
      });
      await expect(doomed.refresh(tokens.refresh_token ?? '')).rejects.toMatchObject({
        status: 401,
      });
      expect(await app.isActive(tokens.access_token)).toBe(false);
      const page = await newBrowser(server).open((await doomed.request()).url);
      expect([page.name, page.atClient]).toEqual(['error', false]);

      await admin.run(enableClient, { clientId });
      expect(await doomed.isActive(tokens.access_token)).toBe(true);
    });

    test('a person makes their tokens inactive and keeps them out, at once', async () => {
      const { admin } = server;
      const doomed = await admin.person();
      const browser = newBrowser(server);
      const { tokens } = await app.signIn(browser, doomed);
      await admin.run(disableUser, { sub: doomed.sub, reason: 'test' });
      expect(await app.isActive(tokens.access_token)).toBe(false);
      expect(await app.isActive(tokens.refresh_token)).toBe(false);
      await expect(
        oidc.fetchUserInfo(app.config, tokens.access_token, doomed.sub),
      ).rejects.toMatchObject({ status: 401 });
      await expect(app.refresh(tokens.refresh_token ?? '')).rejects.toMatchObject({
        error: 'invalid_grant',
      });
      await expect(app.signIn(browser, doomed, { prompt: 'none' })).rejects.toMatchObject({
        error: 'login_required',
      });
      const { url } = await app.request();
      const signIn = await newBrowser(server).open(url);
      const { username, password } = doomed;
      const refused = await browser.press(signIn, '_action=sign-in', {
        type: { username, password },
      });
      expect(refused.name).not.toBe('consent');
      expect(refused.atClient).toBe(false);

      await admin.run(enableUser, { sub: doomed.sub });
      expect(await app.isActive(tokens.access_token)).toBe(true);
    });
  });

  describe('private_key_jwt', () => {
    test('authenticates with a key in the place of a secret', async () => {
      const { publicKey, privateKey } = await generateKeyPair('ES256');
      const kid = randomBytes(8).toString('hex');
      const registered = await server.admin.client({
        authenticationMethod: 'private_key_jwt',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }] },
      });
      const keyed = await ClientApp.connect(server, registered, {
        authentication: oidc.PrivateKeyJwt({ key: privateKey, kid }),
      });
      const { tokens } = await keyed.signIn(newBrowser(server), person);
      expect(await keyed.isActive(tokens.access_token)).toBe(true);

      const { privateKey: foreign } = await generateKeyPair('ES256');
      const forged = await ClientApp.connect(server, registered, {
        authentication: oidc.PrivateKeyJwt({ key: foreign, kid }),
      });
      await expect(oidc.clientCredentialsGrant(forged.config)).rejects.toMatchObject({
        error: 'invalid_client',
      });
    });
  });

  describe('DPoP', () => {
    test('binds tokens to the key of the client', async () => {
      const publicApp = await connect({ clientType: 'public' });
      const DPoP = oidc.getDPoPHandle(publicApp.config, await oidc.randomDPoPKeyPair('ES256'));
      const { tokens } = await publicApp.signIn(newBrowser(server), person, {}, { DPoP });
      expect(tokens.token_type).toBe('dpop');
      expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
        active: true,
        token_type: 'DPoP',
        cnf: { jkt: await DPoP.calculateThumbprint() },
      });
      const { access_token: token, refresh_token: refreshToken = '' } = tokens;
      const claims = await oidc.fetchUserInfo(publicApp.config, token, person.sub, { DPoP });
      expect(claims.sub).toBe(person.sub);

      await expect(oidc.fetchUserInfo(publicApp.config, token, person.sub)).rejects.toMatchObject({
        status: 401,
      });
      const stranger = oidc.getDPoPHandle(publicApp.config, await oidc.randomDPoPKeyPair('ES256'));
      await expect(publicApp.refresh(refreshToken, {}, { DPoP: stranger })).rejects.toMatchObject({
        error: 'invalid_grant',
      });
      await expect(publicApp.refresh(refreshToken)).rejects.toMatchObject({
        error: 'invalid_grant',
      });
      const refreshed = await publicApp.refresh(refreshToken, {}, { DPoP });
      expect(refreshed.token_type).toBe('dpop');
    });
  });
});
