import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { localizeClient } from '../../src/commands/clients.ts';
import { localizeScope } from '../../src/commands/scopes.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { Page } from '../support/user-agent.ts';

const SHOWN = {
  displayName: 'The shop',
  description: 'Where things are sold.',
  clientUri: 'https://shop.example/',
  logoUri: 'https://shop.example/logo.png',
  policyUri: 'https://shop.example/privacy',
  tosUri: 'https://shop.example/terms',
} satisfies Partial<ClientRegistrationInput>;
const GERMAN = {
  displayName: 'Der Laden',
  description: 'Wo Dinge verkauft werden.',
  policyUri: 'https://shop.example/de/privacy',
};

describe.each(ENGINES)('what people see of a client, on %s', (engine) => {
  let server: TestServer;
  let api: AdminApi;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    api = await adminApi(server);
  });
  afterAll(() => server?.stop());

  /** The sign-in page and the consent page that a request leads to. */
  async function pages(app: ClientApp, parameters: Record<string, string>): Promise<Page[]> {
    const person = await server.admin.person();
    const browser = newBrowser(server);
    const signIn = await browser.open((await app.request(parameters)).url);
    const { username, password } = person;
    const consent = await browser.press(signIn, '_action=sign-in', {
      type: { username, password },
    });
    return [signIn, consent];
  }

  test('is its name, its links and its picture, and what it is for where they consent', async () => {
    const app = await ClientApp.connect(server, await server.admin.client(SHOWN));
    const [signIn, consent] = await pages(app, { scope: 'openid' });
    for (const page of [signIn, consent]) {
      expect(page?.text).toContain('The shop');
      for (const uri of [SHOWN.clientUri, SHOWN.logoUri, SHOWN.policyUri, SHOWN.tosUri]) {
        expect(page?.html).toContain(`"${uri}"`);
      }
    }
    expect(consent?.text).toContain(SHOWN.description);
  });

  test('is told in their language, as far as there is a translation', async () => {
    const registered = await server.admin.client(SHOWN);
    const { clientId } = registered;
    const app = await ClientApp.connect(server, registered);
    await server.admin.run(localizeClient, { clientId, locale: 'de-at', text: GERMAN });
    await server.admin.run(localizeScope, {
      name: 'email',
      locale: 'de',
      text: { displayName: 'Ihre E-Mail-Adresse' },
    });

    const german = await pages(app, { scope: 'openid email', ui_locales: 'pt de-CH en' });
    for (const page of german) {
      expect(page.text).toContain('Der Laden');
      expect(page.html).toContain(`"${GERMAN.policyUri}"`);
      expect(page.html).toContain(`"${SHOWN.tosUri}"`);
    }
    expect(german[1]?.text).toContain(GERMAN.description);
    expect(german[1]?.text).toContain('Ihre E-Mail-Adresse');
    const [french] = await pages(app, { scope: 'openid', ui_locales: 'fr de' });
    expect(french?.text).toContain('The shop');

    await server.admin.run(localizeClient, { clientId, locale: 'de-AT', text: null });
    const [again] = await pages(app, { scope: 'openid', ui_locales: 'de' });
    expect(again?.text).toContain('The shop');
  });

  test('is set and read by GraphQL', async () => {
    const { clientId } = await server.admin.client(SHOWN);
    const input = { clientId, locale: 'de', text: GERMAN };
    const localized = await api.call(
      `mutation ($input: ClientLocalizeInput!) { clientLocalize(input: $input) { userErrors { message }
         client { description localizations { locale displayName description clientUri policyUri } } } }`,
      { input },
    );
    expect(localized.client).toEqual({
      description: SHOWN.description,
      localizations: [{ locale: 'de', ...GERMAN, clientUri: null }],
    });
    const { body } = await api.send(
      JSON.stringify({
        query: `mutation ($input: ClientLocalizeInput!) { clientLocalize(input: $input) { userErrors { field } } }`,
        variables: { input: { ...input, locale: 'no language', text: { tosUri: 'ftp://x' } } },
      }),
    );
    expect(body.data.clientLocalize.userErrors).toEqual([
      { field: 'locale' },
      { field: 'text.tosUri' },
    ]);
  });
});
