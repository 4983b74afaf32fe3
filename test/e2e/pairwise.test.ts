import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { changeClientSubjectType, changeClientTokenPolicy } from '../../src/commands/clients.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

describe.each(ENGINES)('pairwise subjects, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  /** Knows people by their own subjects. */
  let open: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
    open = await ClientApp.connect(server, await server.admin.client());
  });
  afterAll(() => server?.stop());

  async function pairwiseClient(...redirectUris: string[]) {
    const registered = await server.admin.client({ subjectType: 'pairwise', redirectUris });
    const app = await ClientApp.connect(server, registered);
    const signIn = (who = person, browser = newBrowser(server)) =>
      app.signIn(browser, who, { redirect_uri: redirectUris[0] ?? '' });
    return { app, signIn, subject: async () => (await signIn()).tokens.claims()?.sub };
  }

  test('are the same in one sector and differ from sector to sector', async () => {
    const shop = await pairwiseClient('https://shop.example/a', 'https://shop.example/b');
    const till = await pairwiseClient('https://shop.example/till');
    const bank = await pairwiseClient('https://bank.example/callback');
    const subject = await shop.subject();
    expect(subject).toEqual(expect.any(String));
    expect(await shop.subject()).toBe(subject);
    expect(await till.subject()).toBe(subject);
    expect(await bank.subject()).not.toBe(subject);
    expect([subject, await bank.subject()]).not.toContain(person.sub);
    const another = (await shop.signIn(await server.admin.person())).tokens.claims()?.sub;
    expect(another).not.toBe(subject);
  });

  test('are what every endpoint says, and every token', async () => {
    const { app, signIn } = await pairwiseClient('https://club.example/callback');
    const { tokens } = await signIn();
    const subject = tokens.claims()?.sub ?? '';
    expect((await oidc.fetchUserInfo(app.config, tokens.access_token, subject)).sub).toBe(subject);
    const { config } = open;
    expect((await oidc.tokenIntrospection(config, tokens.access_token)).sub).toBe(subject);
    expect((await oidc.tokenIntrospection(app.config, tokens.access_token)).sub).toBe(subject);

    const { clientId } = app.registered;
    const tokenPolicy = { accessTokenFormat: 'jwt' as const };
    await server.admin.run(changeClientTokenPolicy, { clientId, tokenPolicy });
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(refreshed.claims()?.sub).toBe(subject);
    expect(decodeJwt(refreshed.access_token).sub).toBe(subject);
    expect((await oidc.tokenIntrospection(config, refreshed.access_token)).sub).toBe(subject);
    const claims = await oidc.fetchUserInfo(app.config, refreshed.access_token, subject);
    expect(claims.sub).toBe(subject);
  });

  test('never reach the log, which knows whom it is about', async () => {
    const { signIn } = await pairwiseClient('https://press.example/callback');
    const subject = (await signIn()).tokens.claims()?.sub ?? '';
    expect(JSON.stringify(await server.admin.events())).not.toContain(subject);
  });

  test('a client signs out with its ID token as the hint', async () => {
    const { app, signIn } = await pairwiseClient('https://app.example/callback');
    const browser = newBrowser(server);
    const { tokens } = await signIn(person, browser);
    const page = await app.signOut(browser, { id_token_hint: tokens.id_token ?? '' });
    expect(page.atClient).toBe(true);
    const again = await signIn(person, browser);
    expect(again.pages).toContain('sign-in');
  });

  test('come with the next sign-in once the client is to have them', async () => {
    const app = await ClientApp.connect(server, await server.admin.client());
    const browser = newBrowser(server);
    const before = (await app.signIn(browser, person)).tokens.claims()?.sub;
    const { clientId } = app.registered;
    await server.admin.run(changeClientSubjectType, { clientId, subjectType: 'pairwise' });
    const after = (await app.signIn(browser, person)).tokens.claims()?.sub;
    expect(before).toBe(person.sub);
    expect(after).not.toBe(person.sub);
  });

  test('are refused where no single host stands for the client', async () => {
    const hosts = ['https://one.example/callback', 'https://two.example/callback'];
    await expect(pairwiseClient(...hosts)).rejects.toMatchObject({
      code: 'invalid',
      detail: { field: 'subjectType' },
    });
  });
});
