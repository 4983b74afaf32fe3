import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import {
  changeApiResourceAuthorizationDetailTypes,
  defineApiResource,
} from '../../src/commands/api-resources.ts';
import { changeClientPermissions } from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { eraseUser } from '../../src/commands/users.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const BANK = 'https://bank.example';
const ARCHIVE = 'https://archive.example';
const IBAN = 'DE02100100109307118603';

/** A payment as RFC 9396 §2 has it. */
const payment = {
  type: 'payment_initiation',
  actions: ['initiate'],
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorAccount: { iban: IBAN },
};
const folder = { type: 'folder', locations: [ARCHIVE], identifier: 'taxes' };

const schema = {
  required: ['instructedAmount'],
  properties: {
    instructedAmount: { required: ['currency', 'amount'] },
    actions: { items: { enum: ['initiate', 'status'] } },
  },
};

describe.each(ENGINES)('authorization details, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, {
      identifier: BANK,
      displayName: 'The bank',
      authorizationDetailTypes: [{ type: payment.type, displayName: 'Payment', schema }],
    });
    await admin.run(defineApiResource, {
      identifier: ARCHIVE,
      displayName: 'The archive',
      tokenPolicy: { accessTokenFormat: 'jwt' },
      authorizationDetailTypes: [{ type: folder.type, displayName: 'Folder' }],
    });
    await admin.run(defineScope, { name: 'bank', displayName: 'Bank', resources: [BANK] });
    person = await admin.person();
    app = await ClientApp.connect(server, await admin.client({ permissions }));
    await eventually('the server knows of the last scope', async () =>
      oidc.clientCredentialsGrant(app.config, { scope: 'bank' }).catch(() => undefined),
    );
  });
  afterAll(() => server?.stop());

  const permissions = {
    grantTypes: [
      'authorization_code' as const,
      'refresh_token' as const,
      'client_credentials' as const,
    ],
    responseTypes: ['code' as const],
    scopes: ['*'],
    authorizationDetailTypes: [payment.type, folder.type],
  };

  const asking = (...details: object[]) => ({
    scope: 'openid offline_access',
    authorization_details: JSON.stringify(details),
  });

  const refusal = (request: Promise<unknown>) =>
    request.then(
      () => undefined,
      ({ error, error_description }) => ({ error, error_description }),
    );

  test('are announced', () => {
    expect(app.config.serverMetadata().authorization_details_types_supported).toEqual(
      expect.arrayContaining([payment.type, folder.type]),
    );
  });

  test('are shown to the person, and given to the resource they are for', async () => {
    const { url, checks } = await app.request(asking(payment));
    const browser = newBrowser(server);
    const signIn = await browser.open(url);
    const { username, password } = person;
    const page = await browser.press(signIn, '_action=sign-in', { type: { username, password } });
    expect(page.text).toContain('Payment');
    expect(page.text).toContain('The bank');
    expect(page.text).toContain('instructedAmount.amount');
    expect(page.text).toContain('123.50');

    const { url: callback } = await browser.press(page, '_action=allow');
    const tokens = await oidc.authorizationCodeGrant(app.config, callback, checks);
    expect(tokens.authorization_details).toEqual([payment]);
    expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
      aud: BANK,
      authorization_details: [payment],
    });
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(refreshed.authorization_details).toEqual([payment]);
  });

  test('are agreed to each time, and one by one', async () => {
    const browser = newBrowser(server);
    const other = { ...payment, instructedAmount: { currency: 'EUR', amount: '1.00' } };
    const first = await app.signIn(browser, person, asking(payment, other), { declines: ['0'] });
    expect(first.tokens.authorization_details).toEqual([other]);
    const second = await app.signIn(browser, person, asking(payment));
    expect(second.pages).toEqual(['consent']);
    expect(second.tokens.authorization_details).toEqual([payment]);
    // Under the same grant, but not asked for: it is not there.
    const third = await app.signIn(browser, person, { scope: 'openid bank' });
    expect(third.tokens).not.toHaveProperty('authorization_details');
    await expect(
      app.signIn(browser, person, { ...asking(payment), prompt: 'none' }),
    ).rejects.toMatchObject({ error: 'consent_required' });
  });

  test('are in the JWT of the resource they are for, and in no other token', async () => {
    const browser = newBrowser(server);
    const { tokens } = await app.signIn(browser, person, {
      ...asking(payment, folder),
      resource: ARCHIVE,
    });
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      aud: ARCHIVE,
      authorization_details: [folder],
    });
    expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
      authorization_details: [folder],
    });
  });

  test('can be fewer at the token endpoint, and never more', async () => {
    const browser = newBrowser(server);
    const other = { ...payment, actions: ['status'] };
    const { tokens } = await app.signIn(browser, person, asking(payment, other));
    const fewer = await app.refresh(tokens.refresh_token ?? '', {
      authorization_details: JSON.stringify([other]),
    });
    expect(fewer.authorization_details).toEqual([other]);
    const more = { ...payment, instructedAmount: { currency: 'EUR', amount: '999999.00' } };
    const refused = app.refresh(fewer.refresh_token ?? '', {
      authorization_details: JSON.stringify([more]),
    });
    expect(await refusal(refused)).toMatchObject({ error: 'invalid_authorization_details' });
  });

  test('are what a client asks for itself, too', async () => {
    const tokens = await oidc.clientCredentialsGrant(app.config, {
      authorization_details: JSON.stringify([payment]),
    });
    expect(tokens.authorization_details).toEqual([payment]);
  });

  test('can be pushed', async () => {
    const { url, checks } = await app.request(asking(payment));
    const pushed = await oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams);
    const { tokens } = await app.answer(newBrowser(server), pushed, checks, person);
    expect(tokens.authorization_details).toEqual([payment]);
  });

  test.each<[string, unknown]>([
    ['of a type that nobody knows', [{ type: 'unheard_of' }]],
    ['that do not meet their schema', [{ ...payment, instructedAmount: { amount: '1' } }]],
    ['with what the schema does not list', [{ ...payment, actions: ['steal'] }]],
    ['for a place that does not know the type', [{ ...payment, locations: [ARCHIVE] }]],
    ['without a type', [{ actions: ['initiate'] }]],
    ['that are no list', payment],
    ['without end', [{ ...payment, note: 'x'.repeat(11_000) }]],
  ])('are refused: %s', async (_, details) => {
    const { url } = await app.request({
      scope: 'openid',
      authorization_details: JSON.stringify(details),
    });
    const pushed = oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams);
    expect(await refusal(pushed)).toMatchObject({ error: 'invalid_authorization_details' });
  });

  test('are refused to a client that is not permitted the type, from its next request on', async () => {
    const { clientId } = app.registered;
    const permit = (authorizationDetailTypes: string[]) =>
      server.admin.run(changeClientPermissions, {
        clientId,
        permissions: { ...permissions, authorizationDetailTypes },
      });
    const ask = () =>
      oidc.clientCredentialsGrant(app.config, { authorization_details: JSON.stringify([payment]) });
    await permit([folder.type]);
    expect(await refusal(ask())).toEqual({
      error: 'invalid_authorization_details',
      error_description:
        "authorization details type 'payment_initiation' is not allowed for this client",
    });
    await permit(permissions.authorizationDetailTypes);
    expect(await refusal(ask())).toBeUndefined();
  });

  test('are nowhere in clear, and go with the person', async () => {
    const other = await server.admin.person();
    const { tokens } = await app.signIn(newBrowser(server), other, asking(payment));
    const log = JSON.stringify(await server.admin.events());
    expect(log).toContain('AccessTokenIssued');
    expect(log).not.toContain(IBAN);
    const { rows } = await server.admin.pool.query(`select t::text from ${READ_SCHEMA}.tokens t`);
    expect(JSON.stringify(rows)).not.toContain(IBAN);

    await server.admin.run(eraseUser, { sub: other.sub });
    const [active] = [await app.isActive(tokens.access_token)];
    expect(active).toBe(false);
  });

  test('of an API resource change without a restart', async () => {
    await server.admin.run(changeApiResourceAuthorizationDetailTypes, {
      identifier: ARCHIVE,
      authorizationDetailTypes: [],
    });
    await eventually('the type is gone', async () => {
      const details = JSON.stringify([folder]);
      const refused = oidc.clientCredentialsGrant(app.config, { authorization_details: details });
      return (await refusal(refused))?.error === 'invalid_authorization_details';
    });
  });
});
