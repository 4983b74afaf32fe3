import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  type ClientRegistrationInput,
  changeClientPermissions,
  changeClientRequirements,
} from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { digest } from '../../src/platform/secrets.ts';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, goThrough, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import { UserAgent } from '../support/user-agent.ts';

const BILLS = 'https://bills.example';
const ALL = [
  'code',
  'none',
  'id_token',
  'id_token token',
  'code id_token',
  'code token',
  'code id_token token',
] as const;

describe.each(ENGINES)('the authorization endpoint, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    const { admin } = server;
    await admin.run(defineApiResource, {
      identifier: BILLS,
      displayName: 'Bills',
      tokenPolicy: { accessTokenFormat: 'jwt', accessTokenLifetime: 120 },
    });
    await admin.run(defineScope, { name: 'bills', displayName: 'Bills', resources: [BILLS] });
    person = await admin.person();
    app = await connect();
    await eventually('the server knows of the scope', async () => {
      const asked = { grant_type: 'client_credentials', scope: 'bills' };
      const { registered } = await connect({});
      return (await post(server, '/connect/token', asked, { client: registered })).status === 200;
    });
  });
  afterAll(() => server?.stop());

  /** A client that may use every response type, unless told otherwise. */
  const connect = async (
    input: Partial<ClientRegistrationInput> = {
      permissions: {
        grantTypes: ['authorization_code', 'implicit', 'refresh_token'],
        responseTypes: [...ALL],
        scopes: ['*'],
      },
    },
  ) => ClientApp.connect(server, await server.admin.client(input));

  const withoutPkce = { code_challenge: '', code_challenge_method: '' };

  /** What an answer in the fragment says. */
  async function fragment(client: ClientApp, parameters: Record<string, string>) {
    const { url, checks } = await client.request(parameters);
    const browser = newBrowser(server);
    const { callback } = await goThrough(browser, url, person);
    expect(callback.search).toBe('');
    return { browser, callback, checks, answer: new URLSearchParams(callback.hash.slice(1)) };
  }

  const verified = async (jwt: string, audience: string): Promise<JWTPayload> => {
    const jwks = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
    });
    return (await jwtVerify(jwt, jwks, { issuer: server.issuer, audience })).payload;
  };

  /** OpenID Connect Core §3.2.2.9, for RS256 and ES256. */
  const leftHalf = (value: string) =>
    createHash('sha256').update(value).digest().subarray(0, 16).toString('base64url');

  const issuedTo = async (sub: string) => {
    const events = await server.admin.events();
    const opened = events.find(
      ({ type, data }) => type === 'GrantOpened' && 'sub' in data && data.sub === sub,
    );
    return (await server.admin.store.read(opened?.stream ?? '')).map(({ type, data }) => ({
      type,
      data,
    }));
  };

  /** The body of a form that posts itself. */
  const posted = (inputs: readonly { name: string; value: string }[]) =>
    new URLSearchParams(Object.fromEntries(inputs.map(({ name, value }) => [name, value])));

  describe('response_type', () => {
    test('id_token, read by openid-client', async () => {
      const client = await connect();
      oidc.useIdTokenResponseType(client.config);
      const { url, checks } = await client.request({ scope: 'openid email', ...withoutPkce });
      const { callback } = await goThrough(newBrowser(server), url, person);
      const claims = await oidc.implicitAuthentication(
        client.config,
        callback,
        checks.expectedNonce,
        checks,
      );
      expect(claims).toMatchObject({ sub: person.sub, email: person.claims.email });
      expect(new URLSearchParams(callback.hash.slice(1)).has('access_token')).toBe(false);
    });

    test('code id_token, with c_hash, read by openid-client', async () => {
      const client = await connect();
      oidc.useCodeIdTokenResponseType(client.config);
      const { tokens, callback } = await client.signIn(newBrowser(server), person);
      expect(tokens.claims()?.sub).toBe(person.sub);
      expect((await client.refresh(tokens.refresh_token ?? '')).claims()?.sub).toBe(person.sub);
      const answer = new URLSearchParams(callback.hash.slice(1));
      const claims = await verified(answer.get('id_token') ?? '', client.registered.clientId);
      expect(claims.c_hash).toBe(leftHalf(answer.get('code') ?? ''));
    });

    test('code id_token with a code put in its place is refused by openid-client', async () => {
      const client = await connect();
      oidc.useCodeIdTokenResponseType(client.config);
      const { url, checks } = await client.request();
      const { callback } = await goThrough(newBrowser(server), url, person);
      callback.hash = callback.hash.replace(/code=[^&]+/, 'code=another');
      await expect(oidc.authorizationCodeGrant(client.config, callback, checks)).rejects.toThrow();
    });

    test('code id_token token: at_hash and c_hash bind both to the ID token', async () => {
      const client = await connect();
      oidc.useCodeIdTokenResponseType(client.config);
      const { callback, checks, answer } = await fragment(client, {
        response_type: 'code id_token token',
      });
      expect(answer.get('token_type')).toBe('Bearer');
      const token = answer.get('access_token') ?? '';
      const claims = await verified(answer.get('id_token') ?? '', client.registered.clientId);
      expect(claims.at_hash).toBe(leftHalf(token));
      expect(claims.c_hash).toBe(leftHalf(answer.get('code') ?? ''));
      expect((await oidc.fetchUserInfo(client.config, token, person.sub)).sub).toBe(person.sub);
      const tokens = await oidc.authorizationCodeGrant(client.config, callback, checks);
      expect(tokens.claims()?.sub).toBe(person.sub);
    });

    test('id_token token: the access token is in the grant’s stream, and ends with the session', async () => {
      const reader = await server.admin.person();
      const { url } = await app.request({
        response_type: 'id_token token',
        scope: 'openid offline_access',
        ...withoutPkce,
      });
      const browser = newBrowser(server);
      const { callback } = await goThrough(browser, url, reader);
      const answer = new URLSearchParams(callback.hash.slice(1));
      const token = answer.get('access_token') ?? '';
      const idToken = answer.get('id_token') ?? '';
      const claims = await verified(idToken, app.registered.clientId);
      expect(claims).toMatchObject({ sub: reader.sub, at_hash: leftHalf(token) });
      expect(answer.get('scope')).toBe('openid');
      expect(await oidc.tokenIntrospection(app.config, token)).toMatchObject({
        active: true,
        sub: reader.sub,
        scope: 'openid',
      });
      expect(await issuedTo(reader.sub)).toEqual([
        expect.objectContaining({ type: 'GrantOpened' }),
        {
          type: 'AccessTokenIssued',
          data: expect.objectContaining({ digest: digest(token), format: 'reference' }),
        },
      ]);
      await app.signOut(browser, { id_token_hint: idToken });
      expect(await app.isActive(token)).toBe(false);
    });

    test('code token: a JWT for an API is recorded like one from the token endpoint', async () => {
      const reader = await server.admin.person();
      const { url } = await app.request({ response_type: 'code token', scope: 'bills' });
      url.searchParams.delete('nonce');
      const { callback } = await goThrough(newBrowser(server), url, reader);
      const answer = new URLSearchParams(callback.hash.slice(1));
      const { jti, scope } = await verified(answer.get('access_token') ?? '', BILLS);
      expect(scope).toBe('bills');
      expect((await issuedTo(reader.sub)).map(({ type }) => type).sort()).toEqual([
        'AccessTokenIssued',
        'AuthorizationCodeIssued',
        'GrantOpened',
      ]);
      expect(await issuedTo(reader.sub)).toContainEqual({
        type: 'AccessTokenIssued',
        data: expect.objectContaining({
          digest: digest(jti ?? ''),
          format: 'jwt',
          audience: BILLS,
        }),
      });
    });

    test('none: the person agrees, and nothing is handed out', async () => {
      const reader = await server.admin.person();
      const { url, checks } = await app.request({ response_type: 'none', ...withoutPkce });
      url.searchParams.delete('nonce');
      const { callback } = await goThrough(newBrowser(server), url, reader);
      expect(Object.fromEntries(callback.searchParams)).toEqual({
        state: checks.expectedState,
        iss: server.issuer,
      });
      expect((await issuedTo(reader.sub)).map(({ type }) => type)).toEqual(['GrantOpened']);
    });

    test.each(ALL.filter((type) => type !== 'code'))(
      '%s is refused to a client that was not permitted it',
      async (response_type) => {
        const plain = await connect({});
        const { url } = await plain.request({ response_type });
        const { url: callback } = await newBrowser(server).open(url);
        const answer = response_type.includes('token')
          ? new URLSearchParams(callback.hash.slice(1))
          : callback.searchParams;
        expect(answer.get('error')).toBe('invalid_request');
      },
    );

    test('token alone is offered to nobody (RFC 9700 §2.1.2)', async () => {
      const { url } = await app.request({ response_type: 'token' });
      const { url: callback } = await newBrowser(server).open(url);
      expect(new URLSearchParams(callback.hash.slice(1)).get('error')).toBe(
        'unsupported_response_type',
      );
    });

    test('what was permitted can be taken away, from the next request on', async () => {
      const client = await connect();
      const { clientId } = client.registered;
      await server.admin.run(changeClientPermissions, {
        clientId,
        permissions: {
          grantTypes: ['authorization_code'],
          responseTypes: ['code'],
          scopes: ['*'],
        },
      });
      const { url } = await client.request({ response_type: 'code id_token' });
      const { url: callback } = await newBrowser(server).open(url);
      expect(callback.hash).toContain('error=invalid_request');
    });
  });

  describe('response_mode', () => {
    test('fragment carries a code in the fragment', async () => {
      const { answer } = await fragment(app, { response_mode: 'fragment' });
      expect(answer.get('code')).toBeTruthy();
      expect(answer.get('iss')).toBe(server.issuer);
    });

    test('query is refused where a token would end up in logs and referrers', async () => {
      const { url } = await app.request({ response_type: 'id_token', response_mode: 'query' });
      const { url: callback, atClient } = await newBrowser(server).open(url);
      expect(atClient).toBe(true);
      expect(callback.href).toContain('error=invalid_request');
      expect(callback.href).not.toContain('id_token=');
    });

    test('form_post is a page that posts itself, and may run no other script', async () => {
      let headers = new Headers();
      const browser = new UserAgent(server.issuer, async (url, init) => {
        const response = await server.node.fetch(url, init);
        headers = response.headers;
        return response;
      });
      await app.signIn(browser, person);
      const { url, checks } = await app.request({ response_mode: 'form_post' });
      const page = await browser.open(url);
      const { action, method, inputs } = page.formOf('=');
      expect([page.status, action, method]).toEqual([200, REDIRECT_URI, 'POST']);

      const script = /<script>([\s\S]*?)<\/script>/.exec(page.html)?.[1] ?? '';
      const hash = createHash('sha256').update(script).digest('base64');
      const policy = headers.get('content-security-policy')?.split(/;\s*/);
      expect(policy).toContain(`script-src 'self' 'sha256-${hash}'`);
      expect(policy).toEqual(
        expect.arrayContaining([`default-src 'none'`, `frame-ancestors 'none'`, `base-uri 'none'`]),
      );
      expect(policy?.some((directive) => directive.startsWith('form-action'))).toBe(false);
      expect(headers.get('cache-control')).toContain('no-store');

      const body = posted(inputs);
      const request = new Request(action, { method, body });
      const tokens = await oidc.authorizationCodeGrant(app.config, request, checks);
      expect(tokens.claims()?.sub).toBe(person.sub);
    });

    test('form_post carries errors too', async () => {
      const { url } = await app.request({ response_mode: 'form_post', prompt: 'none' });
      const page = await newBrowser(server).open(url);
      const { action, inputs } = page.formOf('=');
      expect(action).toBe(REDIRECT_URI);
      expect(inputs).toContainEqual(
        expect.objectContaining({ name: 'error', value: 'login_required' }),
      );
    });

    /** The library writes `jwt` itself; the other modes say where the answer goes. */
    async function asJwt(response_mode: string) {
      const client = await connect();
      oidc.useJwtResponseMode(client.config);
      const { url, checks } = await client.request();
      expect(url.searchParams.get('response_mode')).toBe('jwt');
      url.searchParams.set('response_mode', response_mode);
      return { client, url, checks };
    }

    test.each(['jwt', 'query.jwt', 'fragment.jwt'])(
      '%s is a signed answer (JARM), read by openid-client',
      async (mode) => {
        const { client, url, checks } = await asJwt(mode);
        const { callback } = await goThrough(newBrowser(server), url, person);
        const place = mode === 'fragment.jwt' ? callback.hash.slice(1) : callback.search.slice(1);
        expect([...new URLSearchParams(place).keys()]).toEqual(['response']);
        const read = new URL(`${REDIRECT_URI}?${place}`);
        const tokens = await oidc.authorizationCodeGrant(client.config, read, checks);
        expect(tokens.claims()?.sub).toBe(person.sub);
      },
    );

    test('form_post.jwt is one that is posted', async () => {
      const { client, url, checks } = await asJwt('form_post.jwt');
      const browser = newBrowser(server);
      await client.signIn(browser, person);
      const { action, method, inputs } = (await browser.open(url)).formOf('=');
      expect(inputs.map(({ name }) => name).filter(Boolean)).toEqual(['response']);
      const request = new Request(action, { method, body: posted(inputs) });
      const tokens = await oidc.authorizationCodeGrant(client.config, request, checks);
      expect(tokens.claims()?.sub).toBe(person.sub);
    });

    test('jwt signs errors as well', async () => {
      const client = await connect();
      oidc.useJwtResponseMode(client.config);
      await expect(
        client.signIn(newBrowser(server), person, { response_mode: 'jwt', prompt: 'none' }),
      ).rejects.toMatchObject({ error: 'login_required' });
    });

    test('web_message is not offered', async () => {
      const { url } = await app.request({ response_mode: 'web_message' });
      const { url: callback } = await newBrowser(server).open(url);
      expect(callback.searchParams.get('error')).toBe('unsupported_response_mode');
    });
  });

  describe('claims', () => {
    const asking = (claims: object) => ({ claims: JSON.stringify(claims) });

    test('of one scope are shown to the person, and given where they agree', async () => {
      const reader = await server.admin.person();
      const wanted = { userinfo: { email: null }, id_token: { name: { essential: true } } };
      const browser = newBrowser(server);
      const { url, checks } = await app.request({ scope: 'openid', ...asking(wanted) });
      const { username, password } = reader;
      const signIn = await browser.open(url);
      const consent = await browser.press(signIn, '_action=sign-in', {
        type: { username, password },
      });
      expect(consent.name).toBe('consent');
      expect(consent.text).toContain('email');
      expect(consent.text).toContain('name');
      const { url: callback } = await browser.press(consent, '_action=allow');
      const tokens = await oidc.authorizationCodeGrant(app.config, callback, checks);
      expect(tokens.claims()?.name).toBe(reader.claims.name);
      expect(await oidc.fetchUserInfo(app.config, tokens.access_token, reader.sub)).toEqual({
        sub: reader.sub,
        email: reader.claims.email,
      });
      expect(await server.admin.events()).toContainEqual(
        expect.objectContaining({
          type: 'ConsentGranted',
          data: expect.objectContaining({ sub: reader.sub, claims: ['email', 'name'] }),
        }),
      );
    });

    test('are withheld where they do not, and not asked for again', async () => {
      const reader = await server.admin.person();
      const browser = newBrowser(server);
      const parameters = {
        scope: 'openid',
        ...asking({ userinfo: { email: null, phone_number: null } }),
      };
      const { tokens } = await app.signIn(browser, reader, parameters, {
        declines: ['claim email'],
      });
      expect(await oidc.fetchUserInfo(app.config, tokens.access_token, reader.sub)).toEqual({
        sub: reader.sub,
      });
      expect((await app.signIn(browser, reader, parameters)).pages).toEqual([]);
    });

    test('of a scope that the client may not ask for are refused', async () => {
      const modest = await connect({
        permissions: {
          grantTypes: ['authorization_code'],
          responseTypes: ['code'],
          scopes: ['openid', 'profile'],
        },
      });
      const one = asking({ userinfo: { email: null } });
      await expect(
        modest.signIn(newBrowser(server), person, { scope: 'openid', ...one }),
      ).rejects.toMatchObject({ error: 'invalid_request' });
      const other = asking({ userinfo: { name: null, nonsense: null }, id_token: { acr: null } });
      const { tokens } = await modest.signIn(newBrowser(server), person, {
        scope: 'openid',
        ...other,
      });
      expect(
        await oidc.fetchUserInfo(modest.config, tokens.access_token, person.sub),
      ).toMatchObject({ name: person.claims.name });
    });

    test('with an essential acr that nobody could reach are refused at once', async () => {
      const acr = { essential: true, values: ['urn:example:gold'] };
      await expect(
        app.signIn(newBrowser(server), person, asking({ id_token: { acr } })),
      ).rejects.toMatchObject({ error: 'unmet_authentication_requirements' });
    });

    test('that are no JSON are refused', async () => {
      await expect(app.signIn(newBrowser(server), person, { claims: '{' })).rejects.toMatchObject({
        error: 'invalid_request',
      });
    });
  });

  describe('what a client may ask of the pages', () => {
    test('login_hint is the name in the form', async () => {
      const { url } = await app.request({ login_hint: person.username });
      const page = await newBrowser(server).open(url);
      expect(page.formOf('_action=sign-in').inputs).toContainEqual(
        expect.objectContaining({ name: 'username', value: person.username }),
      );
    });

    test('ui_locales is the language of the pages', async () => {
      const { url } = await app.request({ ui_locales: 'de en' });
      expect((await newBrowser(server).open(url)).html).toMatch(/<html lang="de"/);
    });

    test('acr_values that cannot be reached are a wish: the sign-in goes on without', async () => {
      const { tokens } = await app.signIn(newBrowser(server), person, {
        acr_values: 'urn:example:gold',
      });
      expect(tokens.claims()?.acr).toBe('urn:muniment:acr:password');
    });

    test('a prompt that is not offered is refused', async () => {
      const prompt = 'create';
      await expect(app.signIn(newBrowser(server), person, { prompt })).rejects.toMatchObject({
        error: 'invalid_request',
      });
    });
  });

  test('iss tells in every answer whose it is (RFC 9207)', async () => {
    const { callback } = await app.signIn(newBrowser(server), person);
    expect(callback.searchParams.get('iss')).toBe(server.issuer);
    callback.searchParams.set('iss', 'https://evil.example');
    await expect(oidc.authorizationCodeGrant(app.config, callback)).rejects.toMatchObject({
      code: 'OAUTH_INVALID_RESPONSE',
    });
    const { url } = await app.request({ prompt: 'none' });
    const refused = await newBrowser(server).open(url);
    expect(refused.url.searchParams.get('iss')).toBe(server.issuer);
  });

  test('a client of which DPoP is required gets no token without, from its next request on', async () => {
    const client = await connect({});
    const { clientId } = client.registered;
    await server.admin.run(changeClientRequirements, { clientId, requirements: { dpop: true } });
    await expect(client.signIn(newBrowser(server), person)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(oidc.clientCredentialsGrant(client.config)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    const DPoP = oidc.getDPoPHandle(client.config, await oidc.randomDPoPKeyPair('ES256'));
    const { tokens } = await client.signIn(newBrowser(server), person, {}, { DPoP });
    expect(tokens.token_type).toBe('dpop');
    await expect(client.refresh(tokens.refresh_token ?? '')).rejects.toThrow();
    const refreshed = await client.refresh(tokens.refresh_token ?? '', {}, { DPoP });
    expect(refreshed.token_type).toBe('dpop');
  });
});
