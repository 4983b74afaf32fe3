import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { changeClientPermissions } from '../../src/commands/clients.ts';
import type { Command } from '../../src/commands/command.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { disableUser } from '../../src/commands/users.ts';
import { deviceAuthorization } from '../../src/domain/device-authorization.ts';
import { act } from '../../src/eventstore/execute.ts';
import { digest } from '../../src/platform/secrets.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { Page, UserAgent } from '../support/user-agent.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const PERMISSIONS = {
  grantTypes: [DEVICE_CODE, 'refresh_token'] as const,
  responseTypes: [],
  scopes: ['*'],
};
const TELEVISION = {
  displayName: 'Television',
  redirectUris: [],
  permissions: { ...PERMISSIONS, grantTypes: [...PERMISSIONS.grantTypes] },
};
const ORDERS = 'https://orders.example';

describe.each(ENGINES)('the device flow with openid-client, on %s', (engine) => {
  let server: TestServer;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine, nodes: 2 });
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client(TELEVISION));
  });
  afterAll(() => server?.stop());

  const ask = (scope = 'openid email offline_access', by = app) =>
    oidc.initiateDeviceAuthorization(by.config, { scope });

  type Asked = Awaited<ReturnType<typeof ask>>;

  /** Waits as the client library does, but not as long: what it asks for has been decided. */
  const poll = (asked: Asked, by = app) =>
    oidc.pollDeviceAuthorizationGrant(by.config, { ...asked, interval: 0.001 });

  /** Asks once, whatever the answer. */
  const pollOnce = (asked: Asked, by = app) =>
    oidc.genericGrantRequest(by.config, DEVICE_CODE, { device_code: asked.device_code });

  const enter = async (browser: UserAgent, code: string): Promise<Page> => {
    const page = await browser.open(`${server.issuer}/device`);
    return browser.press(page, '=', { type: { user_code: code } });
  };

  /** From the page that asks whether it is their device, to the last one. */
  const allow = async (browser: UserAgent, confirm: Page, who = person) => {
    const pages: string[] = [];
    const { username, password } = who;
    let page = confirm;
    for (; page.name !== 'device-done' && pages.length < 5; ) {
      pages.push(page.name);
      if (page.name === 'device-confirm') page = await browser.press(page, 'confirm=yes');
      else if (page.name === 'sign-in') {
        page = await browser.press(page, '_action=sign-in', { type: { username, password } });
      } else if (page.name === 'consent') page = await browser.press(page, '_action=allow');
      else throw new Error(`${page.status} at ${page.url.pathname}: ${page.text}`);
    }
    return { pages, page };
  };

  const approve = async (asked: Asked, who = person) => {
    const browser = newBrowser(server);
    return allow(browser, await enter(browser, asked.user_code), who);
  };

  const factsOf = async ({ device_code }: Pick<Asked, 'device_code'>) =>
    (await server.admin.store.read(`device-${digest(device_code)}`)).map(({ type }) => type);

  test('discovery names its endpoint and its grant type', () => {
    const metadata = app.config.serverMetadata();
    expect(metadata.device_authorization_endpoint).toBe(`${server.issuer}/connect/device`);
    expect(metadata.grant_types_supported).toContain(DEVICE_CODE);
  });

  test('a person enters the code, says yes, and the device learns who they are', async () => {
    const asked = await ask();
    expect(asked).toEqual({
      device_code: expect.any(String),
      user_code: expect.stringMatching(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/),
      verification_uri: `${server.issuer}/device`,
      verification_uri_complete: `${server.issuer}/device?user_code=${asked.user_code}`,
      expires_in: 600,
      interval: 5,
    });
    const browser = newBrowser(server);
    const confirm = await enter(browser, asked.user_code);
    expect(confirm.name).toBe('device-confirm');
    expect(confirm.text).toContain('Television');
    expect(confirm.text).toContain(asked.user_code);
    expect(confirm.text).toContain('Your e-mail address');
    const { pages, page } = await allow(browser, confirm);
    expect(pages).toEqual(['device-confirm', 'sign-in', 'consent']);
    expect(page.text).toContain('Your device is connected');

    const tokens = await poll(asked);
    expect(tokens.claims()).toMatchObject({ sub: person.sub, aud: app.registered.clientId });
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub)).toMatchObject({
      email: person.claims.email,
    });
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(await app.isActive(refreshed.access_token)).toBe(true);
  });

  test('the log tells what happened, and neither code', async () => {
    const asked = await ask();
    await approve(asked);
    const tokens = await poll(asked);
    expect(await factsOf(asked)).toEqual([
      'DeviceAuthorizationRequested',
      'DeviceUserCodeEntered',
      'DeviceAuthorizationApproved',
      'DeviceCodeRedeemed',
    ]);
    const events = await server.admin.events();
    const approval = events.find(
      ({ stream, type }) =>
        stream === `device-${digest(asked.device_code)}` && type === 'DeviceAuthorizationApproved',
    );
    const { grantId } = { ...approval?.data } as { grantId?: string };
    const issued = events.filter(
      ({ data }) => 'digest' in data && data.digest === digest(tokens.access_token),
    );
    expect(issued).toEqual([
      expect.objectContaining({
        type: 'AccessTokenIssued',
        stream: `grant-${grantId}`,
      }),
    ]);

    const { rows } = await server.admin.pool.query('select * from state.entries');
    const { rows: shown } = await server.admin.pool.query(
      `select * from ${READ_SCHEMA}.device_authorizations`,
    );
    const written = JSON.stringify([events, rows, shown]);
    expect(shown.length).toBeGreaterThan(0);
    for (const code of [asked.device_code, asked.user_code, asked.user_code.replace('-', '')]) {
      expect(written).not.toContain(code);
    }
  });

  test('a public client needs no secret', async () => {
    const registered = await server.admin.client({
      ...TELEVISION,
      clientType: 'public',
      applicationType: 'native',
    });
    const open = await ClientApp.connect(server, registered);
    const asked = await ask('openid', open);
    await approve(asked);
    expect((await poll(asked, open)).claims()?.sub).toBe(person.sub);
  });

  test('a token is for the API whose scopes were asked for', async () => {
    await server.admin.run(defineApiResource, { identifier: ORDERS, displayName: 'Orders' });
    const name = 'orders:read';
    await server.admin.run(defineScope, { name, displayName: 'See orders', resources: [ORDERS] });
    const asked = await eventually('the server knows of the scope', () =>
      ask(`openid ${name}`).catch(() => undefined),
    );
    await approve(asked as Asked);
    const tokens = await poll(asked as Asked);
    expect(await oidc.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({
      active: true,
      aud: ORDERS,
      scope: name,
    });
  });

  describe('the user code', () => {
    test('may be typed in any case, with blanks and without dash', async () => {
      const asked = await ask();
      const typed = ` ${asked.user_code.toLowerCase().replace('-', ' ')} `;
      const page = await enter(newBrowser(server), typed);
      expect(page.name).toBe('device-confirm');
      expect(page.text).toContain(asked.user_code);
    });

    test('may come in a link, and is still shown before anything happens', async () => {
      const asked = await ask();
      const browser = newBrowser(server);
      const page = await browser.open(asked.verification_uri_complete ?? '');
      expect(page.name).toBe('device-code');
      expect(page.html).toContain(`value="${asked.user_code}"`);
      expect(await factsOf(asked)).toEqual(['DeviceAuthorizationRequested']);
      const confirm = await browser.press(page, '=');
      expect(confirm.name).toBe('device-confirm');
      await allow(browser, confirm);
      expect((await poll(asked)).claims()?.sub).toBe(person.sub);
    });

    test('that is wrong can be corrected on the same page', async () => {
      const asked = await ask();
      const browser = newBrowser(server);
      const page = await enter(browser, 'BBBB-BBBB');
      expect([page.name, page.status]).toEqual(['device-code', 422]);
      expect(page.text).toContain('There is no such code.');
      const empty = await browser.press(page, '=', { type: { user_code: '' } });
      expect(empty.text).toContain('Enter the code.');
      const confirm = await browser.press(empty, '=', { type: { user_code: asked.user_code } });
      expect(confirm.name).toBe('device-confirm');
    });

    test('is entered by one person only', async () => {
      const asked = await ask();
      const first = newBrowser(server);
      const second = newBrowser(server);
      const [one, other] = [
        await enter(first, asked.user_code),
        await enter(second, asked.user_code),
      ];
      await first.press(one, 'confirm=yes');
      const late = await second.press(other, 'confirm=yes');
      expect(late.text).toContain('The code was used before.');
      expect((await enter(second, asked.user_code)).text).toContain('The code was used before.');
    });

    test('is taken from the server’s own form only', async () => {
      const asked = await ask();
      const browser = newBrowser(server);
      const page = await enter(browser, asked.user_code);
      const form = page.formOf('confirm=yes');
      const inputs = form.inputs.map((input) =>
        input.name === 'xsrf' ? { ...input, value: 'guessed' } : input,
      );
      const forged = Object.assign(Object.create(page), { formOf: () => ({ ...form, inputs }) });
      const refused = await browser.press(forged, 'confirm=yes');
      expect([refused.name, refused.status]).toEqual(['error', 400]);
      expect(await factsOf(asked)).toEqual(['DeviceAuthorizationRequested']);
      const strange = await newBrowser(server).press(page, 'confirm=yes');
      expect([strange.name, strange.status]).toEqual(['error', 400]);
      expect(await factsOf(asked)).toEqual(['DeviceAuthorizationRequested']);
    });
  });

  describe('a person who says no', () => {
    test('on the page that asks whether it is their device', async () => {
      const asked = await ask();
      const browser = newBrowser(server);
      const confirm = await enter(browser, asked.user_code);
      const page = await browser.press(confirm, 'abort=yes');
      expect(page.name).toBe('device-done');
      expect(page.text).toContain('Your device is not connected');
      await expect(poll(asked)).rejects.toMatchObject({ error: 'access_denied' });
      await expect(poll(asked)).rejects.toMatchObject({ error: 'access_denied' });
      expect(await factsOf(asked)).toEqual([
        'DeviceAuthorizationRequested',
        'DeviceAuthorizationDenied',
      ]);
    });

    test('when asked for consent, and when asked to sign in', async () => {
      const reluctant = await server.admin.person();
      for (const at of ['sign-in', 'consent']) {
        const asked = await ask();
        const browser = newBrowser(server);
        let page = await enter(browser, asked.user_code);
        page = await browser.press(page, 'confirm=yes');
        if (at === 'consent') {
          const { username, password } = reluctant;
          page = await browser.press(page, '_action=sign-in', { type: { username, password } });
        }
        expect(page.name).toBe(at);
        page = await browser.press(page, at === 'consent' ? '_action=deny' : '_action=cancel');
        expect(page.text).toContain('Your device is not connected');
        await expect(poll(asked)).rejects.toMatchObject({ error: 'access_denied' });
      }
    });
  });

  describe('the device code', () => {
    test('is redeemed by one of twenty at once', async () => {
      const asked = await ask();
      await approve(asked);
      const other = await ClientApp.connect(server, app.registered, { node: server.nodes[1] });
      const all = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) => pollOnce(asked, n % 2 ? other : app)),
      );
      const won = all.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      const lost = all.flatMap((each) => (each.status === 'rejected' ? [each.reason.error] : []));
      expect(won).toHaveLength(1);
      expect(lost).toEqual(Array(19).fill('invalid_grant'));
      const facts = await factsOf(asked);
      expect(facts.filter((type) => type === 'DeviceCodeRedeemed')).toHaveLength(1);
      expect(await app.isActive(won[0]?.access_token)).toBe(true);
    });

    test('is pending until the person has decided; polling too fast is told to slow down, by any node', async () => {
      const asked = await ask();
      const other = await ClientApp.connect(server, app.registered, { node: server.nodes[1] });
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'authorization_pending' });
      await expect(pollOnce(asked, other)).rejects.toMatchObject({ error: 'slow_down' });
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'slow_down' });
      await approve(asked);
      expect((await poll(asked)).claims()?.sub).toBe(person.sub);
    });

    test('of another client is nothing', async () => {
      const other = await ClientApp.connect(server, await server.admin.client(TELEVISION));
      const asked = await ask();
      await expect(pollOnce(asked, other)).rejects.toMatchObject({ error: 'invalid_grant' });
      await approve(asked);
      await expect(pollOnce(asked, other)).rejects.toMatchObject({ error: 'invalid_grant' });
      expect((await poll(asked)).claims()?.sub).toBe(person.sub);
    });

    test('that was made up is nothing, nor is what stands for one inside the server', async () => {
      const asked = await ask();
      await approve(asked);
      for (const device_code of ['made-up', `device:${digest(asked.device_code)}`]) {
        await expect(pollOnce({ ...asked, device_code })).rejects.toMatchObject({
          error: 'invalid_grant',
        });
      }
    });

    test('and the user code run out', async () => {
      const asked = {
        device_code: randomBytes(32).toString('base64url'),
        user_code: 'CCCC-CCCC',
      };
      await server.admin.run(askedLongAgo, { clientId: app.registered.clientId, ...asked });
      await expect(pollOnce(asked as Asked)).rejects.toMatchObject({ error: 'expired_token' });
      const page = await enter(newBrowser(server), asked.user_code);
      expect(page.text).toContain('The code has run out.');
    });

    test('is worth nothing once the person is disabled', async () => {
      const leaving = await server.admin.person();
      const asked = await ask();
      await approve(asked, leaving);
      await server.admin.run(disableUser, { sub: leaving.sub, reason: 'left' });
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'invalid_grant' });
    });
  });

  test('is for clients that are permitted to, from one request to the next', async () => {
    const forbidden = await ClientApp.connect(server, await server.admin.client());
    await expect(ask('openid', forbidden)).rejects.toMatchObject({ error: 'invalid_request' });

    const other = await ClientApp.connect(server, await server.admin.client(TELEVISION));
    const asked = await ask('openid', other);
    await approve(asked);
    await server.admin.run(changeClientPermissions, {
      clientId: other.registered.clientId,
      permissions: { grantTypes: ['client_credentials'], responseTypes: [], scopes: ['*'] },
    });
    await expect(pollOnce(asked, other)).rejects.toMatchObject({ error: 'invalid_request' });
    await expect(ask('openid', other)).rejects.toMatchObject({ error: 'invalid_request' });
  });

  test('a visit to the page leaves no trace but a row for an hour', async () => {
    const before = (await server.admin.events()).length;
    await newBrowser(server).open(`${server.issuer}/device`);
    expect(await server.admin.events()).toHaveLength(before);
    const { rows } = await server.admin.pool.query(
      `select max(expires_at) <= now() + interval '1 hour' as short from state.entries
       where model = 'Session' and lookup not in (select uid from ${READ_SCHEMA}.sessions)`,
    );
    expect(rows).toEqual([{ short: true }]);
  });

  // The last one, for it uses the tries of this address up.
  test('guessing ends after some tries', async () => {
    const browser = newBrowser(server);
    let page = await browser.open(`${server.issuer}/device`);
    let tries = 0;
    for (; page.status !== 429 && tries < 30; tries++) {
      page = await browser.press(page, '=', { type: { user_code: `DDDD-DDDD` } });
    }
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(25);
    expect(page.text).toContain('There were too many requests.');
  });
});

/** A device asked, and the time it was given is over. */
const askedLongAgo: Command<
  { clientId: string; device_code: string; user_code: string },
  object
> = async ({ execute, secrets }, { clientId, device_code, user_code }, envelope) => {
  const code = digest(device_code);
  const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  const request = {
    digest: code,
    clientId,
    scopes: ['openid'],
    requestedAt: at(-11),
    expiresAt: at(-1),
    interval: 5,
    parameters: {},
  };
  const { position } = await execute(
    [act(deviceAuthorization, code, [{ type: 'RequestDeviceAuthorization', data: request }])],
    envelope,
    [
      {
        op: 'put',
        model: 'UserCode',
        id: secrets.keyedDigest('user-code', user_code.replace('-', '')),
        lookup: null,
        payload: secrets.seal('UserCode', JSON.stringify({ digest: code, params: {} })),
        expiresAt: at(9),
      },
    ],
  );
  return { position };
};
