import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type CryptoKey,
  compactDecrypt,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
} from 'jose';
import * as oidc from 'openid-client';
import { changeApiResourceEncryption } from '../../src/commands/api-resource-encryption.ts';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { type ClientRegistrationInput, changeClientKeys } from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { ENCRYPTION_ALGORITHMS, type EncryptionAlgorithm } from '../../src/domain/encryption.ts';
import type { Person } from '../support/admin.ts';
import { adminApi } from '../support/admin-api.ts';
import { ClientApp, goThrough, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

/** A key pair as its owner has it, and as it is published. */
async function encryptionKeys(alg: EncryptionAlgorithm, kid = `for ${alg}`) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'enc' } };
}

describe.each(ENGINES)('encryption, on %s', (engine) => {
  let server: TestServer;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
  });
  afterAll(() => server?.stop());

  const verified = async (jwt: string, audience: string) => {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    return (await jwtVerify(jwt, keys, { issuer: server.issuer, audience })).payload;
  };

  const opened = async (jwe: string, key: CryptoKey | Uint8Array) =>
    new TextDecoder().decode((await compactDecrypt(jwe, key)).plaintext);

  const connect = async (input: Partial<ClientRegistrationInput>) => {
    const byDefault = {
      authenticationMethod: 'client_secret_basic',
      consentType: 'implicit',
    } as const;
    return ClientApp.connect(server, await server.admin.client({ ...byDefault, ...input }));
  };

  const everything = (encryptionAlg: EncryptionAlgorithm) => {
    const protection = { encryptionAlg, encryptionEnc: 'A256GCM' } as const;
    return {
      idToken: protection,
      userinfo: protection,
      introspection: protection,
      authorization: protection,
    };
  };

  /** What the server answers, as it is on the wire. */
  function wiretap(app: ClientApp): string[] {
    const heard: string[] = [];
    app.config[oidc.customFetch] = async (url, init) => {
      const response = await app.node.fetch(url, init as RequestInit);
      heard.push(await response.clone().text());
      return response;
    };
    return heard;
  }

  describe('of all that a client is told', () => {
    test.each(ENCRYPTION_ALGORITHMS)('by %s, read by openid-client', async (alg) => {
      const { jwk, kid, privateKey } = await encryptionKeys(alg);
      const app = await connect({ jwks: { keys: [jwk] }, responseProtection: everything(alg) });
      const { config, registered } = app;
      oidc.useJwtResponseMode(config);
      oidc.enableDecryptingResponses(config, ['A256GCM'], { key: privateKey, alg, kid });
      const heard = wiretap(app);

      const { url, checks } = await app.request();
      const { callback } = await goThrough(newBrowser(server), url, person);
      const response = callback.searchParams.get('response') ?? '';
      expect(decodeProtectedHeader(response)).toMatchObject({ alg, enc: 'A256GCM', kid });
      const tokens = await oidc.authorizationCodeGrant(config, callback, checks);
      expect(tokens.claims()?.sub).toBe(person.sub);
      expect(decodeProtectedHeader(tokens.id_token ?? '')).toMatchObject({ alg, cty: 'JWT' });
      const inside = await opened(tokens.id_token ?? '', privateKey);
      expect(await verified(inside, registered.clientId)).toMatchObject({ sub: person.sub });

      const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, person.sub);
      expect(userinfo.email).toBe(person.claims.email);
      expect(heard.at(-1)?.split('.')).toHaveLength(5);
      expect(heard.join()).not.toContain(person.claims.email);
    });

    test('introspection as well, which is then not told in clear', async () => {
      const { jwk, kid, privateKey } = await encryptionKeys('RSA-OAEP-256');
      const app = await connect({
        jwks: { keys: [jwk] },
        responseProtection: everything('RSA-OAEP-256'),
      });
      const { access_token } = await oidc.clientCredentialsGrant(app.config);
      const ask = async (accept: string) => {
        const { clientId, secret } = app.registered;
        return server.node.fetch(`${server.issuer}/connect/introspect`, {
          method: 'POST',
          body: new URLSearchParams({ token: access_token }),
          headers: {
            accept,
            authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`,
          },
        });
      };
      expect((await ask('application/json')).status).toBe(400);
      const answer = await ask('application/token-introspection+jwt');
      const jwe = await answer.text();
      expect(decodeProtectedHeader(jwe)).toMatchObject({ kid, alg: 'RSA-OAEP-256' });
      const told = await verified(await opened(jwe, privateKey), app.registered.clientId);
      expect(told.token_introspection).toMatchObject({ active: true });
    });

    test('to the key that the client has at that moment', async () => {
      const [former, present] = await Promise.all([
        encryptionKeys('ECDH-ES', 'former'),
        encryptionKeys('ECDH-ES', 'present'),
      ]);
      const app = await connect({
        jwks: { keys: [former.jwk] },
        responseProtection: { idToken: { encryptionAlg: 'ECDH-ES' } },
      });
      const { clientId } = app.registered;
      oidc.enableDecryptingResponses(
        app.config,
        ['A128CBC-HS256'],
        ...[former, present].map(({ privateKey, kid }) => ({
          key: privateKey,
          kid,
          alg: 'ECDH-ES',
        })),
      );
      const browser = newBrowser(server);
      const signedIn = async () => (await app.signIn(browser, person)).tokens.id_token ?? '';
      expect(decodeProtectedHeader(await signedIn()).kid).toBe('former');
      const jwks = { keys: [present.jwk] };
      await server.admin.run(changeClientKeys, { clientId, jwks, jwksUri: null });
      expect(decodeProtectedHeader(await signedIn()).kid).toBe('present');
      await expect(
        server.admin.run(changeClientKeys, { clientId, jwks: null, jwksUri: null }),
      ).rejects.toMatchObject({ detail: { field: 'responseProtection.idToken.encryptionAlg' } });
    });
  });

  describe('of JWT access tokens, for an API', () => {
    const PAYROLL = 'https://payroll.example';
    const VAULT = 'https://vault.example';
    let app: ClientApp;

    beforeAll(async () => {
      app = await connect({ tokenPolicy: { accessTokenFormat: 'jwt' } });
      const scopes = { payroll: PAYROLL, vault: VAULT };
      for (const [name, identifier] of Object.entries(scopes)) {
        await server.admin.run(defineApiResource, { identifier, displayName: name });
        await server.admin.run(defineScope, { name, displayName: name, resources: [identifier] });
      }
      await eventually('the server knows of the last scope', async () => {
        const asked = { grant_type: 'client_credentials', scope: 'vault' };
        const answer = await post(server, '/connect/token', asked, { client: app.registered });
        return answer.status === 200;
      });
    });

    const tokenFor = async (scope: string) =>
      (await oidc.clientCredentialsGrant(app.config, { scope })).access_token;

    /** What is changed takes effect on the next request to the node that was told. */
    const whenEncrypted = (scope: string, alg: string) =>
      eventually(`tokens are encrypted by ${alg}`, async () => {
        return decodeProtectedHeader(await tokenFor(scope)).alg === alg;
      });

    const userToken = async (scope: string) =>
      (await app.signIn(newBrowser(server), person, { scope: `openid ${scope}` })).tokens;

    test('to a public key of its own', async () => {
      const { jwk, kid, privateKey } = await encryptionKeys('RSA-OAEP-256');

      await server.admin.run(changeApiResourceEncryption, {
        identifier: PAYROLL,
        encryption: { alg: 'RSA-OAEP-256', enc: 'A128GCM', jwks: { keys: [jwk] } },
      });
      await whenEncrypted('payroll', 'RSA-OAEP-256');
      for (const token of [await tokenFor('payroll'), (await userToken('payroll')).access_token]) {
        expect(decodeProtectedHeader(token)).toMatchObject({ kid, cty: 'at+jwt' });
        const inside = await opened(token, privateKey);
        expect(await verified(inside, PAYROLL)).toMatchObject({ scope: 'payroll' });
        expect(await app.isActive(inside)).toBe(false);
      }
    });

    test('under a secret that is shared, shown once, and kept sealed', async () => {
      const { call } = await adminApi(server);
      const change = async () =>
        await call(
          `mutation ($input: ApiResourceEncryptionChangeInput!) {
               apiResourceEncryptionChange(input: $input) {
                 secret apiResource { encryption { alg enc jwks } } userErrors { message } } }`,
          { input: { identifier: VAULT, encryption: { alg: 'dir' } } },
        );
      const { secret, apiResource } = await change();
      expect(apiResource.encryption).toEqual({ alg: 'dir', enc: 'A256GCM', jwks: null });
      await whenEncrypted('vault', 'dir');
      const key = Buffer.from(secret, 'base64url');
      const inside = await opened(await tokenFor('vault'), key);
      expect(await verified(inside, VAULT)).toMatchObject({ scope: 'vault' });

      const next = Buffer.from((await change()).secret, 'base64url');
      await eventually('the new secret is in use', () =>
        tokenFor('vault').then((token) =>
          opened(token, next).then(
            () => true,
            () => false,
          ),
        ),
      );
      const log = JSON.stringify(await server.admin.events());
      expect(log).toContain('ApiResourceEncryptionChanged');
      expect(log).not.toContain(secret);
    });

    test('which introspection and revocation take as they are', async () => {
      const token = await tokenFor('vault');
      expect(await oidc.tokenIntrospection(app.config, token)).toMatchObject({
        active: true,
        aud: VAULT,
        scope: 'vault',
      });
      const [head = '', ...others] = token.split('.');
      const tampered = [`${head}A`, ...others].join('.');
      expect(await app.isActive(tampered)).toBe(false);
      await oidc.tokenRevocation(app.config, token);
      expect(await app.isActive(token)).toBe(false);

      const tokens = await userToken('vault offline_access');
      expect(await app.isActive(tokens.access_token)).toBe(true);
      await oidc.tokenRevocation(app.config, tokens.refresh_token ?? '');
      expect(await app.isActive(tokens.access_token)).toBe(false);
    });
  });
});
