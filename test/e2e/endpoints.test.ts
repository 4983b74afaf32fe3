import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { changeClientPermissions } from '../../src/commands/clients.ts';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const permissions = {
  grantTypes: [
    'authorization_code' as const,
    'refresh_token' as const,
    'client_credentials' as const,
    DEVICE_CODE as typeof DEVICE_CODE,
  ],
  responseTypes: ['code' as const],
  scopes: ['*'],
};

describe.each(ENGINES)('endpoints that a client is permitted, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
    const registered = await server.admin.client({ permissions });
    app = await ClientApp.connect(server, registered);
  });
  afterAll(() => server?.stop());

  test('are all of them, unless they are named', async () => {
    const { tokens } = await app.signIn(newBrowser(server), person);
    await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub);
    expect(await app.isActive(tokens.access_token)).toBe(true);
    await oidc.tokenRevocation(app.config, tokens.access_token);
    await oidc.initiateDeviceAuthorization(app.config, { scope: 'openid' });
  });

  test('are from the next request on those that are named, and no others', async () => {
    const { clientId } = app.registered;
    const { tokens } = await app.signIn(newBrowser(server), person);
    const permit = (...endpoints: ('authorization' | 'token')[]) =>
      server.admin.run(changeClientPermissions, {
        clientId,
        permissions: { ...permissions, endpoints },
      });
    const refused = { error: 'unauthorized_client' };

    await permit('authorization', 'token');
    await app.signIn(newBrowser(server), person);
    for (const path of ['introspect', 'revoke', 'par', 'device']) {
      const form = { token: tokens.access_token, client_id: clientId };
      const answer = await post(server, `/connect/${path}`, form, { client: app.registered });
      expect([path, answer]).toMatchObject([path, { status: 400, body: refused }]);
    }
    const userinfo = await server.node.fetch(`${server.issuer}/connect/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect([userinfo.status, await userinfo.json()]).toMatchObject([400, refused]);
    const signedOut = await newBrowser(server).open(
      `${server.issuer}/connect/logout?client_id=${clientId}`,
    );
    expect([signedOut.status, signedOut.text]).toEqual([
      400,
      expect.stringContaining('unauthorized_client'),
    ]);

    await permit();
    await expect(oidc.clientCredentialsGrant(app.config)).rejects.toMatchObject(refused);
    const { url, checks } = await app.request();
    const page = await newBrowser(server).open(url);
    expect(page.url.origin + page.url.pathname).toBe(REDIRECT_URI);
    expect(Object.fromEntries(page.url.searchParams)).toMatchObject({
      ...refused,
      state: checks.expectedState,
    });
  });
});
