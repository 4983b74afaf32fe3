import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Person } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, goThrough } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import { UserAgent } from '../support/user-agent.ts';

interface Key {
  readonly keyId: string;
  readonly activatedAt: string | null;
}

describe.each(ENGINES)('keys of cookies, on two nodes, on %s', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine, nodes: 2 });
    api = await adminApi(server);
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client({ consentType: 'implicit' }));
  });
  afterAll(() => server?.stop());

  const keys = (): Promise<Key[]> => api.call('{ cookieKeys { keyId activatedAt } }');

  const rotate = (input: object = {}) =>
    api.call(
      `mutation ($input: CookieKeyRotateInput!) {
         cookieKeyRotate(input: $input) { keyId userErrors { message } } }`,
      { input },
    );

  /** A browser that asks the nodes in turn. */
  function wanderer(): UserAgent {
    let nth = 0;
    return new UserAgent(server.issuer, (url, init) => {
      const node = server.nodes[nth++ % server.nodes.length];
      if (!node) throw new Error('there is no node');
      return node.fetch(url, init);
    });
  }

  /** Asks for a code without any page. */
  async function silently(browser: UserAgent): Promise<string | null> {
    const { url } = await app.request({ prompt: 'none' });
    return (await browser.open(url)).url.searchParams.get('error');
  }

  async function signedIn(): Promise<UserAgent> {
    const browser = wanderer();
    await goThrough(browser, (await app.request()).url, person);
    expect(await silently(browser)).toBeNull();
    return browser;
  }

  test('one signs, the next is ready, and neither is in the log in clear', async () => {
    const [signing, next, ...others] = await keys();
    expect(signing?.activatedAt).not.toBeNull();
    expect(next?.activatedAt).toBeNull();
    expect(others).toEqual([]);
    const facts = (await server.admin.events()).filter(({ stream }) =>
      stream.startsWith('cookiekey-'),
    );
    expect(facts.map(({ type }) => type).sort()).toEqual([
      'CookieKeyActivated',
      'CookieKeyGenerated',
      'CookieKeyGenerated',
    ]);
    expect(facts.every(({ data }) => !('secret' in data) || String(data.secret).length > 43)).toBe(
      true,
    );
  });

  test('are rotated under load, and nobody has to sign in again', async () => {
    const browsers = await Promise.all([signedIn(), signedIn(), signedIn()]);
    const answers: unknown[] = [];
    let stopped = false;
    const lanes = browsers.map(async (browser) => {
      while (!stopped) answers.push(await silently(browser));
    });
    for (let nth = 0; nth < 3; nth++) {
      const before = await keys();
      const seen = answers.length;
      const { keyId } = await rotate();
      expect(keyId).toBe(before.find(({ activatedAt }) => activatedAt === null)?.keyId);
      await eventually('requests go on', () => answers.length > seen + 6);
    }
    stopped = true;
    await Promise.all(lanes);
    expect(answers.filter((error) => error !== null)).toEqual([]);
    expect(await keys()).toHaveLength(5);
  });

  test('end all sessions in an emergency', async () => {
    const browser = await signedIn();
    await rotate({ emergency: true });
    expect(await keys()).toHaveLength(2);
    await eventually('no node believes the cookie', async () => {
      const errors = [await silently(browser), await silently(browser)];
      return errors.every((error) => error === 'login_required');
    });
    await signedIn();
  });
});
