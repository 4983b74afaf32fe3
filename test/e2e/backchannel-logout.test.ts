import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from 'jose';
import { type ClientRegistrationInput, removeClient } from '../../src/commands/clients.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import type { NoticeRow } from '../../src/projections/notices.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const SCOPE = { scope: 'openid profile' };

describe.each(ENGINES)('back-channel logout, on %s', (engine) => {
  let server: TestServer;
  let receiver: Receiver;
  let person: Person;

  beforeAll(async () => {
    receiver = await startReceiver();
    server = await startTestServer({
      engine,
      nodes: engine === 'postgres' ? 2 : 1,
      env: { ALLOWED_PRIVATE_HOSTS: '127.0.0.1' },
    });
    person = await server.admin.person();
  });
  afterAll(async () => {
    await server?.stop();
    await receiver?.close();
  });

  /** An application with an address of its own for logout tokens. */
  async function application(input: Partial<ClientRegistrationInput> = {}) {
    const path = `/logout/${randomBytes(6).toString('hex')}`;
    const logout = { backchannelUri: receiver.origin + path, sessionRequired: true };
    const app = await ClientApp.connect(server, await server.admin.client({ logout, ...input }));
    return { app, path, clientId: app.registered.clientId };
  }

  type Application = Awaited<ReturnType<typeof application>>;

  /** The claims of the logout tokens that were accepted, verified as a client verifies them. */
  async function accepted({ path, clientId }: Pick<Application, 'path' | 'clientId'>) {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: (url, init) => server.node.fetch(url, init as RequestInit),
    });
    const tokens = receiver.at(path).filter(({ status }) => status === 200);
    const verified = tokens.map(({ form }) =>
      jwtVerify(form.get('logout_token') ?? '', keys, {
        issuer: server.issuer,
        audience: clientId,
        typ: 'logout+jwt',
        requiredClaims: ['iat', 'exp', 'jti', 'events'],
      }),
    );
    return (await Promise.all(verified)).map(({ payload }) => payload);
  }

  const told = (each: Application, times = 1): Promise<JWTPayload[]> =>
    eventually('the client is told', async () => {
      const claims = await accepted(each);
      return claims.length >= times && claims;
    });

  const noticeOf = ({ clientId }: Application, outcome: (notice: NoticeRow) => boolean) =>
    eventually('the outcome is recorded', async () => {
      const { rows } = await server.admin.pool.query<NoticeRow>(
        `select * from ${READ_SCHEMA}.notices where client_id = $1`,
        [clientId],
      );
      return rows.find(outcome);
    });

  test('is announced', async () => {
    const { app } = await application();
    expect(app.config.serverMetadata()).toMatchObject({
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    });
  });

  test('tells every client of the session, each by its own sid and subject', async () => {
    const shop = await application();
    const bank = await application({ subjectType: 'pairwise' });
    const idle = await application();
    const browser = newBrowser(server);
    const atShop = await shop.app.signIn(browser, person, SCOPE);
    const atBank = await bank.app.signIn(browser, person, SCOPE);

    await shop.app.signOut(browser, { id_token_hint: atShop.tokens.id_token ?? '' });
    for (const [each, { tokens }] of [
      [shop, atShop],
      [bank, atBank],
    ] as const) {
      const { sub, sid } = tokens.claims() as JWTPayload;
      expect(sid).toEqual(expect.any(String));
      const [token] = await told(each);
      expect(token).toMatchObject({ sub, sid, events: { [EVENT]: {} } });
      expect(token).not.toHaveProperty('nonce');
    }
    expect(atBank.tokens.claims()?.sub).not.toBe(person.sub);
    expect(atBank.tokens.claims()?.sid).not.toBe(atShop.tokens.claims()?.sid);
    await noticeOf(bank, ({ delivered_at, attempts }) => delivered_at !== null && attempts === 1);
    expect(receiver.at(idle.path)).toEqual([]);
    const [request] = receiver.at(shop.path);
    expect(request?.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/);
  });

  test('tells the one client whose part ends, when the person stays signed in', async () => {
    const mine = await application();
    const theirs = await application();
    const browser = newBrowser(server);
    const { tokens } = await mine.app.signIn(browser, person, SCOPE);
    await theirs.app.signIn(browser, person, SCOPE);
    await mine.app.signOut(browser, { id_token_hint: tokens.id_token ?? '' }, 'no');
    expect(await told(mine)).toMatchObject([{ sid: tokens.claims()?.sid }]);
    expect(receiver.at(theirs.path)).toEqual([]);
  });

  test('is tried again until the client takes it', async () => {
    const shop = await application();
    receiver.answer(shop.path, 503, 0);
    const browser = newBrowser(server);
    const { tokens } = await shop.app.signIn(browser, person, SCOPE);
    await shop.app.signOut(browser, { id_token_hint: tokens.id_token ?? '' });

    const failed = await noticeOf(shop, ({ attempts }) => attempts === 1);
    expect(failed).toMatchObject({ error: 'the client answered 503', delivered_at: null });
    expect(failed.retry_at).not.toBeNull();
    await noticeOf(shop, ({ delivered_at, attempts }) => delivered_at !== null && attempts === 3);
    const attempts = receiver.at(shop.path);
    expect(attempts.map(({ status }) => status)).toEqual([503, 0, 200]);
    expect(await accepted(shop)).toHaveLength(1);
  });

  test('survives a crash between the sign-out and the delivery', async () => {
    const shop = await application();
    // Nobody takes anything until the servers are back.
    receiver.answer(shop.path, ...Array(50).fill(0));
    const browser = newBrowser(server);
    const { tokens } = await shop.app.signIn(browser, person, SCOPE);
    await shop.app.signOut(browser, { id_token_hint: tokens.id_token ?? '' });
    await Promise.all(server.nodes.map((node) => node.kill('SIGKILL')));
    receiver.answer(shop.path);
    await Promise.all(server.nodes.map((node) => node.restart()));
    expect(await told(shop)).toMatchObject([{ sid: tokens.claims()?.sid }]);
    await noticeOf(shop, ({ delivered_at }) => delivered_at !== null);
    expect(await accepted(shop)).toHaveLength(1);
  });

  test('tells nobody in the place of a client that was removed', async () => {
    const shop = await application();
    receiver.answer(shop.path, ...Array(50).fill(503));
    const browser = newBrowser(server);
    const { tokens } = await shop.app.signIn(browser, person, SCOPE);
    await shop.app.signOut(browser, { id_token_hint: tokens.id_token ?? '' });
    await noticeOf(shop, ({ attempts }) => attempts === 1);
    await server.admin.run(removeClient, { clientId: shop.clientId });
    await noticeOf(shop, ({ dropped }) => dropped !== null);
    const { rows } = await server.admin.pool.query(
      `select from state.entries where model = 'Notice'`,
    );
    expect(rows).toEqual([]);
  });

  test('tells each client once, when a person signs out twenty times at once', async () => {
    const shop = await application();
    const bank = await application();
    const browser = newBrowser(server);
    const { tokens } = await shop.app.signIn(browser, person, SCOPE);
    await bank.app.signIn(browser, person, SCOPE);
    const page = await browser.open(
      `${server.issuer}/connect/logout?id_token_hint=${tokens.id_token}`,
    );
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, nth) => {
        const node = server.nodes[nth % server.nodes.length] ?? server.node;
        return browser.copy(node.fetch).press(page, 'logout=yes');
      }),
    );
    expect(answers.map(({ status }) => status)).toContain(200);
    for (const each of [shop, bank]) {
      await noticeOf(each, ({ delivered_at }) => delivered_at !== null);
      const ids = (await accepted(each)).map(({ jti }) => jti);
      expect(new Set(ids).size).toBe(1);
      if (engine === 'postgres') expect(ids).toHaveLength(1);
    }
  });
});
