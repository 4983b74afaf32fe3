import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { disableUser } from '../../src/commands/users.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const ORDERS = 'https://orders.example';

describe.each(ENGINES)('the password grant, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, { identifier: ORDERS, displayName: 'Orders' });
    for (const name of ['orders:read', 'orders:write']) {
      await admin.run(defineScope, { name, displayName: name, resources: [ORDERS] });
    }
    person = await admin.person();
    app = await connect(permitted(['openid', 'email', 'orders:read']));
    await eventually('the server knows of the last scope', async () => {
      const client = await admin.client();
      const asked = { grant_type: 'client_credentials', scope: 'orders:write' };
      return (await post(server, '/connect/token', asked, { client })).status === 200;
    });
  });
  afterAll(() => server?.stop());

  const connect = async (input?: Partial<ClientRegistrationInput>) =>
    ClientApp.connect(server, await server.admin.client(input));

  const permitted = (scopes: string[]): Partial<ClientRegistrationInput> => ({
    redirectUris: [],
    postLogoutRedirectUris: [],
    permissions: { grantTypes: ['password', 'refresh_token'], responseTypes: [], scopes },
  });

  const signIn = (
    { username, password }: Pick<Person, 'username' | 'password'>,
    parameters: Readonly<Record<string, string>> = {},
    { config } = app,
    options = {},
  ) => oidc.genericGrantRequest(config, 'password', { username, password, ...parameters }, options);

  const failures = async () =>
    (await server.admin.events())
      .filter(({ type }) => type === 'SignInFailed')
      .map(({ data }) => data as { reason: string; sub: string | null });

  test('gives tokens for a user name and a password', async () => {
    const scope = 'openid email offline_access';
    const tokens = await signIn(person, { scope });
    expect(tokens.scope).toBe(scope);
    expect(tokens.claims()).toMatchObject({ sub: person.sub });
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub)).toEqual({
      sub: person.sub,
      email: person.claims.email,
    });
    expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
      active: true,
      sub: person.sub,
      client_id: app.registered.clientId,
      amr: ['pwd'],
    });

    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(await app.isActive(refreshed.access_token)).toBe(true);
    await oidc.tokenRevocation(app.config, refreshed.refresh_token ?? '');
    expect(await app.isActive(tokens.access_token)).toBe(false);
  });

  test('gives tokens for an API resource, and opens a grant that says what it rests on', async () => {
    const scope = 'openid orders:read offline_access';
    const tokens = await signIn(person, { scope, resource: ORDERS });
    expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
      aud: ORDERS,
      scope: 'orders:read',
    });
    const { access_token } = await app.refresh(tokens.refresh_token ?? '');
    expect(await oidc.tokenIntrospection(app.config, access_token)).toMatchObject({ aud: ORDERS });

    const events = await server.admin.events();
    const issued = events.find(
      ({ data }) => 'digest' in data && data.digest === digest(tokens.access_token),
    );
    const [opened] = await server.admin.store.read(issued?.stream ?? '');
    expect(opened).toMatchObject({
      type: 'GrantOpened',
      data: {
        sub: person.sub,
        clientId: app.registered.clientId,
        sessionUid: null,
        resources: { [ORDERS]: ['orders:read'] },
        basis: 'password',
      },
    });
  });

  test('binds tokens to the key of the client', async () => {
    const DPoP = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
    const tokens = await signIn(person, { scope: 'openid' }, app, { DPoP });
    expect(tokens.token_type).toBe('dpop');
  });

  describe('refuses', () => {
    test('a client that is not permitted it, and the permission to a public one', async () => {
      const other = await connect();
      await expect(signIn(person, {}, other)).rejects.toMatchObject({
        error: 'invalid_request',
        error_description: 'requested grant type is not allowed for this client',
      });
      await expect(
        connect({ ...permitted(['openid']), clientType: 'public' }),
      ).rejects.toMatchObject({ code: 'invalid', detail: { field: 'permissions.grantTypes' } });
    });

    test('a scope that the client may not have, and a resource that there is not', async () => {
      await expect(signIn(person, { scope: 'openid orders:write' })).rejects.toMatchObject({
        error: 'invalid_scope',
      });
      await expect(
        signIn(person, { scope: 'openid', resource: 'https://nobody.example' }),
      ).rejects.toMatchObject({ error: 'invalid_target' });
    });

    test('wrong credentials with one answer for all, and records each', async () => {
      const disabled = await server.admin.person();
      await server.admin.run(disableUser, { sub: disabled.sub, reason: 'test' });
      const before = (await failures()).length;
      const wrong = [
        { username: person.username, password: 'not the password' },
        { username: 'nobody-by-this-name', password: 'not the password' },
        disabled,
      ];
      for (const credentials of wrong) {
        await expect(signIn(credentials)).rejects.toMatchObject({
          error: 'invalid_grant',
          error_description: 'grant request is invalid',
        });
      }
      expect((await failures()).slice(before)).toEqual([
        expect.objectContaining({ reason: 'wrong_password', sub: person.sub }),
        expect.objectContaining({ reason: 'unknown_user', sub: null }),
        expect.objectContaining({ reason: 'disabled', sub: disabled.sub }),
      ]);
      for (const half of ['username', 'password']) {
        const asked = { grant_type: 'password', [half]: 'x' };
        const answer = await post(server, '/connect/token', asked, { client: app.registered });
        expect(answer.body).toMatchObject({ error: 'invalid_request' });
      }
    });

    test('guessing, together with the sign-in page', async () => {
      const guessed = await server.admin.person();
      const guess = { username: guessed.username, password: 'not the password' };
      for (let attempt = 0; attempt < 10; attempt++) {
        await expect(signIn(guess)).rejects.toMatchObject({ error: 'invalid_grant' });
      }
      await expect(signIn(guessed)).rejects.toMatchObject({
        error: 'invalid_grant',
        error_description: 'grant request is invalid',
      });
      expect((await failures()).at(-1)).toMatchObject({
        reason: 'rate_limited',
        sub: guessed.sub,
      });
      const shop = await connect();
      const browser = newBrowser(server);
      const page = await browser.open((await shop.request()).url);
      const { username, password } = guessed;
      const refused = await browser.press(page, '_action=sign-in', {
        type: { username, password },
      });
      expect([refused.name, refused.text.includes('too many attempts')]).toEqual(['sign-in', true]);
    });
  });
});
