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
import { type ClientRegistrationInput, changeClientKeys } from '../../src/commands/clients.ts';
import { ENCRYPTION_ALGORITHMS, type EncryptionAlgorithm } from '../../src/domain/encryption.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, goThrough, newBrowser } from '../support/client-app.ts';
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

  const opened = async (jwe: string, key: CryptoKey) =>
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
});
