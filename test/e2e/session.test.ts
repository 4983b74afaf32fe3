import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { type Person, POST_LOGOUT_REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

describe.each(ENGINES)('a session, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let other: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client());
    other = await ClientApp.connect(server, await server.admin.client());
  });
  afterAll(() => server?.stop());

  const sessionBound = { scope: 'openid profile' };

  test('the second sign-in in it shows no page', async () => {
    const browser = newBrowser(server);
    const first = await app.signIn(browser, person);
    const second = await app.signIn(browser, person);
    expect(second.pages).toEqual([]);
    expect(second.tokens.claims()?.sub).toBe(first.tokens.claims()?.sub);
  });

  test('another application of it asks for consent only', async () => {
    const browser = newBrowser(server);
    await app.signIn(browser, person);
    const fresh = await ClientApp.connect(server, await server.admin.client());
    expect((await fresh.signIn(browser, person)).pages).toEqual(['consent']);
  });

  describe('prompt', () => {
    test('none, with nobody signed in, is answered by login_required', async () => {
      await expect(
        app.signIn(newBrowser(server), person, { prompt: 'none' }),
      ).rejects.toMatchObject({ error: 'login_required' });
    });

    test('none, where consent is missing, is answered by consent_required', async () => {
      const browser = newBrowser(server);
      await app.signIn(browser, person);
      const fresh = await ClientApp.connect(server, await server.admin.client());
      await expect(fresh.signIn(browser, person, { prompt: 'none' })).rejects.toMatchObject({
        error: 'consent_required',
      });
    });

    test('none, where nothing is missing, is answered at once', async () => {
      const browser = newBrowser(server);
      await app.signIn(browser, person);
      const { pages, tokens } = await app.signIn(browser, person, { prompt: 'none' });
      expect(pages).toEqual([]);
      expect(tokens.claims()?.sub).toBe(person.sub);
    });

    test('login asks who it is, although somebody is signed in', async () => {
      const browser = newBrowser(server);
      await app.signIn(browser, person);
      expect((await app.signIn(browser, person, { prompt: 'login' })).pages).toEqual(['sign-in']);
    });

    test('consent asks again for what was consented to', async () => {
      const browser = newBrowser(server);
      await app.signIn(browser, person);
      expect((await app.signIn(browser, person, { prompt: 'consent' })).pages).toEqual(['consent']);
    });
  });

  test('max_age asks again for a sign-in that is too old, and auth_time tells the new one', async () => {
    const browser = newBrowser(server);
    const first = await app.signIn(browser, person, { max_age: '600' });
    const authTime = first.tokens.claims()?.auth_time ?? 0;
    expect(authTime).toBeGreaterThan(0);
    const young = await app.signIn(browser, person, { max_age: '600' });
    expect(young.pages).toEqual([]);

    await eventually('the sign-in is old', () => Date.now() / 1000 >= authTime + 2);
    const old = await app.signIn(browser, person, { max_age: '1' });
    expect(old.pages).toEqual(['sign-in']);
    expect(old.tokens.claims()?.auth_time).toBeGreaterThan(authTime);
    const events = await server.admin.events();
    expect(events).toContainEqual(expect.objectContaining({ type: 'SessionReauthenticated' }));
  });

  test('another person takes the place of the one signed in', async () => {
    const browser = newBrowser(server);
    const before = await app.signIn(browser, person, sessionBound);
    const successor = await server.admin.person();
    const after = await app.signIn(browser, successor, { ...sessionBound, prompt: 'login' });
    expect(after.tokens.claims()?.sub).toBe(successor.sub);
    expect(await app.isActive(after.tokens.access_token)).toBe(true);
    expect(await app.isActive(before.tokens.access_token)).toBe(false);
  });

  describe('signing out', () => {
    test('leads back to the application, with its state', async () => {
      const browser = newBrowser(server);
      const { tokens } = await app.signIn(browser, person);
      const page = await app.signOut(browser, {
        id_token_hint: tokens.id_token ?? '',
        state: 'where I was',
      });
      expect(page.atClient).toBe(true);
      expect(page.url.href.split('?')[0]).toBe(POST_LOGOUT_REDIRECT_URI);
      expect([...page.url.searchParams]).toEqual([['state', 'where I was']]);
    });

    test('ends the session and what is bound to it, and leaves offline access alone', async () => {
      const browser = newBrowser(server);
      const bound = await app.signIn(browser, person, sessionBound);
      const offline = await other.signIn(browser, person);
      expect(await app.isActive(bound.tokens.access_token)).toBe(true);

      await app.signOut(browser, { id_token_hint: bound.tokens.id_token ?? '' });
      await expect(app.signIn(browser, person, { prompt: 'none' })).rejects.toMatchObject({
        error: 'login_required',
      });
      expect(await app.isActive(bound.tokens.access_token)).toBe(false);
      await expect(
        oidc.fetchUserInfo(app.config, bound.tokens.access_token, person.sub),
      ).rejects.toMatchObject({ status: 401 });

      expect(await other.isActive(offline.tokens.access_token)).toBe(true);
      const refreshed = await other.refresh(offline.tokens.refresh_token ?? '');
      expect(await other.isActive(refreshed.access_token)).toBe(true);
    });

    test('a cookie kept from before is worth nothing afterwards', async () => {
      const browser = newBrowser(server);
      const { tokens } = await app.signIn(browser, person);
      const thief = browser.copy();
      await app.signOut(browser, { id_token_hint: tokens.id_token ?? '' });
      await expect(app.signIn(thief, person, { prompt: 'none' })).rejects.toMatchObject({
        error: 'login_required',
      });
    });

    test('answered with no, ends only the part of the application that asked', async () => {
      const browser = newBrowser(server);
      const mine = await app.signIn(browser, person, sessionBound);
      const theirs = await other.signIn(browser, person, sessionBound);
      await app.signOut(browser, { id_token_hint: mine.tokens.id_token ?? '' }, 'no');
      expect(await app.isActive(mine.tokens.access_token)).toBe(false);
      expect(await other.isActive(theirs.tokens.access_token)).toBe(true);
      expect((await other.signIn(browser, person, { prompt: 'none' })).pages).toEqual([]);
    });

    test('to an address that is not registered is refused', async () => {
      const browser = newBrowser(server);
      const { tokens } = await app.signIn(browser, person);
      const page = await browser.open(
        oidc.buildEndSessionUrl(app.config, {
          id_token_hint: tokens.id_token ?? '',
          post_logout_redirect_uri: 'https://evil.example/',
        }),
      );
      expect([page.name, page.status]).toEqual(['error', 400]);
    });

    test('with nothing to go back to ends on a page of the server', async () => {
      const browser = newBrowser(server);
      await app.signIn(browser, person);
      const page = await browser.press(
        await browser.open(`${server.issuer}/connect/logout`),
        'logout=yes',
      );
      expect([page.name, page.status]).toEqual(['signed-out', 200]);
    });
  });
});
