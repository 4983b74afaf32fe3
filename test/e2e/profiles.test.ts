import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  decodeProtectedHeader,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  SignJWT,
} from 'jose';
import * as oidc from 'openid-client';
import { type ClientRegistrationInput, changeClientProfile } from '../../src/commands/clients.ts';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { makeCertificate } from '../support/certificates.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { dpopProof } from '../support/dpop.ts';
import { type MutualTlsServer, startMutualTlsServer } from '../support/mutual-tls.ts';
import { ENGINES, type TestServer } from '../support/server.ts';

const authority = makeCertificate({ subject: [['CN', 'authority']], isAuthority: true });
const bank = makeCertificate({ dns: 'bank.example', issuer: authority });
const permissions: ClientRegistrationInput['permissions'] = {
  grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
  responseTypes: ['code'],
  scopes: ['*'],
};

describe.each(ENGINES)('profiles of clients, on %s', (engine) => {
  let tls: MutualTlsServer;
  let server: TestServer;
  let person: Person;
  /** A key for each algorithm, all of them the client's. */
  let keys: Record<'ES256' | 'RS256', GenerateKeyPairResult>;
  let jwks: { keys: Record<string, unknown>[] };

  beforeAll(async () => {
    tls = await startMutualTlsServer({ engine, authority });
    server = tls.server;
    person = await server.admin.person();
    keys = { ES256: await generateKeyPair('ES256'), RS256: await generateKeyPair('RS256') };
    jwks = {
      keys: await Promise.all(Object.values(keys).map(({ publicKey }) => exportJWK(publicKey))),
    };
  });
  afterAll(() => tls?.stop());

  /** A sign-in as FAPI 2.0 wants it: the request is pushed, and never seen by the browser. */
  async function signIn(app: ClientApp, options: oidc.DPoPOptions = {}) {
    const { url, checks } = await app.request();
    const pushed = await oidc.buildAuthorizationUrlWithPAR(app.config, url.searchParams, options);
    return app.answer(newBrowser(server), pushed, checks, person, {}, options);
  }

  /** The error of an authorization request, as the client is told. */
  async function refusal(app: ClientApp, change: (request: URLSearchParams) => void) {
    const { url } = await app.request();
    change(url.searchParams);
    const page = await newBrowser(server).open(url);
    expect(page.url.href.startsWith(REDIRECT_URI)).toBe(true);
    return page.url.searchParams.get('error');
  }

  describe('FAPI 2.0', () => {
    const financial = (input: Partial<ClientRegistrationInput> = {}) =>
      server.admin.client({ profile: 'fapi2', permissions, jwks, ...input });

    async function connect() {
      const registered = await financial();
      const authentication = oidc.PrivateKeyJwt(keys.ES256.privateKey);
      return ClientApp.connect(server, registered, { authentication });
    }

    test('with pushed requests, keys and DPoP, from sign-in to refreshing', async () => {
      const app = await connect();
      const DPoP = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
      const { tokens, callback } = await signIn(app, { DPoP });
      expect(tokens.token_type).toBe('dpop');
      expect(callback.searchParams.get('iss')).toBe(server.issuer);
      expect(decodeProtectedHeader(tokens.id_token ?? '').alg).toBe('ES256');
      const { access_token, refresh_token = '' } = tokens;
      await oidc.fetchUserInfo(app.config, access_token, person.sub, { DPoP });
      const refreshed = await app.refresh(refresh_token, {}, { DPoP });
      expect(refreshed.refresh_token).toBe(refresh_token);
    });

    test('with pushed requests and mutual TLS, from sign-in to refreshing', async () => {
      const { clientId } = await financial({
        jwks: null,
        certificateSubject: { type: 'san_dns', value: 'bank.example' },
        requirements: { certificateBoundTokens: true },
      });
      const app = await tls.connect(clientId, bank);
      const { tokens } = await signIn(app);
      await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub);
      const refreshed = await app.refresh(tokens.refresh_token ?? '');
      const elsewhere = await tls.connect(clientId);
      await expect(
        oidc.fetchUserInfo(elsewhere.config, refreshed.access_token, person.sub),
      ).rejects.toMatchObject({ status: 401 });
    });

    test('takes no request that was not pushed', async () => {
      expect(await refusal(await connect(), () => {})).toBe('invalid_request');
    });

    test('gives no token that is not bound', async () => {
      const app = await connect();
      await expect(signIn(app)).rejects.toMatchObject({ error: 'invalid_grant' });
      await expect(oidc.clientCredentialsGrant(app.config)).rejects.toMatchObject({
        error: 'invalid_grant',
      });
    });

    /** A client assertion, or a request object: with claims as they are or as they should not be. */
    function statement(
      clientId: string,
      claims: Record<string, unknown> = {},
      alg: keyof typeof keys = 'ES256',
    ): Promise<string> {
      const iat = Math.floor(Date.now() / 1000);
      const times = { iat, nbf: iat, exp: iat + 60 };
      const said = { iss: clientId, sub: clientId, aud: server.issuer, ...times, ...claims };
      return new SignJWT({ jti: oidc.randomState(), ...said })
        .setProtectedHeader({ alg })
        .sign(keys[alg].privateKey);
    }

    const authentication = (client_assertion: string) => ({
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
    });

    /** Asks for a token with an assertion and a proof of one's own making. */
    async function ask(
      clientId: string,
      claims: Record<string, unknown> = {},
      { alg = 'ES256', proofAlg = 'ES256' }: { alg?: keyof typeof keys; proofAlg?: string } = {},
    ) {
      const url = `${server.issuer}/connect/token`;
      const proof = await dpopProof(await generateKeyPair(proofAlg), url, {}, proofAlg);
      const form = {
        grant_type: 'client_credentials',
        ...authentication(await statement(clientId, claims, alg)),
      };
      return post(server, '/connect/token', form, { headers: { DPoP: proof } });
    }

    test('takes client assertions for the issuer, signed as it allows, each of them once', async () => {
      const { clientId } = await financial();
      const now = Math.floor(Date.now() / 1000);
      const jti = oidc.randomState();
      expect((await ask(clientId, { jti })).status).toBe(200);
      for (const answer of [
        await ask(clientId, { jti }),
        await ask(clientId, { aud: `${server.issuer}/connect/token` }),
        await ask(clientId, { aud: [server.issuer] }),
        await ask(clientId, { aud: 'https://other.example' }),
        await ask(clientId, { exp: now - 60 }),
        await ask(clientId, { iat: now + 120, exp: now + 180, nbf: now }),
        await ask(clientId, {}, { alg: 'RS256' }),
      ]) {
        expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
      }
    });

    test('takes proofs of possession that are signed as it allows', async () => {
      const { clientId } = await financial();
      expect(await ask(clientId, {}, { proofAlg: 'RS256' })).toMatchObject({
        status: 400,
        body: { error: 'invalid_dpop_proof' },
      });
    });

    test('takes request objects that say when they count, signed as it allows', async () => {
      const { clientId } = await financial();
      const request = {
        client_id: clientId,
        response_type: 'code',
        redirect_uri: REDIRECT_URI,
        scope: 'openid',
        code_challenge: await oidc.calculatePKCECodeChallenge(oidc.randomPKCECodeVerifier()),
        code_challenge_method: 'S256',
      };
      const now = Math.floor(Date.now() / 1000);
      const push = async (claims: Record<string, unknown>, alg?: keyof typeof keys) =>
        post(server, '/connect/par', {
          ...authentication(await statement(clientId)),
          request: await statement(clientId, { ...request, ...claims }, alg),
        });
      expect((await push({})).status).toBe(201);
      for (const answer of [
        await push({}, 'RS256'),
        await push({ nbf: undefined }),
        await push({ exp: now + 7_200 }),
      ]) {
        expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request_object' } });
      }
    });

    test('holds from the next request on', async () => {
      const { clientId } = await financial({
        profile: 'none',
        requirements: { pushedAuthorizationRequests: true, dpop: true },
        tokenPolicy: { refreshTokenUsage: 'reuse' },
      });
      const aud = `${server.issuer}/connect/token`;
      expect((await ask(clientId, { aud }, { proofAlg: 'RS256' })).status).toBe(200);
      await server.admin.run(changeClientProfile, { clientId, profile: 'fapi2' });
      expect((await ask(clientId, { aud })).status).toBe(401);
      expect((await ask(clientId)).status).toBe(200);
    });
  });

  describe('OAuth 2.1', () => {
    test('wants PKCE, and no less than S256', async () => {
      const registered = await server.admin.client({ profile: 'oauth2.1' });
      const app = await ClientApp.connect(server, registered);
      await app.signIn(newBrowser(server), person);
      const without =
        (...names: string[]) =>
        (request: URLSearchParams) => {
          for (const name of names) request.delete(name);
        };
      const weaker = [
        without('code_challenge', 'code_challenge_method'),
        without('code_challenge_method'),
        (request: URLSearchParams) => request.set('code_challenge_method', 'plain'),
      ];
      for (const change of weaker) expect(await refusal(app, change)).toBe('invalid_request');
    });
  });

  test('PKCE cannot be taken away from a code, nor given to one', async () => {
    const registered = await server.admin.client({ requirements: { pkce: false } });
    const app = await ClientApp.connect(server, registered);
    const redeem = (code: string, codeVerifier?: string) =>
      post(
        server,
        '/connect/token',
        {
          grant_type: 'authorization_code',
          code,
          redirect_uri: REDIRECT_URI,
          ...(codeVerifier ? { code_verifier: codeVerifier } : {}),
        },
        { client: registered },
      );
    const refused = { status: 400, body: { error: 'invalid_grant' } };
    const { code } = await app.code(newBrowser(server), person);
    expect(await redeem(code)).toMatchObject(refused);
    expect(await redeem(code, oidc.randomPKCECodeVerifier())).toMatchObject(refused);

    const { url } = await app.request();
    url.searchParams.delete('code_challenge');
    url.searchParams.delete('code_challenge_method');
    const browser = newBrowser(server);
    await app.signIn(browser, person);
    const page = await browser.open(url);
    const bare = page.url.searchParams.get('code') ?? '';
    expect(await redeem(bare, oidc.randomPKCECodeVerifier())).toMatchObject(refused);
    expect((await redeem(bare)).status).toBe(200);
  });
});
