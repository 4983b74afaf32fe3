import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { consent } from '../../src/domain/consent.ts';
import { act } from '../../src/eventstore/execute.ts';
import { REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { envelope } from '../support/log-events.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const SCOPE = 'openid profile email';

/** A consent that was given elsewhere. */
async function giveConsent(
  server: TestServer,
  app: ClientApp,
  sub: string,
  scopes: string[],
  at = new Date().toISOString(),
): Promise<void> {
  const { clientId } = app.registered;
  const terms = { sub, clientId, scopes, claims: [], resources: {} };
  await server.admin.execute(
    [act(consent, `${sub}.${clientId}`, [{ type: 'GrantConsent', data: terms }])],
    { ...envelope(), at },
  );
}

describe.each(ENGINES)('consent, on %s', (engine) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ engine });
  });
  afterAll(() => server?.stop());

  const newApp = async (input?: Partial<ClientRegistrationInput>) =>
    ClientApp.connect(server, await server.admin.client(input));

  test('lasts: a new session does not ask for it again', async () => {
    const [app, person] = [await newApp(), await server.admin.person()];
    const first = await app.signIn(newBrowser(server), person, { scope: SCOPE });
    const second = await app.signIn(newBrowser(server), person, { scope: SCOPE });
    expect([first.pages, second.pages]).toEqual([['sign-in', 'consent'], ['sign-in']]);
    expect(second.tokens.scope).toBe(SCOPE);
  });

  test('is asked for what is new, and only for that', async () => {
    const [app, person] = [await newApp(), await server.admin.person()];
    const browser = newBrowser(server);
    await app.signIn(browser, person, { scope: 'openid profile' });
    const { url } = await app.request({ scope: SCOPE });
    const page = await browser.open(url);
    expect(page.name).toBe('consent');
    expect(page.formOf('_action=allow').inputs.map(({ value }) => value)).toEqual(
      expect.arrayContaining(['email']),
    );
    expect(page.formOf('_action=allow').inputs.map(({ value }) => value)).not.toContain('profile');
  });

  test('leaves out what the person declined, and does not ask for it again in the session', async () => {
    const [app, person] = [await newApp(), await server.admin.person()];
    const browser = newBrowser(server);
    const first = await app.signIn(browser, person, { scope: SCOPE }, { declines: ['email'] });
    expect(first.tokens.scope).toBe('openid profile');
    const second = await app.signIn(browser, person, { scope: SCOPE });
    expect(second.pages).toEqual([]);
    expect(second.tokens.scope).toBe('openid profile');
    expect(
      await oidc.fetchUserInfo(app.config, second.tokens.access_token, person.sub),
    ).not.toHaveProperty('email');

    const granted = (await server.admin.events()).filter(
      ({ type, data }) => type === 'ConsentGranted' && (data as { sub: string }).sub === person.sub,
    );
    expect(granted.map(({ data }) => (data as { scopes: string[] }).scopes)).toEqual([
      ['openid', 'profile'],
    ]);
  });

  test('declined may be given later, when it is asked for anew', async () => {
    const [app, person] = [await newApp(), await server.admin.person()];
    await app.signIn(newBrowser(server), person, { scope: SCOPE }, { declines: ['email'] });
    const later = await app.signIn(newBrowser(server), person, { scope: SCOPE });
    expect(later.pages).toEqual(['sign-in', 'consent']);
    expect(later.tokens.scope).toBe(SCOPE);
  });

  test('declined may be given in the same session, when the application asks for consent', async () => {
    const [app, person] = [await newApp(), await server.admin.person()];
    const browser = newBrowser(server);
    await app.signIn(browser, person, { scope: SCOPE }, { declines: ['email'] });
    const later = await app.signIn(browser, person, { scope: SCOPE, prompt: 'consent' });
    expect(later.pages).toEqual(['consent']);
    expect(later.tokens.scope).toBe(SCOPE);
  });

  test('of an application with implicit consent is never asked for', async () => {
    const [app, person] = [await newApp({ consentType: 'implicit' }), await server.admin.person()];
    const { pages, tokens } = await app.signIn(newBrowser(server), person, { scope: SCOPE });
    expect(pages).toEqual(['sign-in']);
    expect(tokens.scope).toBe(SCOPE);
  });

  test('of an application with implicit consent is asked for where the application wants it', async () => {
    const [app, person] = [await newApp({ consentType: 'implicit' }), await server.admin.person()];
    const { pages } = await app.signIn(newBrowser(server), person, {
      scope: SCOPE,
      prompt: 'consent',
    });
    expect(pages).toEqual(['sign-in', 'consent']);
  });

  test('of an application with systematic consent is asked for each time', async () => {
    const [app, person] = [
      await newApp({ consentType: 'systematic' }),
      await server.admin.person(),
    ];
    const browser = newBrowser(server);
    await app.signIn(browser, person, { scope: SCOPE });
    expect((await app.signIn(browser, person, { scope: SCOPE })).pages).toEqual(['consent']);
    await expect(
      app.signIn(browser, person, { scope: SCOPE, prompt: 'none' }),
    ).rejects.toMatchObject({ error: 'consent_required' });
  });

  test('of an application with external consent has to be there already', async () => {
    const [app, person] = [await newApp({ consentType: 'external' }), await server.admin.person()];
    const browser = newBrowser(server);
    for (const prompt of ['', 'none', 'consent']) {
      await expect(
        app.signIn(browser, person, { scope: SCOPE, ...(prompt && { prompt }) }),
      ).rejects.toMatchObject({ error: 'consent_required' });
    }
  });

  test('of an application with external consent counts as far as it was given, and is not asked for', async () => {
    const [app, person] = [await newApp({ consentType: 'external' }), await server.admin.person()];
    await giveConsent(server, app, person.sub, ['openid', 'email']);
    const browser = newBrowser(server);
    const { pages, tokens } = await app.signIn(browser, person, { scope: 'openid email' });
    expect(pages).toEqual(['sign-in']);
    expect(tokens.scope).toBe('openid email');
    const silent = await app.signIn(browser, person, { scope: 'openid', prompt: 'none' });
    expect(silent.pages).toEqual([]);
    await expect(app.signIn(browser, person, { scope: SCOPE })).rejects.toMatchObject({
      error: 'consent_required',
    });
  });

  test('of a native application is confirmed each time, unless it comes back to an https address of its own', async () => {
    const loopback = 'http://127.0.0.1/callback';
    const [app, person] = [
      await newApp({
        clientType: 'public',
        applicationType: 'native',
        consentType: 'implicit',
        redirectUris: [loopback, REDIRECT_URI],
      }),
      await server.admin.person(),
    ];
    const browser = newBrowser(server);
    const own = await app.signIn(browser, person, { scope: SCOPE });
    expect(own.pages).toEqual(['sign-in']);
    const { url } = await app.request({ scope: SCOPE, redirect_uri: loopback });
    expect((await browser.open(url)).name).toBe('consent');
  });

  test('that counts for a time is asked for again when it is over, in the same session too', async () => {
    const [app, person] = [await newApp({ consentLifetime: 3600 }), await server.admin.person()];
    const longAgo = '2020-01-01T00:00:00.000Z';
    await giveConsent(server, app, person.sub, ['openid', 'profile', 'email'], longAgo);
    const browser = newBrowser(server);
    const first = await app.signIn(browser, person, { scope: 'openid email' });
    expect(first.pages).toEqual(['sign-in', 'consent']);
    const second = await app.signIn(browser, person, { scope: 'openid email' });
    expect(second.pages).toEqual([]);
    // Only what was agreed to this time counts now.
    expect((await browser.open((await app.request({ scope: SCOPE })).url)).name).toBe('consent');

    const renewed = (await server.admin.events()).find(
      ({ type, data }) => type === 'ConsentRenewed' && (data as { sub: string }).sub === person.sub,
    );
    expect(renewed?.data).toMatchObject({ scopes: ['openid', 'email'] });
  });
});
