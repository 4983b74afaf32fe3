import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Person } from '../support/admin.ts';
import { ClientApp, goThrough, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { Page, UserAgent } from '../support/user-agent.ts';

const PASSWORD = 'urn:muniment:acr:password';

describe.each(ENGINES)('what a request asks of the person, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    app = await ClientApp.connect(server, await server.admin.client({ consentType: 'implicit' }));
  });
  afterAll(() => server?.stop());

  /** Somebody who is signed in already. */
  async function signedIn(): Promise<{ browser: UserAgent; person: Person }> {
    const [browser, person] = [newBrowser(server), await server.admin.person()];
    await app.signIn(browser, person, { scope: 'openid' });
    return { browser, person };
  }

  const open = async (browser: UserAgent, parameters: Record<string, string>) => {
    const { url, checks } = await app.request({ scope: 'openid', ...parameters });
    return { page: await browser.open(url), checks };
  };
  const signInAs = (browser: UserAgent, page: Page, { username, password }: Person) =>
    browser.press(page, '_action=sign-in', { type: { username, password } });
  const subjectOf = async (page: Page, checks: oidc.AuthorizationCodeGrantChecks) =>
    (await oidc.authorizationCodeGrant(app.config, page.url, checks)).claims()?.sub;

  test('the discovery document says what can be asked', () => {
    expect(app.config.serverMetadata()).toMatchObject({
      prompt_values_supported: ['none', 'select_account', 'login', 'consent'],
      ui_locales_supported: ['en', 'de', 'fr', 'es'],
      acr_values_supported: [PASSWORD],
    });
  });

  test.each([
    ['what there is not', 'dance'],
    ['an account, where nobody may make one', 'create'],
    ['none, and something', 'none login'],
    ['nothing that can be seen', 'none consent'],
  ])('asking for %s is a mistake', async (_, prompt) => {
    const { browser, person } = await signedIn();
    await expect(app.signIn(browser, person, { scope: 'openid', prompt })).rejects.toMatchObject({
      error: 'invalid_request',
    });
  });

  test('none is answered without a page, or with what it would take', async () => {
    const { browser, person } = await signedIn();
    const silent = await app.signIn(browser, person, { scope: 'openid', prompt: 'none' });
    expect(silent.pages).toEqual([]);
    await expect(
      app.signIn(newBrowser(server), person, { scope: 'openid', prompt: 'none' }),
    ).rejects.toMatchObject({ error: 'login_required' });
    await expect(
      app.signIn(browser, person, { scope: 'openid', prompt: 'none', max_age: '0' }),
    ).rejects.toMatchObject({ error: 'login_required' });
  });

  test('login has the person prove who they are, and tells when they did', async () => {
    const { browser, person } = await signedIn();
    const again = await app.signIn(browser, person, { scope: 'openid', prompt: 'login' });
    expect(again.pages).toEqual(['sign-in']);
    expect(again.tokens.claims()?.auth_time).toEqual(expect.any(Number));
    const aged = await app.signIn(browser, person, { scope: 'openid', max_age: '0' });
    expect(aged.pages).toEqual(['sign-in']);
    const young = await app.signIn(browser, person, { scope: 'openid', max_age: '600' });
    expect(young.pages).toEqual([]);
  });

  test('login and consent are asked for one after the other', async () => {
    const { browser, person } = await signedIn();
    const { pages } = await app.signIn(browser, person, {
      scope: 'openid',
      prompt: 'login consent',
    });
    expect(pages).toEqual(['sign-in', 'consent']);
  });

  test('select_account lets them go on as who they are', async () => {
    const { browser, person } = await signedIn();
    const { page, checks } = await open(browser, { prompt: 'select_account' });
    expect(page.name).toBe('select-account');
    expect(page.text).toContain('Continue as Ada Byron');
    const back = await browser.press(page, '_action=continue');
    expect(await subjectOf(back, checks)).toBe(person.sub);
  });

  test('select_account lets them be somebody else, and ends the session of the former', async () => {
    const { browser } = await signedIn();
    const other = await server.admin.person({ name: 'Grace Hopper' });
    const { page, checks } = await open(browser, { prompt: 'select_account' });
    const signIn = await browser.open(new URL(`${page.url.pathname}/sign-in`, page.url));
    expect(signIn.name).toBe('sign-in');
    let back = await signInAs(browser, signIn, other);
    // A page that a script would send on.
    while (!back.atClient) back = await browser.press(back, '=');
    expect(await subjectOf(back, checks)).toBe(other.sub);
    const silent = await app.signIn(browser, other, { scope: 'openid', prompt: 'none' });
    expect(silent.tokens.claims()?.sub).toBe(other.sub);
  });

  test('select_account where nobody is signed in is the sign-in page', async () => {
    const [browser, person] = [newBrowser(server), await server.admin.person()];
    const { pages } = await app.signIn(browser, person, {
      scope: 'openid',
      prompt: 'select_account',
    });
    expect(pages).toEqual(['sign-in']);
  });

  test('select_account and login: the account, then the password', async () => {
    const { browser, person } = await signedIn();
    const { page, checks } = await open(browser, { prompt: 'login select_account consent' });
    expect(page.name).toBe('select-account');
    const signIn = await browser.press(page, '_action=continue');
    expect(signIn.name).toBe('sign-in');
    const consent = await signInAs(browser, signIn, person);
    expect(consent.name).toBe('consent');
    expect(await subjectOf(await browser.press(consent, '_action=allow'), checks)).toBe(person.sub);
  });

  test('login_hint stands in the field already, and says nothing about whether it is known', async () => {
    const { page } = await open(newBrowser(server), { login_hint: 'ada "the first"' });
    const [username] = page
      .formOf('_action=sign-in')
      .inputs.filter(({ name }) => name === 'username');
    expect(username?.value).toBe('ada "the first"');
  });

  test('another person than the hint names is not signed in silently', async () => {
    const { browser, person } = await signedIn();
    const other = await signedIn();
    const { tokens } = await app.signIn(other.browser, other.person, { scope: 'openid' });
    await expect(
      app.signIn(browser, person, {
        scope: 'openid',
        prompt: 'none',
        id_token_hint: tokens.id_token ?? '',
      }),
    ).rejects.toMatchObject({ error: 'login_required' });
  });

  test('how they signed in is told who asks, and recorded', async () => {
    const { browser, person } = await signedIn();
    const { tokens } = await app.signIn(browser, person, {
      scope: 'openid',
      acr_values: `urn:example:gold ${PASSWORD}`,
    });
    expect(tokens.claims()?.acr).toBe(PASSWORD);
    const started = (await server.admin.events()).find(
      ({ type, data }) => type === 'SessionStarted' && (data as { sub: string }).sub === person.sub,
    );
    expect(started?.data).toMatchObject({ acr: PASSWORD, amr: ['pwd'] });
  });

  test('an essential way to sign in is one that can be met, or an error', async () => {
    const { browser, person } = await signedIn();
    const asking = (acr: object) => ({
      scope: 'openid',
      claims: JSON.stringify({ id_token: { acr: { essential: true, ...acr } } }),
    });
    for (const acr of [{ value: PASSWORD }, { values: ['urn:example:gold', PASSWORD] }]) {
      const { tokens } = await app.signIn(browser, person, asking(acr));
      expect(tokens.claims()?.acr).toBe(PASSWORD);
    }
    for (const acr of [{ value: 'urn:example:gold' }, { values: ['urn:example:gold'] }]) {
      await expect(app.signIn(browser, person, asking(acr))).rejects.toMatchObject({
        error: 'unmet_authentication_requirements',
      });
    }
  });

  test('ui_locales comes before what the browser says', async () => {
    const { page } = await open(newBrowser(server), { ui_locales: 'xx fr-CA de' });
    expect(page.html).toContain('<html lang="fr"');
    const { page: plain } = await open(newBrowser(server), {});
    expect(plain.html).toContain('<html lang="en"');
  });

  test('an account page of another sign-in, or of none, shows nothing', async () => {
    const { browser } = await signedIn();
    const { page } = await open(browser, { prompt: 'consent' });
    for (const part of ['sign-in', 'register']) {
      const other = await browser.open(new URL(`${page.url.pathname}/${part}`, page.url));
      expect([other.name, other.status]).toEqual(['error', 404]);
    }
  });
});

describe.each(ENGINES)('people who register themselves, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let made = 0;

  beforeAll(async () => {
    server = await startTestServer({
      engine,
      env: { SELF_REGISTRATION: 'true', TRUST_PROXY: 'true' },
    });
    app = await ClientApp.connect(server, await server.admin.client({ consentType: 'implicit' }));
  });
  afterAll(() => server?.stop());

  /** A browser with an address of its own, so that the tests do not use up each other's tries. */
  const browserAt = (address = `192.0.2.${++made}`) =>
    newBrowser(server, {
      ...server.node,
      fetch: (url, init) =>
        server.node.fetch(url, {
          ...init,
          headers: { ...(init?.headers as Record<string, string>), 'x-forwarded-for': address },
        }),
    });
  const form = (part: Record<string, string> = {}) => ({
    username: `New-${++made}-${engine}`,
    password: 'correct horse battery',
    repeated: 'correct horse battery',
    email: '',
    ...part,
  });
  const openForm = async (browser = browserAt()) => {
    const { url, checks } = await app.request({ scope: 'openid email profile', prompt: 'create' });
    return { browser, page: await browser.open(url), checks };
  };

  test('can, where it is switched on, as discovery says', () => {
    expect(app.config.serverMetadata().prompt_values_supported).toContain('create');
  });

  test('come back to the application signed in, and are who recorded it', async () => {
    const { browser, page, checks } = await openForm();
    expect(page.name).toBe('register');
    const input = form({ email: 'new@mail.example' });
    const back = await browser.press(page, '_action=register', { type: input });
    const tokens = await oidc.authorizationCodeGrant(app.config, back.url, checks);
    const sub = tokens.claims()?.sub ?? '';
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, sub)).toMatchObject({
      preferred_username: input.username,
      email: 'new@mail.example',
      email_verified: false,
    });
    const registered = (await server.admin.events()).find(
      ({ type, data }) => type === 'UserRegistered' && (data as { sub: string }).sub === sub,
    );
    expect(registered?.metadata.actor).toEqual({ type: 'user', id: sub });
    expect(registered?.data).toMatchObject({ roles: [] });

    const { callback } = await goThrough(
      browserAt(),
      (await app.request({ scope: 'openid' })).url,
      input,
    );
    expect(callback.searchParams.get('code')).toBeTruthy();
  });

  test('get there from the sign-in page, and back', async () => {
    const browser = browserAt();
    const signIn = await browser.open((await app.request({ scope: 'openid' })).url);
    const [, there = ''] = /href="([^"]*\/register)"/.exec(signIn.html) ?? [];
    const page = await browser.open(new URL(there, signIn.url));
    expect(page.name).toBe('register');
    const [, back = ''] = /href="([^"]*\/sign-in)"/.exec(page.html) ?? [];
    expect((await browser.open(new URL(back, page.url))).name).toBe('sign-in');
    const end = await browser.press(page, '_action=register', { type: form() });
    expect(end.url.searchParams.get('code')).toBeTruthy();
  });

  test.each([
    ['a password that is too short', { password: 'short', repeated: 'short' }, 'password'],
    ['a common password', { password: 'password1', repeated: 'password1' }, 'password'],
    ['passwords that differ', { repeated: 'correct horse battered' }, 'repeated'],
    ['no user name', { username: ' ' }, 'username'],
    ['what is no address', { email: 'nobody' }, 'email'],
  ])('are told of %s, and keep what they typed', async (_, part, field) => {
    const { browser, page } = await openForm();
    const shown = await browser.press(page, '_action=register', { type: form(part) });
    expect([shown.name, shown.status]).toEqual(['register', 422]);
    expect(shown.html).toContain(`id="${field}-error"`);
    expect(shown.html).not.toContain('correct horse');
  });

  test('do not learn that a name is taken before all else is right, and cannot have it', async () => {
    const { username } = await server.admin.person();
    const { browser, page } = await openForm();
    const weak = { username, password: 'password1', repeated: 'password1' };
    const first = await browser.press(page, '_action=register', { type: form(weak) });
    expect(first.html).toContain('id="password-error"');
    expect(first.text).not.toContain('taken');
    const shown = await browser.press(first, '_action=register', {
      type: form({ username: username.toUpperCase() }),
    });
    expect([shown.status, shown.text]).toEqual([422, expect.stringContaining('taken')]);
  });

  test('are one of twenty who want one name at once', async () => {
    const { username } = form();
    const opened = await Promise.all(Array.from({ length: 20 }, () => openForm()));
    const ends = await Promise.all(
      opened.map(({ browser, page }) =>
        browser.press(page, '_action=register', { type: form({ username }) }),
      ),
    );
    expect(ends.filter(({ atClient }) => atClient)).toHaveLength(1);
    const others = ends.filter(({ atClient }) => !atClient);
    expect(others.map(({ name, status }) => `${name} ${status}`)).toEqual(
      Array(19).fill('register 422'),
    );
    expect(others.every(({ text }) => text.includes('taken'))).toBe(true);
  });

  test('are so many from one address for a while', async () => {
    const { username } = await server.admin.person();
    let { browser, page } = await openForm(browserAt('198.51.100.7'));
    for (let tries = 0; tries < 20; tries++) {
      page = await browser.press(page, '_action=register', { type: form({ username }) });
      expect(page.text).toContain('taken');
    }
    page = await browser.press(page, '_action=register', { type: form() });
    expect([page.status, page.text]).toEqual([422, expect.stringContaining('too many attempts')]);
  });

  test('need a form of this page', async () => {
    const { browser, page } = await openForm();
    const type = { ...form(), csrf: 'made up' };
    expect((await browser.press(page, '_action=register', { type })).status).toBe(403);
  });
});
