import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  type ClientRegistrationInput,
  changeClientPermissions,
  changeClientTokenExchangePolicy,
  disableClient,
  enableClient,
} from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { disableUser } from '../../src/commands/users.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const ORDERS = 'https://orders.example';
const BILLS = 'https://bills.example';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

type Parameters = Readonly<Record<string, string>>;

describe.each(ENGINES)('token exchange, on %s', (engine) => {
  let server: TestServer;
  /** What people sign in to. */
  let shop: ClientApp;
  /** The API that the shop calls, and that calls on for people. */
  let orders: ClientApp;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, { identifier: ORDERS, displayName: 'Orders' });
    await admin.run(defineApiResource, {
      identifier: BILLS,
      displayName: 'Bills',
      tokenPolicy: { accessTokenFormat: 'jwt' },
    });
    const scopes = {
      'orders:read': [ORDERS],
      'orders:write': [ORDERS],
      'bills:read': [BILLS],
      'all:read': [ORDERS, BILLS],
    };
    for (const [name, resources] of Object.entries(scopes)) {
      await admin.run(defineScope, { name, displayName: name, resources });
    }
    person = await admin.person();
    shop = await connect({});
    orders = await connect({
      ...api(['orders:read', 'all:read']),
      tokenPolicy: { accessTokenLifetime: 86_400 },
    });
    await eventually('the server knows of the last scope', async () => {
      const asked = { grant_type: 'client_credentials', scope: 'all:read', resource: BILLS };
      const answer = await post(server, '/connect/token', asked, { client: orders.registered });
      return answer.status === 200;
    });
  });
  afterAll(() => server?.stop());

  const connect = async (input?: Partial<ClientRegistrationInput>, options = {}) =>
    ClientApp.connect(server, await server.admin.client(input), options);

  const api = (scopes: string[]): Partial<ClientRegistrationInput> => ({
    redirectUris: [],
    postLogoutRedirectUris: [],
    permissions: {
      grantTypes: ['client_credentials', TOKEN_EXCHANGE],
      responseTypes: [],
      scopes,
    },
  });

  /** A token of the person's for the orders API, as the shop gets it. */
  const subjectToken = async (
    scope = 'openid orders:read orders:write all:read',
    resource = ORDERS,
    who = person,
  ) => {
    const { url, checks } = await shop.request({ scope, resource });
    const browser = newBrowser(server);
    const { tokens } = await shop.answer(browser, url, checks, who, { resource });
    return tokens.access_token;
  };

  const exchange = (app: ClientApp, token: string, parameters: Parameters = {}, options = {}) =>
    oidc.genericGrantRequest(
      app.config,
      TOKEN_EXCHANGE,
      { subject_token: token, subject_token_type: ACCESS_TOKEN, ...parameters },
      options,
    );

  const told = (token: string) => oidc.tokenIntrospection(shop.config, token);

  const issuedFor = async (token: string) =>
    (await server.admin.events()).find(
      ({ type, data }) =>
        type === 'AccessTokenIssued' && 'digest' in data && data.digest === digest(token),
    );

  const actorToken = async (app: ClientApp) => ({
    actor_token: (await oidc.clientCredentialsGrant(app.config)).access_token,
    actor_token_type: ACCESS_TOKEN,
  });

  describe('impersonation', () => {
    test('gives an API a token of its own to act for the person with', async () => {
      const subject = await subjectToken();
      const tokens = await exchange(orders, subject);
      expect(tokens).toMatchObject({
        token_type: 'bearer',
        issued_token_type: ACCESS_TOKEN,
        scope: 'orders:read all:read',
      });
      expect(tokens).not.toHaveProperty('refresh_token');
      const before = await told(subject);
      const after = await told(tokens.access_token);
      expect(after).toMatchObject({
        active: true,
        sub: person.sub,
        client_id: orders.registered.clientId,
        aud: ORDERS,
        scope: 'orders:read all:read',
        auth_time: before.auth_time,
        amr: ['pwd'],
      });
      expect(after).not.toHaveProperty('act');
      expect(Number(after.exp)).toBeLessThanOrEqual(Number(before.exp));
    });

    test('is recorded in the grant of the token it began with', async () => {
      const subject = await subjectToken();
      const { access_token } = await exchange(orders, subject, { scope: 'orders:read' });
      const issued = await issuedFor(access_token);
      expect(issued?.stream).toBe((await issuedFor(subject))?.stream);
      expect(issued?.data).toMatchObject({
        exchangedFrom: digest(subject),
        clientId: orders.registered.clientId,
        scopes: ['orders:read'],
      });
      expect(issued?.metadata.actor).toEqual({ type: 'client', id: orders.registered.clientId });
    });

    test('reaches another resource as far as the person allowed it there', async () => {
      const { url, checks } = await shop.request({ scope: 'openid all:read', resource: ORDERS });
      url.searchParams.append('resource', BILLS);
      const resource = { resource: ORDERS };
      const { tokens } = await shop.answer(newBrowser(server), url, checks, person, resource);
      const { access_token } = await exchange(orders, tokens.access_token, { audience: BILLS });
      expect(decodeJwt(access_token)).toMatchObject({
        aud: BILLS,
        sub: person.sub,
        client_id: orders.registered.clientId,
        scope: 'all:read',
      });
      expect(await told(access_token)).toMatchObject({ active: true, aud: BILLS });
    });

    test('takes a JWT, and lets a client exchange what it was given itself', async () => {
      const own = await connect({
        permissions: {
          grantTypes: ['authorization_code', TOKEN_EXCHANGE],
          responseTypes: ['code'],
          scopes: ['*'],
        },
      });
      const { tokens } = await own.signIn(newBrowser(server), person, {
        scope: 'openid bills:read all:read',
        resource: BILLS,
      });
      const { access_token } = await exchange(own, tokens.access_token, {
        scope: 'all:read',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      });
      expect(decodeJwt(access_token)).toMatchObject({ aud: BILLS, scope: 'all:read' });

      const { tokens: plain } = await own.signIn(newBrowser(server), person, {
        scope: 'openid email',
      });
      const less = await exchange(own, plain.access_token, { scope: 'openid' });
      expect(await oidc.fetchUserInfo(own.config, less.access_token, person.sub)).toEqual({
        sub: person.sub,
      });
    });
  });

  describe('delegation', () => {
    test('says who acts, and who acted before', async () => {
      const first = await exchange(orders, await subjectToken(), await actorToken(orders));
      const act = { sub: orders.registered.clientId };
      expect(await told(first.access_token)).toMatchObject({ sub: person.sub, act });

      const stock = await connect(api(['orders:read']));
      const second = await exchange(stock, first.access_token, await actorToken(stock));
      expect(await told(second.access_token)).toMatchObject({
        client_id: stock.registered.clientId,
        scope: 'orders:read',
        act: { sub: stock.registered.clientId, act },
      });
      const third = await exchange(orders, second.access_token);
      expect(await told(third.access_token)).toMatchObject({
        client_id: orders.registered.clientId,
        act: { sub: stock.registered.clientId, act },
      });
    });

    test('says which person acts, by means of the client', async () => {
      const desk = await connect({
        permissions: {
          grantTypes: ['authorization_code', TOKEN_EXCHANGE],
          responseTypes: ['code'],
          scopes: ['openid', 'orders:read'],
        },
      });
      const clerk = await server.admin.person();
      const { tokens } = await desk.signIn(newBrowser(server), clerk, { scope: 'openid' });
      const { access_token } = await exchange(desk, await subjectToken(), {
        actor_token: tokens.access_token,
        actor_token_type: ACCESS_TOKEN,
      });
      expect(await told(access_token)).toMatchObject({
        sub: person.sub,
        act: { sub: clerk.sub, client_id: desk.registered.clientId },
      });
    });

    test('is refused with a token that is not of the client itself', async () => {
      const subject = await subjectToken();
      const foreign: Parameters[] = [
        await actorToken(shop),
        { actor_token: subject, actor_token_type: ACCESS_TOKEN },
        { actor_token: 'no such token', actor_token_type: ACCESS_TOKEN },
        { actor_token: (await actorToken(orders)).actor_token },
        { actor_token_type: ACCESS_TOKEN },
      ];
      for (const parameters of foreign) {
        await expect(exchange(orders, subject, parameters)).rejects.toMatchObject({
          error: 'invalid_request',
        });
      }
    });
  });

  describe('of one client, by its policy,', () => {
    const limited = async (policy: NonNullable<ClientRegistrationInput['tokenExchange']>) => {
      const app = await connect(api(['orders:read', 'all:read']));
      const { clientId } = app.registered;
      await server.admin.run(changeClientTokenExchangePolicy, { clientId, tokenExchange: policy });
      return app;
    };

    test('is delegation alone, or impersonation alone', async () => {
      const [delegates, impersonates] = [
        await limited({ impersonation: false }),
        await limited({ delegation: false }),
      ];
      const subject = await subjectToken();
      await expect(exchange(delegates, subject)).rejects.toMatchObject({
        error: 'invalid_request',
        error_description: 'impersonation is not allowed for this client',
      });
      await exchange(delegates, subject, await actorToken(delegates));
      await exchange(impersonates, subject);
      await expect(
        exchange(impersonates, subject, await actorToken(impersonates)),
      ).rejects.toMatchObject({ error_description: 'delegation is not allowed for this client' });
    });

    test('is for the resources named, and no other', async () => {
      const app = await limited({ resources: [BILLS] });
      const subject = await subjectToken('openid all:read', ORDERS);
      await expect(exchange(app, subject)).rejects.toMatchObject({ error: 'invalid_target' });
    });

    test('is done once for each subject token, by one of twenty at once', async () => {
      const app = await limited({ once: true });
      const subject = await subjectToken();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () => exchange(app, subject)),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await expect(exchange(app, subject)).rejects.toMatchObject({ error: 'invalid_request' });
      await exchange(app, await subjectToken());
      await exchange(orders, subject);
    });
  });

  describe('refuses', () => {
    test('a client that is not permitted it', async () => {
      await expect(exchange(shop, await subjectToken())).rejects.toMatchObject({
        error: 'invalid_request',
        error_description: 'requested grant type is not allowed for this client',
      });
    });

    test('a client from the moment the permission is taken from it', async () => {
      const stock = await connect(api(['orders:read']));
      const subject = await subjectToken();
      await exchange(stock, subject);
      const { clientId } = stock.registered;
      const { permissions } = api(['orders:read']);
      await server.admin.run(changeClientPermissions, {
        clientId,
        permissions: {
          responseTypes: [],
          scopes: permissions?.scopes ?? [],
          grantTypes: ['client_credentials'],
        },
      });
      await expect(exchange(stock, subject)).rejects.toMatchObject({ error: 'invalid_request' });
    });

    test('the permission itself to a public client', async () => {
      await expect(
        connect({
          clientType: 'public',
          permissions: {
            grantTypes: ['authorization_code', TOKEN_EXCHANGE],
            responseTypes: ['code'],
            scopes: ['*'],
          },
        }),
      ).rejects.toMatchObject({ code: 'invalid', detail: { field: 'permissions.grantTypes' } });
    });

    test('a token of another client for a resource that is not the caller’s, even with the scope *', async () => {
      const foreign = [await connect(api(['bills:read'])), await connect(api(['*']))];
      const subject = await subjectToken();
      for (const app of foreign) {
        await expect(exchange(app, subject)).rejects.toMatchObject({
          error: 'invalid_request',
          error_description: 'subject_token is not one that this client may exchange',
        });
      }
      const { tokens } = await shop.signIn(newBrowser(server), person, { scope: 'openid email' });
      await expect(exchange(orders, tokens.access_token)).rejects.toMatchObject({
        error: 'invalid_request',
      });
    });

    test('a token that is not a live access token of a person', async () => {
      const revoked = await subjectToken();
      await oidc.tokenRevocation(shop.config, revoked);
      const { access_token: ofAClient } = await oidc.clientCredentialsGrant(shop.config, {
        scope: 'orders:read',
      });
      for (const token of [revoked, ofAClient, 'no such token']) {
        await expect(exchange(orders, token)).rejects.toMatchObject({ error: 'invalid_request' });
      }
    });

    test('types of tokens other than access tokens', async () => {
      const subject = await subjectToken();
      const saml = 'urn:ietf:params:oauth:token-type:saml2';
      for (const parameter of ['subject_token_type', 'requested_token_type']) {
        await expect(exchange(orders, subject, { [parameter]: saml })).rejects.toMatchObject({
          error: 'invalid_request',
        });
      }
    });

    test('a scope the token has not, or the client may not have', async () => {
      const subject = await subjectToken('openid orders:read');
      for (const scope of ['orders:read orders:write', 'orders:write', 'all:read', 'no:such']) {
        await expect(exchange(orders, subject, { scope })).rejects.toMatchObject({
          error: 'invalid_scope',
        });
      }
      const wide = await subjectToken();
      await expect(exchange(orders, wide, { scope: 'orders:write' })).rejects.toMatchObject({
        error: 'invalid_scope',
      });
    });

    test('an audience that there is not, or that the person did not allow', async () => {
      const subject = await subjectToken('openid orders:read all:read');
      const wrong: Parameters[] = [
        { audience: 'https://nobody.example' },
        { resource: 'not-a-uri' },
        { resource: BILLS },
        { resource: ORDERS, audience: BILLS },
        { audience: server.issuer },
      ];
      for (const parameters of wrong) {
        await expect(exchange(orders, subject, parameters)).rejects.toMatchObject({
          error: 'invalid_target',
        });
      }
    });

    test('a token bound to a key, without proof of the key', async () => {
      const bound = await connect({
        permissions: {
          grantTypes: ['authorization_code', TOKEN_EXCHANGE],
          responseTypes: ['code'],
          scopes: ['*'],
        },
      });
      const DPoP = oidc.getDPoPHandle(bound.config, await oidc.randomDPoPKeyPair('ES256'));
      const { tokens } = await bound.signIn(
        newBrowser(server),
        person,
        { scope: 'openid orders:read', resource: ORDERS },
        { DPoP },
      );
      for (const app of [bound, orders]) {
        await expect(exchange(app, tokens.access_token)).rejects.toMatchObject({
          error: 'invalid_grant',
        });
      }
      const exchanged = await exchange(bound, tokens.access_token, {}, { DPoP });
      expect(await told(exchanged.access_token)).toMatchObject({
        cnf: { jkt: await DPoP.calculateThumbprint() },
      });
    });
  });

  describe('an exchanged token ends', () => {
    test('with the grant it began with', async () => {
      const { tokens } = await shop.signIn(newBrowser(server), person, {
        scope: 'openid orders:read offline_access',
        resource: ORDERS,
      });
      const { access_token } = await exchange(orders, tokens.access_token);
      expect((await told(access_token)).active).toBe(true);
      await oidc.tokenRevocation(shop.config, tokens.refresh_token ?? '');
      expect((await told(access_token)).active).toBe(false);
      await expect(exchange(orders, access_token)).rejects.toMatchObject({
        error: 'invalid_request',
      });
    });

    test('when the person signs out of the session', async () => {
      const browser = newBrowser(server);
      const { tokens } = await shop.signIn(browser, person, {
        scope: 'openid orders:read',
        resource: ORDERS,
      });
      const { access_token } = await exchange(orders, tokens.access_token);
      const again = await exchange(orders, access_token);
      await shop.signOut(browser, { id_token_hint: tokens.id_token ?? '' });
      expect((await told(access_token)).active).toBe(false);
      expect((await told(again.access_token)).active).toBe(false);
    });

    test('with its own client, with that of the grant, and with the person', async () => {
      const doomed = await server.admin.person();
      const { access_token } = await exchange(
        orders,
        await subjectToken(undefined, ORDERS, doomed),
      );
      const isActive = async () => (await told(access_token)).active;
      const { clientId } = orders.registered;
      await server.admin.run(disableClient, { clientId, reason: 'test' });
      expect(await isActive()).toBe(false);
      await server.admin.run(enableClient, { clientId });
      expect(await isActive()).toBe(true);

      const other = { clientId: shop.registered.clientId };
      await server.admin.run(disableClient, { ...other, reason: 'test' });
      const asked = await oidc.tokenIntrospection(orders.config, access_token);
      expect(asked.active).toBe(false);
      await server.admin.run(enableClient, other);
      expect(await isActive()).toBe(true);

      await server.admin.run(disableUser, { sub: doomed.sub, reason: 'test' });
      expect(await isActive()).toBe(false);
    });

    test('when its client revokes it, and what it was exchanged for does not', async () => {
      const subject = await subjectToken();
      const { access_token } = await exchange(orders, subject);
      await oidc.tokenRevocation(shop.config, access_token).catch(() => undefined);
      expect((await told(access_token)).active).toBe(true);
      await oidc.tokenRevocation(orders.config, access_token);
      expect((await told(access_token)).active).toBe(false);
      expect((await told(subject)).active).toBe(true);
    });
  });
});
