import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import * as oidc from 'openid-client';
import {
  type ClientRegistrationInput,
  changeClientKeys,
  changeClientRequirements,
} from '../../src/commands/clients.ts';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import type { Page } from '../support/user-agent.ts';

/** What the client was told. */
const errorOf = ({ url, atClient }: Page) => atClient && url.searchParams.get('error');

async function keyPair(alg: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  const kid = randomBytes(8).toString('hex');
  return { key: privateKey, kid, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

describe.each(ENGINES)('signed request objects, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let keys: Awaited<ReturnType<typeof keyPair>>;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
    keys = await keyPair('ES256');
    app = await connect();
  });
  afterAll(() => server?.stop());

  const connect = async (input?: Partial<ClientRegistrationInput>) =>
    ClientApp.connect(
      server,
      await server.admin.client({
        authenticationMethod: 'client_secret_basic',
        jwks: { keys: [keys.jwk] },
        ...input,
      }),
    );

  /** A request as the client library signs it. */
  async function signed(client = app, parameters?: Record<string, string>, signingKey = keys) {
    const { url, checks } = await client.request(parameters);
    const { config } = client;
    const request = await oidc.buildAuthorizationUrlWithJAR(config, url.searchParams, signingKey);
    return { url: request, checks };
  }

  /** A request as the library would not sign it. */
  async function crafted(
    claims: Record<string, unknown>,
    sign: (payload: Record<string, unknown>) => string | Promise<string> = (payload) =>
      new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: keys.kid }).sign(keys.key),
  ): Promise<URL> {
    const { url } = await app.request();
    const { clientId } = app.registered;
    const payload = {
      ...Object.fromEntries(url.searchParams),
      iss: clientId,
      aud: server.issuer,
      exp: Math.floor(Date.now() / 1000) + 60,
      ...claims,
    };
    const request = await sign(JSON.parse(JSON.stringify(payload)));
    const { origin, pathname } = url;
    return new URL(`${origin}${pathname}?${new URLSearchParams({ client_id: clientId, request })}`);
  }

  test('a person signs in by one, with offline access as elsewhere', async () => {
    const { url, checks } = await signed();
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request']);
    const { tokens, pages } = await app.answer(newBrowser(server), url, checks, person);
    expect(pages).toEqual(['sign-in', 'consent']);
    expect(tokens.claims()?.sub).toBe(person.sub);
    expect(tokens.scope).toBe('openid profile email offline_access');
    expect((await app.refresh(tokens.refresh_token ?? '')).claims()?.sub).toBe(person.sub);
  });

  test.each(['RS256', 'PS256', 'Ed25519'])('%s will do as well', async (alg) => {
    const other = await keyPair(alg);
    const client = await connect({ jwks: { keys: [other.jwk] } });
    const { url, checks } = await signed(client, {}, other);
    const { tokens } = await client.answer(newBrowser(server), url, checks, person);
    expect(tokens.claims()?.sub).toBe(person.sub);
  });

  test('what stands beside it counts for nothing (RFC 9101 §6.3)', async () => {
    const { url, checks } = await signed(app, { scope: 'openid' });
    url.searchParams.set('scope', 'openid profile email offline_access');
    url.searchParams.set('nonce', 'forged');
    const { tokens } = await app.answer(newBrowser(server), url, checks, person);
    expect(tokens.scope).toBe('openid');
    expect(tokens.refresh_token).toBeUndefined();
  });

  test('it can be pushed, and pushed it is used once', async () => {
    const { url, checks } = await signed();
    const pushed = await oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams);
    const { tokens } = await app.answer(newBrowser(server), pushed, checks, person);
    expect(tokens.claims()?.sub).toBe(person.sub);
    expect(tokens.refresh_token).toBeDefined();
    expect(errorOf(await newBrowser(server).open(pushed))).toBe('invalid_request_uri');
  });

  describe('is refused', () => {
    const refusal = async (url: URL) => errorOf(await newBrowser(server).open(url));
    const INVALID = 'invalid_request_object';

    test('as long as it is signed by another key', async () => {
      const stranger = await keyPair('ES256');
      const { url } = await signed(app, {}, { ...stranger, kid: keys.kid });
      expect(await refusal(url)).toBe(INVALID);
    });

    test('without a signature, and with one by the secret, of which only a digest is known', async () => {
      expect(
        await refusal(await crafted({}, (payload) => new UnsecuredJWT(payload).encode())),
      ).toBe(INVALID);
      const secret = new TextEncoder().encode(app.registered.secret);
      const hmac = (payload: object) =>
        new SignJWT({ ...payload }).setProtectedHeader({ alg: 'HS256' }).sign(secret);
      expect(await refusal(await crafted({}, hmac))).toBe(INVALID);
    });

    test.each<[string, Record<string, unknown>]>([
      ['from another client', { iss: 'somebody-else' }],
      ['for another server', { aud: 'https://other.example' }],
      ['that names another client', { client_id: 'somebody-else' }],
      ['that has expired', { exp: Math.floor(Date.now() / 1000) - 60 }],
      ['that is not valid yet', { nbf: Math.floor(Date.now() / 1000) + 60 }],
      ['that holds another', { request: 'x' }],
      ['that points to another', { request_uri: 'https://app.example/request' }],
      // Else it would pass by the check of what a client may ask for.
      ['with an empty list of resources', { resource: [] }],
    ])('when it is one %s', async (_, claims) => {
      expect(await refusal(await crafted(claims))).toBe(INVALID);
    });

    test('by reference: nothing is fetched', async () => {
      const { url } = await app.request({ request_uri: 'https://app.example/request.jwt' });
      expect(await refusal(url)).toBe('request_uri_not_supported');
    });

    test('by a page, when it leads to an address that is not registered', async () => {
      const url = await crafted({ redirect_uri: 'https://evil.example/' });
      const page = await newBrowser(server).open(url);
      expect([page.name, page.status]).toEqual(['error', 400]);
      expect(page.text).toContain('invalid_redirect_uri');
    });
  });

  test('a scope the client may not ask for is refused in it too', async () => {
    const modest = await connect({
      permissions: {
        grantTypes: ['authorization_code'],
        responseTypes: ['code'],
        scopes: ['openid'],
      },
    });
    const { url } = await signed(modest, { scope: 'openid email' });
    expect(errorOf(await newBrowser(server).open(url))).toBe('invalid_scope');
  });

  test('a client of which it is required may not do without, from its next request on', async () => {
    const careful = await connect();
    const { clientId } = careful.registered;
    const requirements = { signedRequestObjects: true };
    await server.admin.run(changeClientRequirements, { clientId, requirements });
    await expect(careful.signIn(newBrowser(server), person)).rejects.toMatchObject({
      error: 'invalid_request',
    });
    const { url } = await careful.request();
    await expect(
      oidc.buildAuthorizationUrlWithPAR(careful.config, url.searchParams),
    ).rejects.toMatchObject({ error: 'invalid_request' });

    const { url: request, checks } = await signed(careful);
    const { tokens } = await careful.answer(newBrowser(server), request, checks, person);
    expect(tokens.claims()?.sub).toBe(person.sub);
  });

  test('a key that was taken away does not sign the next request', async () => {
    const client = await connect();
    const { clientId } = client.registered;
    const { url } = await signed(client);
    const { jwk } = await keyPair('ES256');
    await server.admin.run(changeClientKeys, { clientId, jwks: { keys: [jwk] }, jwksUri: null });
    expect(errorOf(await newBrowser(server).open(url))).toBe('invalid_request_object');
  });

  test('keys are not fetched from inside the network', async () => {
    let asked = 0;
    const inside = createServer((_, response) => {
      asked += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys: [keys.jwk] }));
    }).listen(0, '127.0.0.1');
    try {
      await once(inside, 'listening');
      const { port } = inside.address() as AddressInfo;
      const jwksUri = `http://127.0.0.1:${port}/jwks`;
      const client = await connect({ jwks: null, jwksUri });
      const { url } = await signed(client);
      expect(errorOf(await newBrowser(server).open(url))).toBe('invalid_client_metadata');
      expect(asked).toBe(0);
    } finally {
      inside.close();
    }
  });

  test('the redirect URI is where the answer goes', async () => {
    const { url, checks } = await signed();
    const { callback } = await app.answer(newBrowser(server), url, checks, person);
    expect(callback.href.startsWith(REDIRECT_URI)).toBe(true);
  });
});
