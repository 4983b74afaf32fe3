import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { addressOf, startTcpProxy, type TcpProxy, through } from '../support/tcp-proxy.ts';

/** A person signed in; the form with which the client refreshes, introspects and revokes. */
async function signIn(server: TestServer) {
  const client = await server.admin.client();
  const app = await ClientApp.connect(server, client);
  const { tokens } = await app.signIn(newBrowser(server), await server.admin.person());
  const token = tokens.refresh_token ?? '';
  const form = {
    grant_type: 'refresh_token',
    refresh_token: token,
    token,
    client_id: client.clientId,
    client_secret: client.secret,
  };
  return { app, accessToken: tokens.access_token, form };
}

describe('when the session with the database ends under a read,', () => {
  let server: TestServer;
  let form: Record<string, string>;
  let interaction: { path: string; cookie: string };

  beforeAll(async () => {
    server = await startTestServer({ engine: 'postgres', errors: true });
    const { app, ...signedIn } = await signIn(server);
    form = signedIn.form;
    const browser = newBrowser(server);
    const { url } = await browser.open((await app.request()).url);
    interaction = { path: url.pathname, cookie: browser.cookieHeader(url) };
  });
  afterAll(() => server?.stop());

  const send = (path: string, init?: RequestInit) =>
    server.node.fetch(`${server.issuer}${path}`, init);
  const post = (path: string) => send(path, { method: 'POST', body: new URLSearchParams(form) });
  const page = (headers: Record<string, string> = {}) =>
    send(interaction.path, { headers: { cookie: interaction.cookie, ...headers } });

  /** Has a request wait for a table that it reads, and ends the session in which it does. */
  async function cutOff(table: string, ask: () => Promise<Response>): Promise<Response> {
    const holder = await server.admin.pool.connect();
    try {
      await holder.query(`begin; lock table ${table} in access exclusive mode`);
      let answered = false;
      const answer = ask().finally(() => {
        answered = true;
      });
      await eventually('the request is answered', async () => {
        await holder.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pg_backend_pid() = any(pg_blocking_pids(pid))`,
        );
        return answered;
      });
      return await answer;
    } finally {
      await holder.query('rollback');
      holder.release();
    }
  }

  test.each([
    ['/connect/token', `${READ_SCHEMA}.tokens`, () => post('/connect/token')],
    ['/connect/introspect', `${READ_SCHEMA}.tokens`, () => post('/connect/introspect')],
    ['the page of a sign-in', 'state.entries', () => page()],
  ])('%s says when to ask again, and then answers', async (_, table, ask) => {
    const answer = await cutOff(table, ask);
    const { error } = (await answer.json()) as { error?: string };
    const retryAfter = answer.headers.get('retry-after');
    expect([answer.status, error, retryAfter]).toEqual([503, 'temporarily_unavailable', '1']);
    expect((await ask()).status).toBe(200);
  });

  test('a browser is told so on a page, in its language', async () => {
    const browsers = { accept: 'text/html,*/*;q=0.8', 'accept-language': 'fr' };
    const answer = await cutOff('state.entries', () => page(browsers));
    const header = (name: string) => answer.headers.get(name);
    expect([answer.status, header('retry-after')]).toEqual([503, '1']);
    expect(header('content-type')).toBe('text/html; charset=utf-8');
    expect(header('content-security-policy')).toContain("default-src 'none'");
    expect(await answer.text()).toContain('Le serveur ne peut pas le faire pour le moment.');
  });
});

describe('when the way to the database is silent,', () => {
  let server: TestServer;
  let proxy: TcpProxy;
  let form: Record<string, string>;
  let accessToken: string;

  beforeAll(async () => {
    server = await startTestServer({
      engine: 'postgres',
      errors: true,
      nodeEnv: async (_, database) => {
        proxy = await startTcpProxy(addressOf(database));
        return { DATABASE_URL: through(proxy, database) };
      },
    });
    ({ form, accessToken } = await signIn(server));
  });
  afterAll(async () => {
    proxy?.release();
    await server?.stop();
    await proxy?.stop();
  });

  const send = (path: string, init?: RequestInit) =>
    server.node.fetch(`${server.issuer}${path}`, init);
  const post = (path: string) => send(path, { method: 'POST', body: new URLSearchParams(form) });
  const userinfo = () => send('/connect/userinfo', bearer(accessToken));
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  test('requests are told so in time, and then answered as ever', async () => {
    const ask = () =>
      Promise.all([post('/connect/token'), post('/connect/introspect'), userinfo()]);
    proxy.hold();
    for (const answer of await ask()) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    }
    proxy.release();
    const statuses = () => ask().then((answers) => answers.map(({ status }) => status).join());
    await eventually('all is well', async () => (await statuses()) === '200,200,200');
  }, 40_000);
});
