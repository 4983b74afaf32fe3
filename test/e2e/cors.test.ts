import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { changeClientAllowedOrigins } from '../../src/commands/clients.ts';
import type { Person, RegisteredClient } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const OURS = 'https://spa.example';
const OTHERS = 'https://evil.example';
const ALLOWED = 'access-control-allow-origin';

describe.each(ENGINES)('what scripts of other origins may do, on %s', (engine) => {
  let server: TestServer;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
  });
  afterAll(() => server?.stop());

  /**
   * An application that runs as a script of an origin, in a browser that keeps from it what it may
   * not read (Fetch §4.10): such an answer is a network error.
   */
  async function script(origin: string, allowedOrigins = [OURS], known?: RegisteredClient) {
    const registered =
      known ?? (await server.admin.client({ clientType: 'public', allowedOrigins }));
    const app = await ClientApp.connect(server, registered);
    app.config[oidc.customFetch] = async (url, init) => {
      const headers = new Headers(init.headers as Record<string, string>);
      headers.set('origin', origin);
      const response = await server.node.fetch(url, { ...(init as RequestInit), headers });
      const allowed = response.headers.get(ALLOWED);
      if (allowed !== '*' && allowed !== origin) throw new TypeError('blocked by CORS');
      return response;
    };
    return app;
  }

  const raw = (path: string, headers: Record<string, string>, method = 'GET') =>
    server.node.fetch(`${server.issuer}${path}`, { method, headers });

  test('one of an allowed origin gets tokens, reads userinfo, refreshes and revokes', async () => {
    const app = await script(OURS);
    const { tokens } = await app.signIn(newBrowser(server), person);
    const claims = await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub);
    expect(claims.sub).toBe(person.sub);
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    await oidc.tokenRevocation(app.config, refreshed.refresh_token ?? '');
    // It may read what went wrong, too.
    await expect(app.refresh(refreshed.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(
      oidc.fetchUserInfo(app.config, refreshed.access_token, person.sub),
    ).rejects.toMatchObject({ status: 401 });
  });

  test('one of another origin is refused, and what it sent is not used up', async () => {
    const app = await script(OURS);
    const evil = await script(OTHERS, [OURS], app.registered);
    const { callback, checks } = await app.code(newBrowser(server), person);
    await expect(oidc.authorizationCodeGrant(evil.config, callback, checks)).rejects.toThrow(
      'blocked by CORS',
    );
    const tokens = await oidc.authorizationCodeGrant(app.config, callback, checks);
    await expect(evil.refresh(tokens.refresh_token ?? '')).rejects.toThrow('blocked by CORS');
    await expect(oidc.fetchUserInfo(evil.config, tokens.access_token, person.sub)).rejects.toThrow(
      'blocked by CORS',
    );
    expect((await app.refresh(tokens.refresh_token ?? '')).access_token).toBeDefined();
  });

  test.each(['null', 'https://spa.example:8443', 'http://spa.example', 'https://a.spa.example'])(
    'an origin is allowed as a whole: %s is not',
    async (origin) => {
      const app = await script(OURS);
      const similar = await script(origin, [OURS], app.registered);
      const { callback, checks } = await app.code(newBrowser(server), person);
      await expect(oidc.authorizationCodeGrant(similar.config, callback, checks)).rejects.toThrow(
        'blocked by CORS',
      );
    },
  );

  test('a change of the origins counts from the next request', async () => {
    const app = await script(OURS, []);
    const { clientId } = app.registered;
    const { callback, checks } = await app.code(newBrowser(server), person);
    await expect(oidc.authorizationCodeGrant(app.config, callback, checks)).rejects.toThrow(
      'blocked by CORS',
    );
    await server.admin.run(changeClientAllowedOrigins, { clientId, allowedOrigins: [OURS] });
    const tokens = await oidc.authorizationCodeGrant(app.config, callback, checks);
    expect(tokens.access_token).toBeDefined();
  });

  test('requests that come from no script are not concerned', async () => {
    const app = await ClientApp.connect(server, await server.admin.client());
    const { tokens } = await app.signIn(newBrowser(server), person);
    expect(await app.isActive(tokens.access_token)).toBe(true);
  });

  test('discovery and the keys are open to all', async () => {
    for (const path of [
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
      '/connect/jwks',
    ]) {
      const { status, headers } = await raw(path, { origin: OTHERS });
      expect([path, status, headers.get(ALLOWED)]).toEqual([path, 200, OTHERS]);
    }
  });

  test('a preflight names the methods and headers, and never credentials', async () => {
    const asked = {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,dpop',
      origin: OURS,
    };
    for (const path of ['/connect/token', '/connect/userinfo', '/connect/revoke']) {
      const { status, headers } = await raw(path, asked, 'OPTIONS');
      expect(status).toBe(204);
      expect(headers.get(ALLOWED)).toBe(OURS);
      expect(headers.get('access-control-allow-methods')).toContain('POST');
      expect(headers.get('access-control-allow-headers')).toBe('authorization,dpop');
      expect(headers.has('access-control-allow-credentials')).toBe(false);
    }
  });

  test('pages for people are open to no script', async () => {
    const url = (await (await script(OURS)).request()).url;
    for (const path of [`${url.pathname}${url.search}`, '/', '/connect/logout']) {
      const { headers } = await raw(path, { origin: OURS, accept: 'text/html' });
      expect([path, headers.get(ALLOWED)]).toEqual([path, null]);
    }
  });
});
