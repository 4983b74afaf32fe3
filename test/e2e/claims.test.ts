import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  type ClientRegistrationInput,
  changeClientTokenPolicy,
} from '../../src/commands/clients.ts';
import { changeScopeClaimDestinations, defineScope } from '../../src/commands/scopes.ts';
import { changeUserClaims } from '../../src/commands/users.ts';
import type { ClaimDestination } from '../../src/domain/scope.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const ORDERS = 'https://orders.example';

describe.each(ENGINES)('claims, on %s', (engine) => {
  let server: TestServer;
  let jwtApp: ClientApp;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, { identifier: ORDERS, displayName: 'Orders' });
    const scopes = [
      { name: 'orders', claims: ['email', 'sub'], resources: [ORDERS] },
      { name: 'called', claims: ['nickname', 'website'], resources: [] },
      { name: 'last', claims: [], resources: [ORDERS] },
    ];
    await send('orders', { email: ['access_token'] }, scopes);
    app = await connect();
    jwtApp = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
    await eventually('the server knows of the last scope', async () => {
      const asked = { grant_type: 'client_credentials', scope: 'last' };
      return (
        (await post(server, '/connect/token', asked, { client: app.registered })).status === 200
      );
    });
  });
  afterAll(() => server?.stop());

  type Destinations = Record<string, ClaimDestination[]>;

  async function send(
    name: string,
    claimDestinations: Destinations,
    defined: readonly { name: string; claims: string[]; resources: string[] }[] = [],
  ) {
    for (const scope of defined) {
      await server.admin.run(defineScope, { displayName: scope.name, ...scope });
    }
    await server.admin.run(changeScopeClaimDestinations, { name, claimDestinations });
  }

  const connect = async (input: Partial<ClientRegistrationInput> = {}) =>
    ClientApp.connect(server, await server.admin.client({ consentType: 'implicit', ...input }));

  const someone = () =>
    server.admin.person({
      email: `canary-${Math.random().toString(36).slice(2)}@mail.example`,
      nickname: 'Ada',
      website: 'https://ada.example',
    });

  const verified = async (jwt: string) => {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    return (await jwtVerify(jwt, keys, { issuer: server.issuer })).payload;
  };

  const userinfo = (client: ClientApp, { access_token }: { access_token: string }, sub: string) =>
    oidc.fetchUserInfo(client.config, access_token, sub);

  describe('of a scope on an API', () => {
    test('are in its access tokens, at introspection, and nowhere else', async () => {
      const person = await someone();
      const { email } = person.claims;
      for (const client of [app, jwtApp]) {
        const scope = 'openid called orders offline_access';
        const { tokens } = await client.signIn(newBrowser(server), person, { scope });
        expect(await oidc.tokenIntrospection(client.config, tokens.access_token)).toMatchObject({
          active: true,
          aud: ORDERS,
          sub: person.sub,
          email,
        });
        expect(tokens.claims()?.email).toBeUndefined();
        if (client === jwtApp) {
          expect(await verified(tokens.access_token)).toMatchObject({ email, sub: person.sub });
        }
      }
      expect(JSON.stringify(await server.admin.events())).not.toContain(email);
    });

    test('are what they are at the time, in each token that is made', async () => {
      const person = await someone();
      const scope = 'openid orders offline_access';
      const { tokens } = await jwtApp.signIn(newBrowser(server), person, { scope });
      const email = 'another@mail.example';
      await server.admin.run(changeUserClaims, { sub: person.sub, claims: { email } });
      const refreshed = await jwtApp.refresh(tokens.refresh_token ?? '');
      expect(decodeJwt(tokens.access_token).email).toBe(person.claims.email);
      expect(decodeJwt(refreshed.access_token).email).toBe(email);
    });

    test('may be for introspection alone', async () => {
      const person = await someone();
      const signIn = async () => {
        const { tokens } = await jwtApp.signIn(newBrowser(server), person, {
          scope: 'openid orders',
        });
        return tokens.access_token;
      };
      await send('orders', { email: ['introspection'] });
      await eventually('the token says nothing any more', async () => {
        return decodeJwt(await signIn()).email === undefined;
      });
      const told = await oidc.tokenIntrospection(jwtApp.config, await signIn());
      expect(told.email).toBe(person.claims.email);
      await send('orders', {});
      await eventually('the token tells again', async () => {
        return decodeJwt(await signIn()).email === person.claims.email;
      });
    });
  });

  describe('of a scope about the person', () => {
    const scope = 'openid called';

    test('are told at userinfo, as long as nobody says otherwise', async () => {
      const person = await someone();
      const { tokens } = await app.signIn(newBrowser(server), person, { scope });
      expect(tokens.claims()?.nickname).toBeUndefined();
      expect(await userinfo(app, tokens, person.sub)).toMatchObject({
        nickname: 'Ada',
        website: 'https://ada.example',
      });
    });

    test('go where each of them is sent', async () => {
      const person = await someone();
      await send('called', {
        nickname: ['id_token'],
        website: ['id_token', 'userinfo', 'access_token'],
      });
      const signIn = async () =>
        (await jwtApp.signIn(newBrowser(server), person, { scope: `${scope} offline_access` }))
          .tokens;
      await eventually('the ID token tells', async () => {
        return (await signIn()).claims()?.nickname === 'Ada';
      });
      const tokens = await signIn();
      const website = 'https://ada.example';
      expect(tokens.claims()).toMatchObject({ nickname: 'Ada', website });
      const told = await userinfo(jwtApp, tokens, person.sub);
      expect(told).toMatchObject({ website });
      expect(told).not.toHaveProperty('nickname');
      const inside = await verified(tokens.access_token);
      expect(inside).toMatchObject({ website });
      expect(inside).not.toHaveProperty('nickname');
      const refreshed = await jwtApp.refresh(tokens.refresh_token ?? '');
      expect(refreshed.claims()).toMatchObject({ nickname: 'Ada', website });

      const plain = await jwtApp.signIn(newBrowser(server), person, { scope: 'openid' });
      expect(plain.tokens.claims()?.nickname).toBeUndefined();
    });
  });

  test.each([
    ['claimDestinations.phone_number', { phone_number: ['userinfo'] }],
    ['claimDestinations.email.0', { email: ['logs'] }],
  ])('at %s a destination is refused that makes no sense', async (field, wished) => {
    const claimDestinations = wished as unknown as Destinations;
    await expect(
      server.admin.run(changeScopeClaimDestinations, { name: 'orders', claimDestinations }),
    ).rejects.toMatchObject({ code: 'invalid', detail: { field } });
  });

  describe('of a client', () => {
    test('are in each token that it has for itself, under a prefix', async () => {
      const claims = { tenant: 'acme', zones: ['eu', 'us'] };
      const client = await connect({ tokenPolicy: { accessTokenFormat: 'jwt', claims } });
      const { access_token } = await oidc.clientCredentialsGrant(client.config, { scope: 'last' });
      const expected = { client_tenant: 'acme', client_zones: ['eu', 'us'] };
      expect(await verified(access_token)).toMatchObject(expected);
      expect(await oidc.tokenIntrospection(client.config, access_token)).toMatchObject(expected);

      const { clientId } = client.registered;
      const tokenPolicy = { claims: { tenant: 'other' }, claimsPrefix: '' };
      await server.admin.run(changeClientTokenPolicy, { clientId, tokenPolicy });
      const next = await oidc.clientCredentialsGrant(client.config, { scope: 'last' });
      expect(await oidc.tokenIntrospection(client.config, next.access_token)).toMatchObject({
        tenant: 'other',
      });

      const person = await someone();
      const { tokens } = await client.signIn(newBrowser(server), person, { scope: 'openid last' });
      const told = await oidc.tokenIntrospection(client.config, tokens.access_token);
      expect(told).not.toHaveProperty('tenant');
    });

    test.each([
      ['tokenPolicy.claims.sub', { claims: { sub: 'admin' }, claimsPrefix: '' }],
      ['tokenPolicy.claims.id', { claims: { id: 'muniment-admin' } }],
    ])('%s is refused: it means something else', async (field, tokenPolicy) => {
      await expect(server.admin.client({ tokenPolicy })).rejects.toMatchObject({
        code: 'invalid',
        detail: { field },
      });
    });
  });
});
