import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { type Person, POST_LOGOUT_REDIRECT_URI } from '../support/admin.ts';
import { ClientApp } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import { type Page, UserAgent } from '../support/user-agent.ts';

const SCOPE = { scope: 'openid profile' };

describe.each(ENGINES)('front-channel logout, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  /** Of the answer a browser got last. */
  let headers: Headers;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
  });
  afterAll(() => server?.stop());

  const newBrowser = () =>
    new UserAgent(server.issuer, async (url, init) => {
      const response = await server.node.fetch(url, init);
      headers = response.headers;
      return response;
    });

  const application = async (logout: ClientRegistrationInput['logout']) =>
    ClientApp.connect(server, await server.admin.client({ logout }));

  const framesOf = ({ html }: Page) =>
    [...html.matchAll(/<iframe src="([^"]*)"/g)].map(
      ([, src = '']) => new URL(src.replaceAll('&amp;', '&')),
    );

  test('is announced', async () => {
    const app = await application({});
    expect(app.config.serverMetadata()).toMatchObject({
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    });
  });

  test('loads the page of each client of the session, then leads back', async () => {
    const shop = await application({
      frontchannelUri: 'https://shop.example/out?from=here',
      sessionRequired: true,
    });
    const bank = await application({ frontchannelUri: 'https://bank.example/out' });
    const plain = await application({});
    const browser = newBrowser();
    const atShop = await shop.signIn(browser, person, SCOPE);
    await bank.signIn(browser, person, SCOPE);
    const { tokens } = await plain.signIn(browser, person, SCOPE);

    const page = await plain.signOut(browser, {
      id_token_hint: tokens.id_token ?? '',
      state: 'a"b',
    });
    expect([page.name, page.status]).toEqual(['signed-out', 200]);
    const frames = framesOf(page);
    expect(frames.map(({ origin, pathname }) => origin + pathname).sort()).toEqual([
      'https://bank.example/out',
      'https://shop.example/out',
    ]);
    const atOf = (host: string) => frames.find((frame) => frame.host === host)?.searchParams ?? [];
    expect(Object.fromEntries(atOf('shop.example'))).toEqual({
      from: 'here',
      iss: server.issuer,
      sid: atShop.tokens.claims()?.sid,
    });
    expect(Object.fromEntries(atOf('bank.example'))).toEqual({});
    const allowed = /frame-src ([^;]*);/
      .exec(headers.get('content-security-policy') ?? '')?.[1]
      ?.split(' ');
    expect(allowed?.sort()).toEqual(['https://bank.example', 'https://shop.example']);
    const back = `${POST_LOGOUT_REDIRECT_URI}?state=a%22b`;
    expect(headers.get('refresh')).toBe(`3; url=${back}`);
    expect(page.html).toContain(`href="${back}"`);
    await expect(plain.signIn(browser, person, { prompt: 'none' })).rejects.toMatchObject({
      error: 'login_required',
    });
  });

  test('stays on the page where there is nothing to go back to', async () => {
    const shop = await application({ frontchannelUri: 'https://shop.example/out' });
    const browser = newBrowser();
    await shop.signIn(browser, person, SCOPE);
    const page = await browser.press(
      await browser.open(`${server.issuer}/connect/logout`),
      'logout=yes',
    );
    expect(framesOf(page)).toHaveLength(1);
    expect(headers.has('refresh')).toBe(false);
  });

  test('loads the page of the one client that is left, when the person stays signed in', async () => {
    const mine = await application({ frontchannelUri: 'https://mine.example/out' });
    const theirs = await application({ frontchannelUri: 'https://theirs.example/out' });
    const browser = newBrowser();
    const { tokens } = await mine.signIn(browser, person, SCOPE);
    await theirs.signIn(browser, person, SCOPE);
    const page = await mine.signOut(browser, { id_token_hint: tokens.id_token ?? '' }, 'no');
    expect(framesOf(page).map(({ href }) => href)).toEqual(['https://mine.example/out']);
    expect((await theirs.signIn(browser, person, { ...SCOPE, prompt: 'none' })).pages).toEqual([]);
  });

  test('loads nothing for a client that was in no session, or takes none', async () => {
    const plain = await application({});
    await application({ frontchannelUri: 'https://idle.example/out' });
    const browser = newBrowser();
    const { tokens } = await plain.signIn(browser, person, SCOPE);
    const page = await plain.signOut(browser, { id_token_hint: tokens.id_token ?? '' });
    expect(page.atClient).toBe(true);
  });
});
