import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { disableClient, enableClient } from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, goThrough, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const BILLS = 'https://bills.example';

describe.each(ENGINES)('JWT access tokens, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, {
      identifier: BILLS,
      displayName: 'Bills',
      tokenPolicy: { accessTokenFormat: 'jwt' },
    });
    await admin.run(defineScope, {
      name: 'bills:read',
      displayName: 'bills:read',
      resources: [BILLS],
    });
    person = await admin.person();
    app = await connect();
    await eventually('the server knows of the last scope', async () => {
      const asked = { grant_type: 'client_credentials', scope: 'bills:read' };
      return (
        (await post(server, '/connect/token', asked, { client: app.registered })).status === 200
      );
    });
  });
  afterAll(() => server?.stop());

  const connect = async (input: Parameters<TestServer['admin']['client']>[0] = {}) =>
    ClientApp.connect(
      server,
      await server.admin.client({ tokenPolicy: { accessTokenFormat: 'jwt' }, ...input }),
    );

  const verify = async (jwt: string, audience: string) => {
    const jwks = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    const expected = { issuer: server.issuer, audience, typ: 'at+jwt' };
    return (await jwtVerify(jwt, jwks, expected)).payload;
  };

  const signIn = async (parameters?: Record<string, string>) =>
    (await app.signIn(newBrowser(server), person, parameters)).tokens;

  const userinfo = (token: string) => oidc.fetchUserInfo(app.config, token, person.sub);

  const factsAbout = async (jti: string) =>
    (await server.admin.events())
      .filter(({ data }) => 'digest' in data && data.digest === digest(jti))
      .map(({ type }) => type);

  describe('for the issuer itself', () => {
    test('are what a client gets that wants JWTs and names no resource', async () => {
      const tokens = await signIn({ scope: 'openid email offline_access' });
      const payload = await verify(tokens.access_token, server.issuer);
      expect(payload).toMatchObject({
        sub: person.sub,
        client_id: app.registered.clientId,
        scope: 'openid email offline_access',
      });
      const refreshed = await app.refresh(tokens.refresh_token ?? '');
      const successor = await verify(refreshed.access_token, server.issuer);
      expect(successor.jti).not.toBe(payload.jti);
    });

    test('are good at userinfo, and the ID token says no more than with a reference token', async () => {
      const tokens = await signIn({ scope: 'openid email' });
      expect(await userinfo(tokens.access_token)).toEqual({
        sub: person.sub,
        email: person.claims.email,
      });
      expect(tokens.claims()).not.toHaveProperty('email');
    });

    test('in the form of the request are good at userinfo too', async () => {
      const { access_token } = await signIn({ scope: 'openid' });
      const { status, body } = await post(server, '/connect/userinfo', { access_token });
      expect([status, body]).toEqual([200, { sub: person.sub }]);
    });

    test('bound to a key want its proof', async () => {
      const bound = await connect({ clientType: 'public' });
      const DPoP = oidc.getDPoPHandle(bound.config, await oidc.randomDPoPKeyPair('ES256'));
      const { tokens } = await bound.signIn(newBrowser(server), person, {}, { DPoP });
      const jkt = await DPoP.calculateThumbprint();
      const payload = await verify(tokens.access_token, server.issuer);
      expect(payload.cnf).toEqual({ jkt });
      const claims = await oidc.fetchUserInfo(bound.config, tokens.access_token, person.sub, {
        DPoP,
      });
      expect(claims.sub).toBe(person.sub);
      expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
        active: true,
        cnf: { jkt },
      });
      const without = oidc.fetchUserInfo(bound.config, tokens.access_token, person.sub);
      await expect(without).rejects.toMatchObject({ status: 401 });
    });
  });

  test('for another resource are refused at userinfo', async () => {
    const tokens = await signIn({ scope: 'openid bills:read', resource: BILLS });
    await verify(tokens.access_token, BILLS);
    await expect(userinfo(tokens.access_token)).rejects.toMatchObject({ status: 403 });
    expect(await app.isActive(tokens.access_token)).toBe(true);
  });

  test('of a client alone are refused at userinfo', async () => {
    const tokens = await oidc.clientCredentialsGrant(app.config);
    await expect(userinfo(tokens.access_token)).rejects.toMatchObject({ status: 401 });
  });

  describe('introspection', () => {
    test('tells of them what it tells of a reference token, and their id', async () => {
      const tokens = await signIn({ scope: 'openid bills:read', resource: BILLS });
      const payload = await verify(tokens.access_token, BILLS);
      expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toEqual({
        active: true,
        iss: server.issuer,
        sub: person.sub,
        client_id: app.registered.clientId,
        aud: BILLS,
        scope: 'bills:read',
        token_type: 'Bearer',
        jti: payload.jti,
        exp: payload.exp,
        iat: payload.iat,
        auth_time: payload.auth_time,
        acr: 'urn:muniment:acr:password',
        amr: ['pwd'],
      });
      expect(server.output()).not.toContain('WARNING');
    });

    test('tells when and how the person signed in, of a token of either format', async () => {
      const reference = await connect({ tokenPolicy: { accessTokenFormat: 'reference' } });
      const browser = newBrowser(server);
      const first = await reference.signIn(browser, person, { max_age: '3600' });
      const authTime = first.tokens.claims()?.auth_time;
      expect(authTime).toEqual(expect.any(Number));
      const before = await oidc.tokenIntrospection(app.config, first.tokens.access_token);
      expect(before).toMatchObject({ auth_time: authTime, amr: ['pwd'] });
      const refreshed = await reference.refresh(first.tokens.refresh_token ?? '');
      const after = await oidc.tokenIntrospection(app.config, refreshed.access_token);
      expect(after.auth_time).toBe(authTime);

      const machine = await oidc.clientCredentialsGrant(reference.config);
      const own = await oidc.tokenIntrospection(app.config, machine.access_token);
      expect(own).not.toHaveProperty('auth_time');
    });

    test('knows nothing of other JWTs', async () => {
      const { access_token: token, id_token: idToken } = await signIn();
      const [header, payload] = token.split('.');
      expect(await app.isActive(idToken)).toBe(false);
      expect(await app.isActive(`${header}.${payload}.${'A'.repeat(342)}`)).toBe(false);
      expect(await app.isActive('a.b.c')).toBe(false);
    });

    test('answers with a signed JWT who asks for one (RFC 9701)', async () => {
      const { access_token: token } = await signIn();
      const as = app.config.serverMetadata();
      const client = { client_id: app.registered.clientId };
      const response = await oauth.introspectionRequest(
        as,
        client,
        oauth.ClientSecretBasic(app.registered.secret),
        token,
        {
          requestJwtResponse: true,
          [oauth.allowInsecureRequests]: true,
          [oauth.customFetch]: (url, init) => server.node.fetch(String(url), init),
        },
      );
      const jwt = await response.clone().text();
      expect(await oauth.processIntrospectionResponse(as, client, response)).toMatchObject({
        active: true,
        sub: person.sub,
      });
      const jwks = createRemoteJWKSet(new URL(as.jwks_uri ?? ''), {
        [customFetch]: server.node.fetch,
      });
      const typ = 'token-introspection+jwt';
      await jwtVerify(jwt, jwks, { issuer: server.issuer, audience: client.client_id, typ });
    });
  });

  describe('revocation', () => {
    test('ends one at our endpoints, leaves its siblings, and is recorded', async () => {
      const tokens = await signIn();
      const { jti = '' } = decodeJwt(tokens.access_token);
      const sibling = await app.refresh(tokens.refresh_token ?? '');
      await oidc.tokenRevocation(app.config, tokens.access_token);
      expect(await app.isActive(tokens.access_token)).toBe(false);
      await expect(userinfo(tokens.access_token)).rejects.toMatchObject({ status: 401 });
      expect(await app.isActive(sibling.access_token)).toBe(true);
      expect(await factsAbout(jti)).toEqual(['AccessTokenIssued', 'AccessTokenRevoked']);
    });

    test('ends one of a client alone', async () => {
      const tokens = await oidc.clientCredentialsGrant(app.config, { scope: 'bills:read' });
      const { jti = '' } = decodeJwt(tokens.access_token);
      expect(await app.isActive(tokens.access_token)).toBe(true);
      await oidc.tokenRevocation(app.config, tokens.access_token);
      expect(await app.isActive(tokens.access_token)).toBe(false);
      expect(await factsAbout(jti)).toEqual(['ClientTokenIssued', 'ClientTokenRevoked']);
    });

    test('is not for other clients', async () => {
      const tokens = await signIn();
      const other = await connect();
      await oidc.tokenRevocation(other.config, tokens.access_token).catch(() => undefined);
      expect(await app.isActive(tokens.access_token)).toBe(true);
    });

    test('of what is no token of ours changes nothing', async () => {
      const tokens = await signIn();
      const [header, payload] = tokens.access_token.split('.');
      await oidc.tokenRevocation(app.config, `${header}.${payload}.${'A'.repeat(342)}`);
      expect(await app.isActive(tokens.access_token)).toBe(true);
    });
  });

  test('their ids are no tokens, at any endpoint', async () => {
    const ofPerson = (await signIn()).access_token;
    const ofClient = (await oidc.clientCredentialsGrant(app.config)).access_token;
    for (const token of [ofPerson, ofClient]) {
      const { jti = '' } = decodeJwt(token);
      expect(await app.isActive(jti)).toBe(false);
      await expect(userinfo(jti)).rejects.toMatchObject({ status: 401 });
      await oidc.tokenRevocation(app.config, jti);
      expect(await app.isActive(token)).toBe(true);
    }
  });

  test('end here with what they rest on: the grant, the session, the client', async () => {
    const tokens = await signIn();
    await oidc.tokenRevocation(app.config, tokens.refresh_token ?? '');
    expect(await app.isActive(tokens.access_token)).toBe(false);

    const browser = newBrowser(server);
    const { tokens: ofSession } = await app.signIn(browser, person, { scope: 'openid' });
    expect(await app.isActive(ofSession.access_token)).toBe(true);
    await app.signOut(browser, { id_token_hint: ofSession.id_token ?? '' });
    expect(await app.isActive(ofSession.access_token)).toBe(false);

    const front = await connect({
      permissions: {
        grantTypes: ['authorization_code', 'implicit'],
        responseTypes: ['code token'],
        scopes: ['*'],
      },
    });
    const { tokens: first } = await app.signIn(browser, person, { scope: 'openid' });
    const { url } = await front.request({ response_type: 'code token', scope: 'openid' });
    const { callback } = await goThrough(browser, url, person);
    const second = new URLSearchParams(callback.hash.slice(1)).get('access_token') ?? '';
    expect(await Promise.all([app.isActive(first.access_token), app.isActive(second)])).toEqual([
      true,
      true,
    ]);
    // What sweeps do when the cookie has expired.
    await server.admin.pool.query(`delete from state.entries where model = 'Session'`);
    expect(await Promise.all([app.isActive(first.access_token), app.isActive(second)])).toEqual([
      false,
      false,
    ]);

    const doomed = await connect();
    const { access_token: token } = await oidc.clientCredentialsGrant(doomed.config);
    const { clientId } = doomed.registered;
    await server.admin.run(disableClient, { clientId, reason: 'test' });
    expect(await app.isActive(token)).toBe(false);
    await server.admin.run(enableClient, { clientId });
    expect(await app.isActive(token)).toBe(true);
  });
});
