import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

describe.each(ENGINES)('the authorization code flow with openid-client, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client());
  });
  afterAll(() => server?.stop());

  const signIn = (parameters?: Record<string, string>) =>
    app.signIn(newBrowser(server), person, parameters);

  test('discovery names the endpoints at the issuer, and only what the server has', () => {
    const metadata = app.config.serverMetadata();
    expect(metadata).toMatchObject({
      issuer: server.issuer,
      authorization_endpoint: `${server.issuer}/connect/authorize`,
      token_endpoint: `${server.issuer}/connect/token`,
      jwks_uri: `${server.issuer}/connect/jwks`,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    });
    expect([...(metadata.response_types_supported ?? [])].sort()).toEqual([
      'code',
      'code id_token',
      'code id_token token',
      'code token',
      'id_token',
      'id_token token',
      'none',
    ]);
    expect([...(metadata.grant_types_supported ?? [])].sort()).toEqual([
      'authorization_code',
      'client_credentials',
      'implicit',
      'password',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:openid:params:grant-type:ciba',
    ]);
  });

  test('a person signs in, consents, and the client learns who they are', async () => {
    const { tokens, pages } = await signIn();
    expect(pages).toEqual(['sign-in', 'consent']);
    expect(tokens.claims()).toMatchObject({
      iss: server.issuer,
      sub: person.sub,
      aud: app.registered.clientId,
    });
    expect(tokens).toMatchObject({
      token_type: 'bearer',
      expires_in: 3600,
      scope: 'openid profile email offline_access',
    });
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub)).toMatchObject({
      sub: person.sub,
      name: person.claims.name,
      email: person.claims.email,
      preferred_username: person.username,
    });
  });

  test('userinfo tells what the granted scopes stand for, and no more', async () => {
    const { tokens } = await signIn({ scope: 'openid email' });
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub)).toEqual({
      sub: person.sub,
      email: person.claims.email,
    });
  });

  test('a refresh gives new tokens for the same person', async () => {
    const { tokens } = await signIn();
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(refreshed.access_token).not.toBe(tokens.access_token);
    expect(refreshed.refresh_token).toEqual(expect.any(String));
    expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
    expect(refreshed.claims()?.sub).toBe(person.sub);
    expect(await app.isActive(refreshed.access_token)).toBe(true);
  });

  test('without offline_access there is no refresh token', async () => {
    const { tokens } = await signIn({ scope: 'openid' });
    expect(tokens.refresh_token).toBeUndefined();
  });

  test('a refresh may narrow the scope and not widen it', async () => {
    const { tokens } = await signIn({ scope: 'openid profile offline_access' });
    const narrowed = await app.refresh(tokens.refresh_token ?? '', { scope: 'openid' });
    expect(narrowed.scope).toBe('openid');
    await expect(
      app.refresh(narrowed.refresh_token ?? '', { scope: 'openid email' }),
    ).rejects.toMatchObject({ error: 'invalid_scope' });
  });

  test('introspection tells whose token it is and what it may be used for', async () => {
    const { tokens } = await signIn();
    expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
      active: true,
      iss: server.issuer,
      sub: person.sub,
      client_id: app.registered.clientId,
      scope: 'openid profile email offline_access',
      token_type: 'Bearer',
      exp: expect.any(Number),
    });
    expect(await oidc.tokenIntrospection(app.config, `${tokens.access_token}x`)).toEqual({
      active: false,
    });
  });

  test('revoking an access token leaves its siblings alone', async () => {
    const { tokens } = await signIn();
    const sibling = await app.refresh(tokens.refresh_token ?? '');
    await oidc.tokenRevocation(app.config, tokens.access_token);
    expect(await app.isActive(tokens.access_token)).toBe(false);
    expect(await app.isActive(sibling.access_token)).toBe(true);
    await expect(
      oidc.fetchUserInfo(app.config, tokens.access_token, person.sub),
    ).rejects.toMatchObject({ status: 401 });
    expect((await app.refresh(sibling.refresh_token ?? '')).access_token).toBeDefined();
  });

  test('revoking a refresh token ends the grant with all its tokens', async () => {
    const { tokens } = await signIn();
    await oidc.tokenRevocation(app.config, tokens.refresh_token ?? '');
    expect(await app.isActive(tokens.access_token)).toBe(false);
    expect(await app.isActive(tokens.refresh_token)).toBe(false);
    await expect(app.refresh(tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  test('a client cannot revoke what belongs to another', async () => {
    const { tokens } = await signIn();
    const other = await ClientApp.connect(server, await server.admin.client());
    await oidc.tokenRevocation(other.config, tokens.access_token).catch(() => undefined);
    await oidc.tokenRevocation(other.config, tokens.refresh_token ?? '').catch(() => undefined);
    expect(await app.isActive(tokens.access_token)).toBe(true);
    expect(await app.isActive(tokens.refresh_token)).toBe(true);
  });

  test('a public client signs people in without a secret', async () => {
    const registered = await server.admin.client({ clientType: 'public' });
    const publicApp = await ClientApp.connect(server, registered);
    const { tokens } = await publicApp.signIn(newBrowser(server), person);
    expect(tokens.claims()?.sub).toBe(person.sub);
    const refreshed = await publicApp.refresh(tokens.refresh_token ?? '');
    expect(refreshed.claims()?.sub).toBe(person.sub);
  });

  test('a refused consent comes back to the client as access_denied', async () => {
    const reluctant = await server.admin.person();
    const signingIn = app.signIn(newBrowser(server), reluctant, {}, { denies: true });
    await expect(signingIn).rejects.toMatchObject({ error: 'access_denied' });
    const about = (await server.admin.events())
      .filter(({ data }) => 'sub' in data && data.sub === reluctant.sub)
      .map(({ type }) => type);
    expect(about).toEqual(['UsernameClaimed', 'UserRegistered', 'SessionStarted']);
  });
});
