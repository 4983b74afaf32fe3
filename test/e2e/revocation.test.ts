import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { grant } from '../../src/domain/grant.ts';
import { act } from '../../src/eventstore/execute.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import type { Person } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser, type SignedIn } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const SESSION_BOUND = { scope: 'openid profile' };

describe.each(ENGINES)('what ends, on %s,', (engine) => {
  let server: TestServer;
  let receiver: Receiver;
  let api: AdminApi;
  let app: ClientApp;
  let path: string;
  let person: Person;

  beforeAll(async () => {
    receiver = await startReceiver();
    server = await startTestServer({ engine, env: { ALLOWED_PRIVATE_HOSTS: '127.0.0.1' } });
    api = await adminApi(server);
    ({ app, path } = await application());
  });
  beforeEach(async () => {
    person = await server.admin.person();
  });
  afterAll(async () => {
    await server?.stop();
    await receiver?.close();
  });

  async function application(input: Partial<ClientRegistrationInput> = {}) {
    const path = `/${randomBytes(6).toString('hex')}`;
    const logout = { backchannelUri: receiver.origin + path, ...input.logout };
    const registered = await server.admin.client({ ...input, logout });
    return { app: await ClientApp.connect(server, registered), path };
  }

  async function mutate(mutation: string, input: object): Promise<void> {
    const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
    await api.call(
      `mutation ($input: ${type}!) { ${mutation}(input: $input) { userErrors { message } } }`,
      { input },
    );
  }

  const clientId = () => app.registered.clientId;

  /** Whether each way of using what was issued is still open. */
  async function good({ tokens }: SignedIn, by = app) {
    const refreshed = tokens.refresh_token
      ? await by.refresh(tokens.refresh_token).then(
          () => true,
          () => false,
        )
      : null;
    return {
      introspection: await by.isActive(tokens.access_token),
      userinfo: await oidc
        .fetchUserInfo(by.config, tokens.access_token, oidc.skipSubjectCheck)
        .then(
          () => true,
          () => false,
        ),
      refreshed,
    };
  }
  const DEAD = { introspection: false, userinfo: false, refreshed: false };
  const ALIVE = { introspection: true, userinfo: true, refreshed: true };

  /** The sids of sessions whose end the application was told. */
  const toldOf = async (...signedIn: SignedIn[]) => {
    const sids = signedIn.map(({ tokens }) => String(tokens.claims()?.sid));
    await eventually('the application is told', () => {
      const told = receiver.at(path).map(({ form }) => {
        const [, claims = ''] = form.get('logout_token')?.split('.') ?? [];
        return JSON.parse(Buffer.from(claims, 'base64url').toString()).sid;
      });
      return sids.every((sid) => told.includes(sid));
    });
  };

  test('with a session that an administrator ends: all that was opened in it', async () => {
    const browser = newBrowser(server);
    const offline = await app.signIn(browser, person);
    const elsewhere = await app.signIn(newBrowser(server), person);
    const { user } = await api
      .call(
        `query ($sub: String!) { user(sub: $sub) { sessions { nodes { uid clients { sid } } } } }`,
        { sub: person.sub },
      )
      .then((data) => ({ user: data }));
    const sid = offline.tokens.claims()?.sid;
    const { uid } = user.sessions.nodes.find(
      ({ clients }: { clients: { sid: string }[] }) => clients[0]?.sid === sid,
    );
    await mutate('sessionEnd', { uid });
    expect(await good(offline)).toEqual(DEAD);
    await expect(app.signIn(browser, person, { prompt: 'none' })).rejects.toMatchObject({
      error: 'login_required',
    });
    expect(await good(elsewhere)).toEqual(ALIVE);
    await toldOf(offline);
  });

  test('with all sessions of a person', async () => {
    const all = [
      await app.signIn(newBrowser(server), person),
      await app.signIn(newBrowser(server), person, SESSION_BOUND),
    ];
    await mutate('userSessionsEnd', { sub: person.sub });
    for (const each of all) expect(await good(each)).toMatchObject({ introspection: false });
    await toldOf(...all);
  });

  test('with all grants of a person, and not those of another', async () => {
    const mine = await app.signIn(newBrowser(server), person);
    const theirs = await app.signIn(newBrowser(server), await server.admin.person());
    await mutate('userGrantsRevoke', { sub: person.sub });
    expect(await good(mine)).toEqual(DEAD);
    expect(await good(theirs)).toEqual(ALIVE);
  });

  test('with all grants of a client, however many', async () => {
    const { app: shop } = await application();
    const { clientId } = shop.registered;
    const nothing = { scopes: [], claims: [], resources: {} };
    await Promise.all(
      Array.from({ length: 130 }, (_, nth) => {
        const grantId = `bulk-${clientId}-${nth}`;
        const terms = { grantId, sub: person.sub, clientId, sessionUid: null, ...nothing };
        const data = { ...terms, declined: nothing, basis: 'implicit', assertedBy: null } as const;
        return server.admin.execute(
          [act(grant, grantId, [{ type: 'OpenGrant', data }])],
          systemEnvelope(),
        );
      }),
    );
    const mine = await shop.signIn(newBrowser(server), person);
    await mutate('clientGrantsRevoke', { clientId });
    expect(await good(mine, shop)).toEqual(DEAD);
    const { rows } = await server.admin.pool.query(
      `select revocation_reason, count(*)::int from ${READ_SCHEMA}.grants
       where client_id = $1 group by 1`,
      [clientId],
    );
    expect(rows).toEqual([{ revocation_reason: 'administrator', count: 131 }]);
  });

  test.each([
    ['userSessionsEnd', () => ({ sub: person.sub }), { introspection: false, userinfo: false }],
    ['userGrantsRevoke', () => ({ sub: person.sub }), DEAD],
    ['clientGrantsRevoke', () => ({ clientId: clientId() }), DEAD],
  ])('by %s, only what began since the time that it names', async (mutation, whose, ended) => {
    const before = await app.signIn(newBrowser(server), person, SESSION_BOUND);
    const since = new Date().toISOString();
    const after = await app.signIn(newBrowser(server), person, SESSION_BOUND);
    await mutate(mutation, { ...whose(), since });
    expect(await good(after)).toEqual({
      ...ended,
      refreshed: after.tokens.refresh_token ? false : null,
    });
    expect(await good(before)).toMatchObject({ introspection: true, userinfo: true });
  });

  describe('when a leak is contained,', () => {
    const contain = async (of: object, since: string) => {
      const input = { of, since, reason: 'leaked' };
      const { touched } = await api.call(
        `mutation ($input: LeakContainInput!) { leakContain(input: $input) {
           userErrors { message } touched { grants sessions clientTokens } } }`,
        { input },
      );
      return touched;
    };
    /** From now on; times of issue are told in whole seconds. */
    const nextSecond = async () => {
      const since = new Date(Math.ceil(Date.now() / 1_000) * 1_000).toISOString();
      await until(() => new Date().toISOString() >= since);
      return since;
    };

    test('what came of an address since then, with the sessions', async () => {
      const before = await app.signIn(newBrowser(server), person);
      const since = await nextSecond();
      const browser = newBrowser(server);
      const after = await app.signIn(browser, person);
      const own = await oidc.clientCredentialsGrant(app.config);
      const touched = await contain({ address: '127.0.0.1' }, since);
      expect(touched).toEqual({ grants: 1, sessions: 1, clientTokens: 1 });
      expect(await good(after)).toEqual(DEAD);
      expect(await app.isActive(own.access_token)).toBe(false);
      await expect(app.signIn(browser, person, { prompt: 'none' })).rejects.toMatchObject({
        error: 'login_required',
      });
      expect(await good(before)).toEqual(ALIVE);
    });

    test('what a client got with its secret since then, and no session', async () => {
      const { app: shop } = await application();
      const { clientId } = shop.registered;
      const { secrets } = await api.call(
        `query ($clientId: String!) { client(clientId: $clientId) { secrets { secretId } } }`,
        { clientId },
      );
      const before = await shop.signIn(newBrowser(server), person);
      const early = await oidc.clientCredentialsGrant(shop.config);
      const since = await nextSecond();
      const browser = newBrowser(server);
      const after = await shop.signIn(browser, person);
      const own = await oidc.clientCredentialsGrant(shop.config);
      const other = await app.signIn(newBrowser(server), person);
      const touched = await contain({ secret: { clientId, secretId: secrets[0].secretId } }, since);
      expect(touched).toEqual({ grants: 1, sessions: 0, clientTokens: 1 });
      expect(await good(after, shop)).toEqual(DEAD);
      expect(await shop.isActive(own.access_token)).toBe(false);
      expect(await shop.isActive(early.access_token)).toBe(true);
      expect(await good(before, shop)).toEqual(ALIVE);
      expect(await good(other)).toEqual(ALIVE);
      const again = await shop.signIn(browser, person, { prompt: 'none' });
      expect(await good(again, shop)).toEqual(ALIVE);
    });

    test('what a key has signed since then, and nothing that bears no signature', async () => {
      const { app: shop } = await application({ tokenPolicy: { accessTokenFormat: 'jwt' } });
      const { nodes } = await api.call(
        '{ signingKeys(filter: { status: ACTIVE }) { nodes { kid } } }',
      );
      const before = await shop.signIn(newBrowser(server), person);
      const since = await nextSecond();
      const after = await shop.signIn(newBrowser(server), person);
      const own = await oidc.clientCredentialsGrant(shop.config);
      const other = await app.signIn(newBrowser(server), person);
      const touched = await contain({ key: nodes[0].kid }, since);
      expect(touched).toEqual({ grants: 1, sessions: 0, clientTokens: 1 });
      expect(await good(after, shop)).toEqual(DEAD);
      expect(await shop.isActive(own.access_token)).toBe(false);
      expect(await good(before, shop)).toEqual(ALIVE);
      expect(await good(other)).toEqual(ALIVE);
      const acts = (await server.admin.events()).filter(({ type }) => type === 'LeakContained');
      expect(acts).toHaveLength(3);
    });
  });

  test('with the right of a person to sign in, for good', async () => {
    const browser = newBrowser(server);
    const before = await app.signIn(browser, person);
    await mutate('userDisable', { sub: person.sub });
    expect(await good(before)).toEqual(DEAD);
    await toldOf(before);
    await mutate('userEnable', { sub: person.sub });
    expect(await good(before)).toEqual(DEAD);
    const after = await app.signIn(browser, person);
    expect(after.pages).toEqual(['sign-in']);
    expect(await good(after)).toEqual(ALIVE);
  });

  test('with a password: what was got by the former one', async () => {
    const browser = newBrowser(server);
    const before = await app.signIn(browser, person);
    const password = randomBytes(18).toString('base64url');
    await mutate('userPasswordSet', { sub: person.sub, password });
    expect(await good(before)).toEqual(DEAD);
    await toldOf(before);
    const after = await app.signIn(browser, { ...person, password });
    expect(after.pages).toEqual(['sign-in']);
    expect(await good(after)).toEqual(ALIVE);
  });

  test('with a consent: the grants that rest on it, and the person is asked again', async () => {
    const browser = newBrowser(server);
    const before = await app.signIn(browser, person);
    await mutate('consentWithdraw', { sub: person.sub, clientId: clientId() });
    expect(await good(before)).toEqual(DEAD);
    expect((await app.signIn(browser, person)).pages).toEqual(['consent']);
  });

  test('with a consent that a person takes back on their page, and only they', async () => {
    const browser = newBrowser(server);
    const before = await app.signIn(browser, person);
    const address = `${server.issuer}/account/applications`;
    expect((await newBrowser(server).open(address)).name).toBe('sign-in');
    const page = await browser.open(address);
    expect([page.name, page.text.includes('Test application')]).toEqual(['applications', true]);

    const stranger = newBrowser(server);
    const theirs = await app.signIn(stranger, await server.admin.person());
    await stranger.open(address);
    expect((await stranger.press(page, `withdraw=${clientId()}`)).status).toBe(403);
    expect(await good(before)).toEqual(ALIVE);

    const after = await browser.press(page, `withdraw=${clientId()}`);
    expect([after.name, after.text.includes('Test application')]).toEqual(['applications', false]);
    expect(await good({ ...before })).toMatchObject({ introspection: false, userinfo: false });
    expect(await good(theirs)).toEqual(ALIVE);
    expect((await app.signIn(browser, person)).pages).toEqual(['consent']);
    const [, withdrawn] = await server.admin.store.read(`consent-${person.sub}.${clientId()}`);
    expect(withdrawn).toMatchObject({
      type: 'ConsentWithdrawn',
      data: { by: 'user' },
      metadata: { actor: { type: 'user', id: person.sub } },
    });
  });

  test('while a client is disabled: everything, until it is enabled again', async () => {
    const { app: shop } = await application();
    const mine = await shop.signIn(newBrowser(server), person);
    await mutate('clientDisable', { clientId: shop.registered.clientId });
    await expect(shop.isActive(mine.tokens.access_token)).rejects.toMatchObject({ status: 401 });
    await mutate('clientEnable', { clientId: shop.registered.clientId });
    expect(await good(mine, shop)).toEqual(ALIVE);
  });

  test('with signing out: offline access too, where the client says so', async () => {
    const logout = { revokesOfflineAccess: true };
    const { app: strict } = await application({ logout });
    const browser = newBrowser(server);
    const mine = await app.signIn(browser, person);
    const theirs = await strict.signIn(browser, person);
    await app.signOut(browser, { id_token_hint: mine.tokens.id_token ?? '' });
    expect(await good(theirs, strict)).toEqual(DEAD);
    expect(await good(mine)).toEqual(ALIVE);
  });

  test('nothing, before a consent is given elsewhere; then no page asks for it', async () => {
    const { app: external } = await application({ consentType: 'external' });
    const scopes = ['openid', 'profile'];
    await expect(external.signIn(newBrowser(server), person, SESSION_BOUND)).rejects.toMatchObject({
      error: 'consent_required',
    });
    await mutate('consentGrant', {
      ...{ sub: person.sub, clientId: external.registered.clientId },
      scopes,
    });
    const { pages, tokens } = await external.signIn(newBrowser(server), person, SESSION_BOUND);
    expect(pages).toEqual(['sign-in']);
    expect(tokens.claims()?.sub).toBe(person.sub);
  });

  test('once, however often it is asked for at the same moment', async () => {
    const mine = await app.signIn(newBrowser(server), person);
    await Promise.all(
      Array.from({ length: 10 }, () =>
        mutate('consentWithdraw', { sub: person.sub, clientId: clientId() }),
      ),
    );
    expect(await good(mine)).toEqual(DEAD);
    const events = await server.admin.store.read(`consent-${person.sub}.${clientId()}`);
    expect(events.map(({ type }) => type)).toEqual(['ConsentGranted', 'ConsentWithdrawn']);
  });
});
