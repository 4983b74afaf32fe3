import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import {
  type ClientRegistrationInput,
  changeClientRequirements,
} from '../../src/commands/clients.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, goThrough, newBrowser, post } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { Page } from '../support/user-agent.ts';

const PARALLEL = 20;

/** What the client was told. */
const errorOf = ({ url, atClient }: Page) => atClient && url.searchParams.get('error');

describe.each(ENGINES)('pushed authorization requests, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
    app = await connect();
  });
  afterAll(() => server?.stop());

  const connect = async (input?: Partial<ClientRegistrationInput>) =>
    ClientApp.connect(server, await server.admin.client(input));

  /** A request that was pushed, and what its answer has to be checked against. */
  async function push(client = app, parameters: Record<string, string> = {}) {
    const { url, checks } = await client.request(parameters);
    const pushed = await oidc.buildAuthorizationUrlWithPAR(client.config, url.searchParams);
    return { url: pushed, checks };
  }

  const unused = () =>
    server.admin.pool.query(
      `select id, expires_at from state.entries where model = 'PushedAuthorizationRequest'`,
    );

  test('a person signs in by a request that never was in their browser', async () => {
    const { url, checks } = await push();
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
    const { tokens, pages } = await app.answer(newBrowser(server), url, checks, person);
    expect(pages).toEqual(['sign-in', 'consent']);
    expect(tokens.claims()?.sub).toBe(person.sub);
  });

  test('discovery names the endpoint', () => {
    expect(app.config.serverMetadata()).toMatchObject({
      pushed_authorization_request_endpoint: `${server.issuer}/connect/par`,
    });
  });

  test('offline_access is asked for without prompt=consent, as elsewhere', async () => {
    const { url, checks } = await push();
    const { tokens } = await app.answer(newBrowser(server), url, checks, person);
    expect(tokens.scope).toBe('openid profile email offline_access');
    expect((await app.refresh(tokens.refresh_token ?? '')).claims()?.sub).toBe(person.sub);
  });

  test('the client has to authenticate', async () => {
    const { url } = await app.request();
    const { clientId } = app.registered;
    const client = { clientId, secret: 'not the secret' };
    expect(await post(server, '/connect/par', url.searchParams, { client })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
  });

  test.each([
    ['redirect URI', { redirect_uri: 'https://evil.example/' }, 'invalid_request'],
    ['scope', { scope: 'openid nonsense' }, 'invalid_scope'],
    ['response type', { response_type: 'code token' }, 'invalid_request'],
    ['resource', { resource: 'https://nobody.example' }, 'invalid_target'],
    ['request_uri', { request_uri: 'https://app.example/request' }, 'request_uri_not_supported'],
  ])('a wrong %s is refused when it is pushed', async (_, parameters, error) => {
    const { url } = await app.request(parameters);
    expect(
      await post(server, '/connect/par', url.searchParams, { client: app.registered }),
    ).toMatchObject({ status: 400, body: { error } });
  });

  test('a scope the client may not ask for is refused when it is pushed', async () => {
    const modest = await connect({
      permissions: {
        grantTypes: ['authorization_code'],
        responseTypes: ['code'],
        scopes: ['openid'],
      },
    });
    await expect(push(modest, { scope: 'openid email' })).rejects.toMatchObject({
      error: 'invalid_scope',
    });
  });

  test('one that nobody pushed, or another client did, is refused', async () => {
    const { url } = await push();
    const other = await connect();
    url.searchParams.set('client_id', other.registered.clientId);
    expect(errorOf(await newBrowser(server).open(url))).toBe('invalid_request_object');
    url.searchParams.set('client_id', app.registered.clientId);
    url.searchParams.set('request_uri', 'urn:ietf:params:oauth:request_uri:nonsense');
    expect(errorOf(await newBrowser(server).open(url))).toBe('invalid_request_uri');
  });

  describe('is used once', () => {
    test('in a second sign-in it is refused', async () => {
      const { url, checks } = await push();
      await app.answer(newBrowser(server), url, checks, person);
      expect(errorOf(await newBrowser(server).open(url))).toBe('invalid_request_uri');
    });

    test('it may be opened twice, and the first to come to the end gets the code', async () => {
      const { url, checks } = await push();
      const slow = newBrowser(server);
      expect((await slow.open(url)).name).toBe('sign-in');
      await app.answer(newBrowser(server), url, checks, person);
      expect(errorOf(await slow.open(url))).toBe('invalid_request_uri');
    });

    test('a page that was opened before leads nowhere afterwards', async () => {
      const { url, checks } = await push();
      const slow = newBrowser(server);
      const signIn = await slow.open(url);
      await app.answer(newBrowser(server), url, checks, person);
      const { username, password } = person;
      const page = await slow.press(signIn, '_action=sign-in', { type: { username, password } });
      expect(errorOf(page)).toBe('invalid_request_uri');
    });

    test(`${PARALLEL} times in parallel, it gives one code`, async () => {
      const browser = newBrowser(server);
      await app.signIn(browser, person);
      const { url } = await push();
      const browsers = Array.from({ length: PARALLEL }, () => browser.copy());
      const pages = await Promise.all(browsers.map((each) => each.open(url)));
      const codes = pages.filter((page) => page.atClient && page.url.searchParams.has('code'));
      expect(codes).toHaveLength(1);
      for (const page of pages.filter((each) => !each.atClient)) {
        expect([page.status, page.html]).toEqual([400, expect.stringContaining('request_uri')]);
      }
    });

    test('it is remembered for as long as a person may take, and what is forgotten is not used', async () => {
      await server.admin.pool.query(`delete from state.entries`);
      const { url } = await push();
      const browser = newBrowser(server);
      const signIn = await browser.open(url);
      const { rows } = await unused();
      expect(rows).toHaveLength(1);
      expect(Date.parse(rows[0].expires_at)).toBeGreaterThan(Date.now() + 3_600_000);

      await server.admin.pool.query(
        `delete from state.entries where model = 'PushedAuthorizationRequest'`,
      );
      const { username, password } = person;
      const page = await browser.press(signIn, '_action=sign-in', { type: { username, password } });
      expect(errorOf(page)).toBe('invalid_request_uri');
    });
  });

  test('nothing of it is in the log, and what is kept is sealed', async () => {
    const state = oidc.randomState();
    const before = (await server.admin.events()).length;
    const { url } = await push(app, { state });
    expect(await server.admin.events()).toHaveLength(before);
    const { rows } = await server.admin.pool.query(`select * from state.entries`);
    const kept = JSON.stringify(rows);
    expect(kept).toContain('PushedAuthorizationRequest');
    expect(kept).not.toContain(state);
    expect(kept).not.toContain(url.searchParams.get('request_uri')?.split(':').at(-1));
  });

  test('a proof of possession binds the code to the key it was pushed with', async () => {
    const DPoP = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
    const { url, checks } = await app.request();
    const pushed = await oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams, { DPoP });
    const browser = newBrowser(server);
    const { tokens } = await app.answer(browser, pushed, checks, person, {}, { DPoP });
    expect(tokens.token_type).toBe('dpop');

    const second = await oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams, { DPoP });
    const stranger = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
    const stolen = app.answer(browser, second, checks, person, {}, { DPoP: stranger });
    await expect(stolen).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  test('a client of which it is required may not do without, from its next request on', async () => {
    const careful = await connect();
    const requirements = { pushedAuthorizationRequests: true };
    const { clientId } = careful.registered;
    await server.admin.run(changeClientRequirements, { clientId, requirements });
    await expect(careful.signIn(newBrowser(server), person)).rejects.toMatchObject({
      error: 'invalid_request',
    });
    const { url, checks } = await push(careful);
    const { tokens } = await careful.answer(newBrowser(server), url, checks, person);
    expect(tokens.claims()?.sub).toBe(person.sub);
  });
});

describe('REQUIRE_PAR', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ engine: 'postgres', env: { REQUIRE_PAR: 'true' } });
  });
  afterAll(() => server?.stop());

  test('makes every client push its requests', async () => {
    const person = await server.admin.person();
    const app = await ClientApp.connect(server, await server.admin.client());
    expect(app.config.serverMetadata().require_pushed_authorization_requests).toBe(true);
    await expect(app.signIn(newBrowser(server), person)).rejects.toMatchObject({
      error: 'invalid_request',
    });
    const { url } = await app.request();
    const pushed = await oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams);
    const { callback } = await goThrough(newBrowser(server), pushed, person);
    expect(callback.searchParams.get('code')).toBeTruthy();
  });
});
