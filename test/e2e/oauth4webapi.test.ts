import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oauth from 'oauth4webapi';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { type Person, REDIRECT_URI, type RegisteredClient } from '../support/admin.ts';
import { goThrough, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const BILLS = 'https://bills.example';

describe.each(ENGINES)('the authorization code flow with oauth4webapi, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let registered: RegisteredClient;
  let as: oauth.AuthorizationServer;
  let client: oauth.Client;
  let authentication: oauth.ClientAuth;
  let http: { [oauth.allowInsecureRequests]: true; [oauth.customFetch]: typeof fetch };

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin, node } = server;
    person = await admin.person();
    registered = await admin.client({ authenticationMethod: 'client_secret_post' });
    client = { client_id: registered.clientId };
    authentication = oauth.ClientSecretPost(registered.secret);
    http = {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: (url, init) => node.fetch(String(url), init),
    };
    as = await discover('oidc');
  });
  afterAll(() => server?.stop());

  async function discover(algorithm: 'oidc' | 'oauth2') {
    const issuer = new URL(server.issuer);
    const response = await oauth.discoveryRequest(issuer, { algorithm, ...http });
    return oauth.processDiscoveryResponse(issuer, response);
  }

  /** Signs the person in; the client checks the answer of each step as the RFCs demand. */
  async function signIn(scope: string) {
    const state = oauth.generateRandomState();
    const nonce = oauth.generateRandomNonce();
    const verifier = oauth.generateRandomCodeVerifier();
    const url = new URL(as.authorization_endpoint ?? '');
    url.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope,
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString();
    const { callback } = await goThrough(newBrowser(server), url, person);
    const answer = oauth.validateAuthResponse(as, client, callback, state);
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      authentication,
      answer,
      REDIRECT_URI,
      verifier,
      http,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
    await oauth.validateApplicationLevelSignature(as, response, http);
    return tokens;
  }

  async function introspect(token: string) {
    const response = await oauth.introspectionRequest(as, client, authentication, token, http);
    return oauth.processIntrospectionResponse(as, client, response);
  }

  async function revoke(token: string) {
    const response = await oauth.revocationRequest(as, client, authentication, token, http);
    return oauth.processRevocationResponse(response);
  }

  test('discovery is the same for OpenID Connect and for OAuth (RFC 8414)', async () => {
    expect(await discover('oauth2')).toEqual(as);
  });

  test('code, ID token with a good signature, and userinfo', async () => {
    const tokens = await signIn('openid profile email');
    expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(person.sub);
    const response = await oauth.userInfoRequest(as, client, tokens.access_token, http);
    const claims = await oauth.processUserInfoResponse(as, client, person.sub, response);
    expect(claims.email).toBe(person.claims.email);
  });

  test('refresh, with an ID token that fits the first one', async () => {
    const first = await signIn('openid offline_access');
    const response = await oauth.refreshTokenGrantRequest(
      as,
      client,
      authentication,
      first.refresh_token ?? '',
      http,
    );
    const second = await oauth.processRefreshTokenResponse(as, client, response);
    await oauth.validateApplicationLevelSignature(as, response, http);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(oauth.getValidatedIdTokenClaims(second)?.sub).toBe(person.sub);
  });

  test('introspection and revocation', async () => {
    const tokens = await signIn('openid offline_access');
    expect((await introspect(tokens.access_token)).active).toBe(true);
    await revoke(tokens.refresh_token ?? '');
    expect((await introspect(tokens.access_token)).active).toBe(false);
  });

  test('an access token of RFC 9068, as a resource server checks it', async () => {
    await server.admin.run(defineApiResource, {
      identifier: BILLS,
      displayName: 'Bills',
      tokenPolicy: { accessTokenFormat: 'jwt' },
    });
    await server.admin.run(defineScope, {
      name: 'bills:read',
      displayName: 'Bills',
      resources: [BILLS],
    });
    const token = await eventually('the server knows of the scope', async () => {
      const response = await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authentication,
        { scope: 'bills:read' },
        http,
      );
      if (!response.ok) return undefined;
      return (await oauth.processClientCredentialsResponse(as, client, response)).access_token;
    });
    const request = new Request(BILLS, { headers: { authorization: `Bearer ${token}` } });
    expect(await oauth.validateJwtAccessToken(as, request, BILLS, http)).toMatchObject({
      client_id: client.client_id,
      scope: 'bills:read',
    });
  });
});
