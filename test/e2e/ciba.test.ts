import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { changeClientPermissions } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { ADMIN_CLIENT } from '../../src/commands/seed/seed.ts';
import { changeBackchannelCode, disableUser } from '../../src/commands/users.ts';
import { backchannelRequest } from '../../src/domain/backchannel-request.ts';
import { consent } from '../../src/domain/consent.ts';
import { act } from '../../src/eventstore/execute.ts';
import { digest, randomToken } from '../../src/platform/secrets.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import type { Person } from '../support/admin.ts';
import { adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { Page, UserAgent } from '../support/user-agent.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';
const PERMISSIONS = { grantTypes: [CIBA, 'refresh_token'], responseTypes: [], scopes: ['*'] };
const TILL = {
  displayName: 'Harbour Till',
  redirectUris: [],
  permissions: PERMISSIONS as never,
};

describe.each(ENGINES)('CIBA with openid-client, on %s', (engine) => {
  let server: TestServer;
  let receiver: Receiver;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    receiver = await startReceiver();
    server = await startTestServer({
      engine,
      nodes: engine === 'postgres' ? 2 : 1,
      env: { ALLOWED_PRIVATE_HOSTS: '127.0.0.1' },
    });
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client(TILL));
  });
  afterAll(async () => {
    await server?.stop();
    await receiver?.close();
  });

  const ask = (parameters: Record<string, string> = {}, by = app) =>
    oidc.initiateBackchannelAuthentication(by.config, {
      scope: 'openid email offline_access',
      ...('id_token_hint' in parameters ? {} : { login_hint: person.username }),
      ...parameters,
    });

  type Asked = Awaited<ReturnType<typeof ask>>;

  /** Waits as the client library does, but not as long: what it asks for has been decided. */
  const poll = (asked: Asked, by = app) =>
    oidc.pollBackchannelAuthenticationGrant(by.config, { ...asked, interval: 0.001 });

  /** Asks once, whatever the answer. */
  const pollOnce = ({ auth_req_id }: Pick<Asked, 'auth_req_id'>, by = app) =>
    oidc.genericGrantRequest(by.config, CIBA, { auth_req_id });

  /** To the page of waiting requests, by the sign-in page if need be. */
  const visit = async (browser: UserAgent, { username, password }: Person): Promise<Page> => {
    const page = await browser.open(`${server.issuer}/requests`);
    if (page.name !== 'sign-in') return page;
    return browser.press(page, '_action=sign-in', { type: { username, password } });
  };

  const decide = async (asked: Asked, how: 'approve' | 'deny' = 'approve', who = person) => {
    const browser = newBrowser(server);
    return browser.press(await visit(browser, who), `${how}=${digest(asked.auth_req_id)}`);
  };

  const factsOf = async ({ auth_req_id }: Pick<Asked, 'auth_req_id'>) =>
    (await server.admin.store.read(`ciba-${digest(auth_req_id)}`)).map(({ type }) => type);

  test('discovery names its endpoint, its grant type and its modes', () => {
    expect(app.config.serverMetadata()).toMatchObject({
      backchannel_authentication_endpoint: `${server.issuer}/connect/ciba`,
      backchannel_token_delivery_modes_supported: ['poll', 'ping'],
      backchannel_user_code_parameter_supported: true,
      grant_types_supported: expect.arrayContaining([CIBA]),
    });
  });

  test('a person signs in, sees who asks and what for, says yes, and the client learns who they are', async () => {
    const claims = JSON.stringify({ id_token: { auth_time: { essential: true } } });
    const asked = await ask({ binding_message: 'Till 7, 12.50', claims });
    expect(asked).toEqual({ auth_req_id: expect.any(String), expires_in: 600, interval: 5 });
    const browser = newBrowser(server);
    const page = await visit(browser, person);
    expect(page.name).toBe('requests');
    for (const shown of ['Ada Byron', 'Harbour Till', 'Till 7, 12.50', 'Your e-mail address']) {
      expect(page.text).toContain(shown);
    }
    const done = await browser.press(page, `approve=${digest(asked.auth_req_id)}`);
    expect(done.text).toContain('You have allowed it.');
    expect(done.text).not.toContain('Till 7, 12.50');

    const tokens = await poll(asked);
    expect(tokens.claims()).toMatchObject({
      sub: person.sub,
      aud: app.registered.clientId,
      auth_time: expect.any(Number),
    });
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub)).toMatchObject({
      email: person.claims.email,
    });
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(await app.isActive(refreshed.access_token)).toBe(true);
    expect(await factsOf(asked)).toEqual([
      'BackchannelAuthenticationRequested',
      'BackchannelAuthenticationApproved',
      'BackchannelRequestRedeemed',
    ]);
  });

  test('who is signed in already is not asked again, and signs in here for all clients', async () => {
    const web = await ClientApp.connect(server, await server.admin.client());
    const browser = newBrowser(server);
    await visit(browser, person);
    expect((await visit(browser, person)).name).toBe('requests');
    const { pages, tokens } = await web.signIn(browser, person);
    expect(pages).toEqual(['consent']);
    expect(tokens.claims()?.sub).toBe(person.sub);
  });

  test('the log and the rows hold nothing of what was handed out or is known of the person', async () => {
    const message = 'Tomorrow, twelve thirty';
    const asked = await ask({ binding_message: message });
    await decide(asked);
    await poll(asked);
    const { rows: shown } = await server.admin.pool.query(
      `select * from ${READ_SCHEMA}.backchannel_requests`,
    );
    const { rows } = await server.admin.pool.query('select * from state.entries');
    const written = JSON.stringify([await server.admin.events(), rows, shown, server.output()]);
    expect(shown.length).toBeGreaterThan(0);
    for (const secret of [
      asked.auth_req_id,
      message,
      person.username,
      'client_notification_token',
    ]) {
      expect(written).not.toContain(secret);
    }
  });

  test('the person is told, by the log unless there is another way', async () => {
    const somebody = await server.admin.person();
    await ask({ login_hint: somebody.username });
    const line = await eventually('a line in the log', async () =>
      server
        .output()
        .split('\n')
        .find((each) => each.includes('a client waits') && each.includes(somebody.sub)),
    );
    expect(JSON.parse(line)).toMatchObject({ url: `${server.issuer}/requests` });
  });

  describe('a request', () => {
    test('is pending until the person has decided; polling too fast is told to slow down, by any node', async () => {
      const asked = await ask();
      const other = await ClientApp.connect(server, app.registered, { node: server.nodes[1] });
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'authorization_pending' });
      await expect(pollOnce(asked, other)).rejects.toMatchObject({ error: 'slow_down' });
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'slow_down' });
      await decide(asked);
      expect((await poll(asked)).claims()?.sub).toBe(person.sub);
    });

    test('that the person refuses is refused, each time it is asked for', async () => {
      const asked = await ask();
      expect((await decide(asked, 'deny')).text).toContain('You have refused it.');
      await expect(poll(asked)).rejects.toMatchObject({ error: 'access_denied' });
      await expect(poll(asked)).rejects.toMatchObject({ error: 'access_denied' });
      expect(await factsOf(asked)).toEqual([
        'BackchannelAuthenticationRequested',
        'BackchannelAuthenticationDenied',
      ]);
    });

    test('is redeemed by one of twenty at once', async () => {
      const asked = await ask();
      await decide(asked);
      const other = await ClientApp.connect(server, app.registered, { node: server.nodes[1] });
      const all = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) => pollOnce(asked, n % 2 ? other : app)),
      );
      const won = all.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      const lost = all.flatMap((each) => (each.status === 'rejected' ? [each.reason.error] : []));
      expect(won).toHaveLength(1);
      expect(lost).toEqual(Array(19).fill('invalid_grant'));
      const facts = await factsOf(asked);
      expect(facts.filter((type) => type === 'BackchannelRequestRedeemed')).toHaveLength(1);
      expect(await app.isActive(won[0]?.access_token)).toBe(true);
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'invalid_grant' });
    });

    test('of another client, or made up, is nothing', async () => {
      const other = await ClientApp.connect(server, await server.admin.client(TILL));
      const asked = await ask();
      await decide(asked);
      await expect(pollOnce(asked, other)).rejects.toMatchObject({ error: 'invalid_grant' });
      for (const auth_req_id of ['made-up', digest(asked.auth_req_id)]) {
        await expect(pollOnce({ auth_req_id })).rejects.toMatchObject({ error: 'invalid_grant' });
      }
      expect((await poll(asked)).claims()?.sub).toBe(person.sub);
    });

    test('lasts as long as the client wants, within limits', async () => {
      for (const [wanted, given] of [
        ['120', 120],
        ['1', 30],
        ['99999', 1800],
      ] as const) {
        expect((await ask({ requested_expiry: wanted })).expires_in).toBe(given);
      }
      await expect(ask({ requested_expiry: 'soon' })).rejects.toMatchObject({
        error: 'invalid_request',
      });
    });

    test('that has run out is told so, and cannot be decided', async () => {
      const auth_req_id = 'long-gone';
      const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
      const request = {
        digest: digest(auth_req_id),
        clientId: app.registered.clientId,
        sub: person.sub,
        scopes: ['openid'],
        allowance: { scopes: ['openid'], claims: [], resources: {} },
        bindingMessage: null,
        requestedAt: at(-20),
        expiresAt: at(-10),
        interval: 5,
        parameters: {},
      };
      await server.admin.execute(
        [
          act(backchannelRequest, request.digest, [
            { type: 'RequestBackchannelAuthentication', data: request },
          ]),
        ],
        systemEnvelope(),
      );
      await expect(pollOnce({ auth_req_id })).rejects.toMatchObject({ error: 'expired_token' });
      expect((await visit(newBrowser(server), person)).html).not.toContain(request.digest);
    });
  });

  describe('the person', () => {
    test('may be named by an ID token of theirs', async () => {
      const first = await ask();
      await decide(first);
      const { id_token = '' } = await poll(first);
      const asked = await ask({ id_token_hint: id_token });
      await decide(asked);
      expect((await poll(asked)).claims()?.sub).toBe(person.sub);
    });

    test('whom nobody knows, or who may not sign in, is unknown', async () => {
      const gone = await server.admin.person();
      await server.admin.run(disableUser, { sub: gone.sub });
      for (const login_hint of ['nobody-by-this-name', gone.username]) {
        await expect(ask({ login_hint })).rejects.toMatchObject({ error: 'unknown_user_id' });
      }
    });

    test('gets no tokens once disabled', async () => {
      const leaving = await server.admin.person();
      const asked = await ask({ login_hint: leaving.username });
      await decide(asked, 'approve', leaving);
      await server.admin.run(disableUser, { sub: leaving.sub });
      await expect(pollOnce(asked)).rejects.toMatchObject({ error: 'invalid_grant' });
    });

    test('is named in one way, and not by a login_hint_token', async () => {
      const ways: Record<string, string>[] = [
        { login_hint: '', login_hint_token: 'token' },
        { login_hint_token: 'token' },
        { login_hint: '' },
      ];
      for (const way of ways) {
        await expect(ask(way)).rejects.toMatchObject({ error: 'invalid_request' });
      }
    });

    test('sees nothing of what others are asked for, and decides nothing of it', async () => {
      const asked = await ask();
      const curious = await server.admin.person();
      const browser = newBrowser(server);
      const theirs = await ask({ login_hint: curious.username });
      const page = await visit(browser, curious);
      expect(page.html).not.toContain(digest(asked.auth_req_id));
      const form = page.formOf(`approve=${digest(theirs.auth_req_id)}`);
      const button = { ...form.button, value: digest(asked.auth_req_id) };
      const forged = Object.assign(Object.create(page), { formOf: () => ({ ...form, button }) });
      const refused = await browser.press(forged, 'approve');
      expect(refused.text).toContain('has been decided before, or has run out');
      expect(await factsOf(asked)).toEqual(['BackchannelAuthenticationRequested']);
    });

    test('decides by the server’s own form only', async () => {
      const asked = await ask();
      const button = `approve=${digest(asked.auth_req_id)}`;
      const page = await visit(newBrowser(server), person);
      const other = newBrowser(server);
      await visit(other, person);
      for (const browser of [other, newBrowser(server)]) {
        const refused = await browser.press(page, button);
        expect([refused.name, refused.status]).toEqual(['error', 403]);
      }
      expect(await factsOf(asked)).toEqual(['BackchannelAuthenticationRequested']);
    });

    test('who mistypes the password tries again on the same page', async () => {
      const browser = newBrowser(server);
      const page = await browser.open(`${server.issuer}/requests`);
      const { username, password } = person;
      const again = await browser.press(page, '_action=sign-in', {
        type: { username, password: 'not this one' },
      });
      expect([again.name, again.status]).toEqual(['sign-in', 422]);
      const done = await browser.press(again, '_action=sign-in', { type: { username, password } });
      expect(done.name).toBe('requests');
    });

    test('is not asked again and again', async () => {
      const pestered = await server.admin.person();
      const answers = await Promise.all(
        Array.from({ length: 35 }, () =>
          post(
            server,
            '/connect/ciba',
            { scope: 'openid', login_hint: pestered.username },
            { client: app.registered },
          ),
        ),
      );
      const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length;
      expect([count(200), count(429)]).toEqual([30, 5]);
    });
  });

  describe('a client that wants to be told', () => {
    /** One with an address of its own. */
    const register = async () => {
      const path = `/ciba/${randomToken(6)}`;
      const ciba = { deliveryMode: 'ping', notificationEndpoint: receiver.origin + path } as const;
      const client = await ClientApp.connect(server, await server.admin.client({ ...TILL, ciba }));
      return { client, path };
    };

    const told = (path: string) =>
      eventually('the client is told', async () =>
        receiver.at(path).find(({ status }) => status === 200),
      );

    test('is told of a yes and of a no, under the token it gave, and fetches its answer', async () => {
      for (const how of ['approve', 'deny'] as const) {
        const { client, path } = await register();
        const token = randomToken();
        const asked = await ask({ client_notification_token: token }, client);
        await decide(asked, how);
        const { method, headers, body } = await told(path);
        expect({ method, body: JSON.parse(body) }).toEqual({
          method: 'POST',
          body: { auth_req_id: asked.auth_req_id },
        });
        expect(headers).toMatchObject({
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
        });
        if (how === 'approve') expect((await poll(asked, client)).claims()?.sub).toBe(person.sub);
        else await expect(poll(asked, client)).rejects.toMatchObject({ error: 'access_denied' });
        const { rows } = await server.admin.pool.query('select * from state.entries');
        const written = JSON.stringify([rows, await server.admin.events(), server.output()]);
        expect(written).not.toContain(token);
        expect(written).not.toContain(asked.auth_req_id);
      }
    });

    test('is told again until it listens, and after a crash', async () => {
      const { client, path } = await register();
      receiver.answer(path, 503);
      const asked = await ask({ client_notification_token: randomToken() }, client);
      await decide(asked);
      await Promise.all(server.nodes.map((node) => node.kill('SIGKILL')));
      await Promise.all(server.nodes.map((node) => node.restart()));
      await told(path);
      expect((await poll(asked, client)).claims()?.sub).toBe(person.sub);
    });

    test('gives a token to be told under', async () => {
      const { client } = await register();
      await expect(ask({}, client)).rejects.toMatchObject({ error: 'invalid_request' });
    });

    test('needs an address', async () => {
      const ciba = { deliveryMode: 'ping' } as const;
      await expect(server.admin.client({ ...TILL, ciba })).rejects.toMatchObject({
        code: 'invalid',
        detail: { field: 'ciba.notificationEndpoint' },
      });
    });
  });

  describe('the Admin API', () => {
    const LIST = `query ($filter: AuthorizationFilter) {
      backchannelRequests(filter: $filter) {
        nodes { requestId status bindingMessage scopes decidedBy client { clientId } user { sub } }
      }
    }`;
    const decideBy = (mutation: string, extra = '') =>
      `mutation ($id: String!) { ${mutation}(input: { requestId: $id ${extra} }) {
        backchannelRequest { status decidedBy } userErrors { code field }
      } }`;

    test('lists what people are asked for, and what became of it', async () => {
      const api = await adminApi(server);
      const somebody = await server.admin.person();
      const asked = await ask({ login_hint: somebody.username, binding_message: 'Till 7' });
      const filter = { sub: somebody.sub, clientId: app.registered.clientId };
      const shown = {
        requestId: digest(asked.auth_req_id),
        status: 'PENDING',
        bindingMessage: 'Till 7',
        scopes: ['openid', 'email', 'offline_access'],
        decidedBy: null,
        client: { clientId: app.registered.clientId },
        user: { sub: somebody.sub },
      };
      expect(await api.call(LIST, { filter })).toEqual({ nodes: [shown] });
      const withStatus = (status: string) => api.call(LIST, { filter: { ...filter, status } });
      expect((await withStatus('PENDING')).nodes).toHaveLength(1);
      expect((await withStatus('APPROVED')).nodes).toEqual([]);
      await decide(asked, 'approve', somebody);
      expect((await withStatus('APPROVED')).nodes).toMatchObject([{ decidedBy: 'USER' }]);
      await poll(asked);
      expect((await withStatus('REDEEMED')).nodes).toHaveLength(1);
      expect((await withStatus('PENDING')).nodes).toEqual([]);
    });

    test('tells for a person what they said elsewhere, once', async () => {
      const api = await adminApi(server);
      const [yes, no] = [await ask(), await ask()];
      const approve = decideBy('backchannelRequestApprove', 'amr: ["sms"] acr: "house:sms"');
      const deny = decideBy('backchannelRequestDeny');
      const of = ({ auth_req_id }: Asked) => ({ id: digest(auth_req_id) });
      expect(await api.call(approve, of(yes))).toMatchObject({
        backchannelRequest: { status: 'APPROVED', decidedBy: 'ADMINISTRATOR' },
      });
      await api.call(deny, of(no));
      await expect(api.call(approve, of(no))).rejects.toThrow('CONFLICT');
      await expect(api.call(approve, { id: digest('nothing') })).rejects.toThrow('NOT_FOUND');
      expect((await poll(yes)).claims()?.sub).toBe(person.sub);
      await expect(poll(no)).rejects.toMatchObject({ error: 'access_denied' });
    });

    test('lets nobody tell so for a scope of this API that they do not hold', async () => {
      const asked = await ask({ scope: 'openid admin:users:write' });
      const { body } = await post(
        server,
        '/connect/token',
        { grant_type: 'client_credentials', scope: 'admin:requests:write admin:requests:read' },
        { client: { clientId: ADMIN_CLIENT, secret: server.adminClientSecret } },
      );
      const api = await adminApi(server);
      const query = decideBy('backchannelRequestApprove');
      const variables = { id: digest(asked.auth_req_id) };
      const refused = await api.send(JSON.stringify({ query, variables }), {
        authorization: `Bearer ${body.access_token}`,
      });
      expect(JSON.stringify(refused.body)).toContain('FORBIDDEN');
      expect(await factsOf(asked)).toEqual(['BackchannelAuthenticationRequested']);
    });

    test('lists device authorizations as well', async () => {
      const api = await adminApi(server);
      const grantTypes = ['urn:ietf:params:oauth:grant-type:device_code' as const];
      const registered = await server.admin.client({
        ...TILL,
        permissions: { ...PERMISSIONS, grantTypes } as never,
      });
      const device = await ClientApp.connect(server, registered);
      await oidc.initiateDeviceAuthorization(device.config, { scope: 'openid' });
      const filter = { clientId: registered.clientId, status: 'PENDING' };
      const query = `query ($filter: AuthorizationFilter) {
        deviceAuthorizations(filter: $filter) { totalCount nodes { status sub scopes } }
      }`;
      expect(await api.call(query, { filter })).toEqual({
        totalCount: 1,
        nodes: [{ status: 'PENDING', sub: null, scopes: ['openid'] }],
      });
    });
  });

  describe('the client', () => {
    test('may say what the person shall compare, in one line of plain text', async () => {
      for (const binding_message of ['two\nlines', 'x'.repeat(101), 'back\u202ewards']) {
        await expect(ask({ binding_message })).rejects.toMatchObject({
          error: 'invalid_binding_message',
        });
      }
    });

    test('needs the grant type, from its next request on', async () => {
      const registered = await server.admin.client(TILL);
      const client = await ClientApp.connect(server, registered);
      await ask({}, client);
      await server.admin.run(changeClientPermissions, {
        clientId: registered.clientId,
        permissions: { grantTypes: ['client_credentials'], responseTypes: [], scopes: ['*'] },
      });
      await expect(ask({}, client)).rejects.toMatchObject({ error: 'invalid_request' });
    });

    test('that is to sign its requests may not do without', async () => {
      const { publicKey, privateKey } = await generateKeyPair('ES256');
      const registered = await server.admin.client({
        ...TILL,
        authenticationMethod: 'client_secret_basic',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] },
        ciba: { requestSigningAlg: 'ES256' },
      });
      const client = await ClientApp.connect(server, registered);
      await expect(ask({}, client)).rejects.toMatchObject({ error: 'invalid_request' });
      const request = await new SignJWT({ scope: 'openid', login_hint: person.username })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(registered.clientId)
        .setAudience(server.issuer)
        .setIssuedAt()
        .setNotBefore('0 s')
        .setExpirationTime('5 min')
        .setJti('request-1')
        .sign(privateKey);
      const { body } = await post(server, '/connect/ciba', { request }, { client: registered });
      const asked = body as unknown as Asked;
      await decide(asked);
      expect((await poll(asked, client)).claims()?.sub).toBe(person.sub);
    });

    test('may ask for exactly what it will do, which is shown, sealed, and in the token', async () => {
      const BANK = 'https://bank.example';
      await server.admin.run(defineApiResource, {
        identifier: BANK,
        displayName: 'The bank',
        authorizationDetailTypes: [{ type: 'payment', displayName: 'Payment' }],
      });
      const permissions = { ...PERMISSIONS, authorizationDetailTypes: ['payment'] } as never;
      const registered = await server.admin.client({ ...TILL, permissions });
      const client = await ClientApp.connect(server, registered);
      const payment = { type: 'payment', amount: '12.50', to: 'DE02100100109307118603' };
      const parameters = { resource: BANK, authorization_details: JSON.stringify([payment]) };
      const asked = (await eventually('the server knows of the type', () =>
        ask(parameters, client).catch(() => undefined),
      )) as Asked;
      const page = await visit(newBrowser(server), person);
      for (const shown of ['Payment', 'The bank', payment.to]) expect(page.text).toContain(shown);
      await decide(asked);
      const tokens = await poll(asked, client);
      expect(await oidc.tokenIntrospection(client.config, tokens.access_token)).toMatchObject({
        aud: BANK,
        authorization_details: [payment],
      });
      const { rows } = await server.admin.pool.query(
        `select * from ${READ_SCHEMA}.backchannel_requests`,
      );
      expect(JSON.stringify([rows, await server.admin.events()])).not.toContain(payment.to);
    });

    test('that takes user codes sends that of a person who has one, and cannot guess it', async () => {
      const ciba = { userCodeParameter: true };
      const client = await ClientApp.connect(server, await server.admin.client({ ...TILL, ciba }));
      const careful = await server.admin.person();
      const login_hint = careful.username;
      const askWith = (user_code?: string, by = client) =>
        ask({ login_hint, ...(user_code ? { user_code } : {}) }, by);
      await askWith();
      const { sub } = careful;
      await server.admin.run(changeBackchannelCode, { sub, code: '4711' });
      await askWith('4711');
      await expect(askWith()).rejects.toMatchObject({ error: 'missing_user_code' });
      const guesses = Array.from({ length: 10 }, (_, n) => askWith(`000${n}`));
      for (const each of await Promise.allSettled(guesses)) {
        expect(each).toMatchObject({ reason: { error: 'invalid_user_code' } });
      }
      await expect(askWith('4711')).rejects.toMatchObject({ status: 429 });
      await askWith(undefined, app);
    });

    test('whose consent is given elsewhere gets what was given there', async () => {
      const registered = await server.admin.client({ ...TILL, consentType: 'external' });
      const client = await ClientApp.connect(server, registered);
      await expect(ask({}, client)).rejects.toMatchObject({ error: 'access_denied' });
      const { clientId } = registered;
      const given = { scopes: ['openid', 'email', 'offline_access'], claims: [], resources: {} };
      await server.admin.execute(
        [
          act(consent, `${person.sub}.${clientId}`, [
            { type: 'GrantConsent', data: { sub: person.sub, clientId, ...given } },
          ]),
        ],
        systemEnvelope(),
      );
      const asked = await ask({}, client);
      await decide(asked);
      expect((await poll(asked, client)).claims()?.sub).toBe(person.sub);
    });

    test('cannot find out who is known here', async () => {
      const client = await server.admin.client(TILL);
      const guess = (login_hint: string) =>
        post(server, '/connect/ciba', { scope: 'openid', login_hint }, { client });
      await Promise.all(Array.from({ length: 50 }, (_, n) => guess(`guess-${n}`)));
      expect(await guess('one-more')).toMatchObject({ status: 429 });
      expect(await guess(person.username)).toMatchObject({ status: 429 });
    });
  });
});
