import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import type { ClientRegistrationInput } from '../../src/commands/clients.ts';
import { trustIssuer, withdrawIssuerTrust } from '../../src/commands/trusted-issuers.ts';
import { disableUser } from '../../src/commands/users.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp } from '../support/client-app.ts';
import { ENGINES, freePort, startTestServer, type TestServer } from '../support/server.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const OFFICE = 'https://office.example';

async function keyPair() {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig' } };
}

describe.each(ENGINES)('assertions of trusted issuers, on %s', (engine) => {
  let server: TestServer;
  let keys: Awaited<ReturnType<typeof keyPair>>;
  let person: Person;
  let app: ClientApp;
  let publisher: Server;
  let publisherUrl: string;

  beforeAll(async () => {
    const port = await freePort();
    publisherUrl = `http://127.0.0.1:${port}/keys`;
    server = await startTestServer({
      engine,
      env: { ALLOWED_PRIVATE_HOSTS: `127.0.0.1:${port}` },
    });
    keys = await keyPair();
    publisher = createServer((_, answer) => {
      answer.setHeader('Content-Type', 'application/json');
      answer.end(JSON.stringify({ keys: [keys.jwk] }));
    }).listen(port, '127.0.0.1');
    await once(publisher, 'listening');
    expect((publisher.address() as AddressInfo).port).toBe(port);
    person = await server.admin.person();
    app = await connect();
    await trust(OFFICE);
  });
  afterAll(async () => {
    publisher?.close();
    await server?.stop();
  });

  const permitted: Partial<ClientRegistrationInput> = {
    redirectUris: [],
    postLogoutRedirectUris: [],
    permissions: { grantTypes: [JWT_BEARER], responseTypes: [], scopes: ['openid', 'email'] },
  };

  const connect = async (input = permitted) =>
    ClientApp.connect(server, await server.admin.client(input));

  const trust = (issuer: string, terms: Partial<Parameters<typeof trustIssuer>[1]> = {}) =>
    server.admin.run(trustIssuer, {
      issuer,
      displayName: issuer,
      jwks: { keys: [keys.jwk] },
      subjectMapping: 'sub',
      clientIds: [app.registered.clientId],
      scopes: ['openid', 'email'],
      ...terms,
    });

  const seconds = () => Math.floor(Date.now() / 1000);

  async function assert(
    claims: JWTPayload = {},
    { key = keys.privateKey, typ }: { key?: CryptoKey; typ?: string } = {},
  ): Promise<string> {
    const said: JWTPayload = {
      iss: OFFICE,
      sub: person.sub,
      aud: server.issuer,
      iat: seconds(),
      exp: seconds() + 60,
      jti: randomBytes(12).toString('hex'),
      ...claims,
    };
    return new SignJWT(said).setProtectedHeader({ alg: 'ES256', typ }).sign(key);
  }

  const present = (assertion: string, { config } = app, scope = 'openid email') =>
    oidc.genericGrantRequest(config, JWT_BEARER, { assertion, scope });

  test('give the client a token for the person, and no refresh token', async () => {
    const tokens = await present(await assert());
    expect(tokens).toMatchObject({ scope: 'openid email' });
    expect(tokens).not.toHaveProperty('refresh_token');
    expect(await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub)).toEqual({
      sub: person.sub,
      email: person.claims.email,
    });

    const issued = (await server.admin.events()).find(
      ({ data }) => 'digest' in data && data.digest === digest(tokens.access_token),
    );
    const [opened] = await server.admin.store.read(issued?.stream ?? '');
    expect(opened).toMatchObject({
      type: 'GrantOpened',
      data: { sub: person.sub, basis: 'assertion', assertedBy: OFFICE, sessionUid: null },
    });
  });

  test('may name the token endpoint, and people by their user names', async () => {
    await trust('urn:payroll', { subjectMapping: 'username' });
    const tokens = await present(
      await assert({
        iss: 'urn:payroll',
        sub: person.username,
        aud: app.config.serverMetadata().token_endpoint ?? '',
      }),
    );
    const { sub } = await oidc.tokenIntrospection(app.config, tokens.access_token);
    expect(sub).toBe(person.sub);
  });

  test('are checked with keys that their issuer publishes', async () => {
    await trust('urn:publisher', { jwks: null, jwksUri: publisherUrl });
    const { access_token } = await present(await assert({ iss: 'urn:publisher' }));
    expect(await app.isActive(access_token)).toBe(true);
  });

  test('are good once, however many come at once', async () => {
    const assertion = await assert();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => present(assertion)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = outcomes.filter((each) => each.status === 'rejected');
    expect(refused.map(({ reason }) => reason.error)).toEqual(Array(19).fill('invalid_grant'));
    await expect(present(assertion)).rejects.toMatchObject({
      error_description: 'the assertion was used before',
    });
  });

  describe('are refused', () => {
    test.each<[string, JWTPayload]>([
      ['of an issuer nobody trusts', { iss: 'https://elsewhere.example' }],
      ['for somebody else', { aud: 'https://elsewhere.example' }],
      ['without an audience', { aud: undefined }],
      ['that have expired', { exp: seconds() - 60 }],
      ['that never expire', { exp: undefined }],
      ['that are good for too long', { exp: seconds() + 3 * 60 * 60 }],
      ['that are of the future', { nbf: seconds() + 600 }],
      ['without an id', { jti: undefined }],
      ['about nobody', { sub: undefined }],
      ['about somebody who is not known', { sub: 'usr_nobody' }],
    ])('%s', async (_, claims) => {
      await expect(present(await assert(claims))).rejects.toMatchObject({
        error: 'invalid_grant',
      });
    });

    test('signed with another key, or not signed, or of another kind', async () => {
      const { privateKey } = await keyPair();
      const [head, body] = (await assert()).split('.');
      const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
      for (const assertion of [
        await assert({}, { key: privateKey }),
        await assert({}, { typ: 'at+jwt' }),
        `${head}.${body}.`,
        `${none}.${body}.`,
        'no JWT at all',
      ]) {
        await expect(present(assertion)).rejects.toMatchObject({ error: 'invalid_grant' });
      }
    });

    test('from a client that the issuer is not trusted with, or that has no permission', async () => {
      await expect(present(await assert(), await connect())).rejects.toMatchObject({
        error: 'invalid_grant',
      });
      const other = await connect({});
      await expect(present(await assert(), other)).rejects.toMatchObject({
        error: 'invalid_request',
      });
    });

    test('for a scope the issuer does not vouch for, or the client may not have', async () => {
      await trust('urn:narrow', { scopes: ['openid'] });
      for (const scope of ['email', 'profile']) {
        await expect(
          present(await assert({ iss: 'urn:narrow' }), app, scope),
        ).rejects.toMatchObject({ error: 'invalid_scope' });
      }
    });

    test('of a person who is disabled, and of an issuer that is trusted no longer', async () => {
      const other = await server.admin.person();
      await server.admin.run(disableUser, { sub: other.sub, reason: 'gone' });
      await expect(present(await assert({ sub: other.sub }))).rejects.toMatchObject({
        error: 'invalid_grant',
      });

      const issuer = 'urn:sold';
      await trust(issuer);
      await present(await assert({ iss: issuer }));
      await server.admin.run(withdrawIssuerTrust, { issuer, reason: 'sold' });
      await expect(present(await assert({ iss: issuer }))).rejects.toMatchObject({
        error: 'invalid_grant',
      });
    });
  });
});
