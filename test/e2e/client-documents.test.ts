import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'oauth4webapi';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  changeClientPresentation,
  disableClient,
  enableClient,
  removeClient,
} from '../../src/commands/clients.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { type Person, REDIRECT_URI, type RegisteredClient } from '../support/admin.ts';
import { goThrough, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestNode, type TestServer } from '../support/server.ts';
import { startWebSite, type WebSite } from '../support/web-site.ts';

const MCP = 'https://mcp.example/';
const SCOPE = 'mcp:tools offline_access';

describe.each(ENGINES)('clients known by a document, on %s', (engine) => {
  let site: WebSite;
  let server: TestServer;
  let person: Person;
  let api: RegisteredClient;
  let as: oauth.AuthorizationServer;
  let http: { [oauth.allowInsecureRequests]: true; [oauth.customFetch]: typeof fetch };
  let published = 0;

  beforeAll(async () => {
    site = await startWebSite();
    server = await startTestServer({
      engine,
      nodes: 2,
      env: {
        NODE_EXTRA_CA_CERTS: site.certificateFile,
        ALLOWED_PRIVATE_HOSTS: site.host,
        CLIENT_REGISTRATION: 'open',
        CLIENT_METADATA_HOSTS: `${site.host},127.0.0.1`,
        CLIENT_REGISTRATION_SCOPES: `openid ${SCOPE}`,
      },
    });
    const { admin, node } = server;
    person = await admin.person();
    api = await admin.client();
    await admin.run(defineApiResource, { identifier: MCP, displayName: 'Tools' });
    await admin.run(defineScope, {
      name: 'mcp:tools',
      displayName: 'Use tools',
      description: 'Everything the tools can do',
      claims: [],
      resources: [MCP],
    });
    await eventually('all servers know the scope', async () => {
      const asking = { grant_type: 'client_credentials', scope: 'mcp:tools' };
      const answers = server.nodes.map((node) =>
        post(server, '/connect/token', asking, { client: api, node }),
      );
      return (await Promise.all(answers)).every(({ status }) => status === 200);
    });
    http = {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: (url, init) => node.fetch(String(url), init),
    };
    const issuer = new URL(server.issuer);
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...http });
    as = await oauth.processDiscoveryResponse(issuer, response);
  });
  afterAll(async () => {
    await server?.stop();
    await site?.close();
  });

  /** Publishes a document at a place of its own, and gives its address. */
  function publish(part: object = {}, path = `/client-${++published}.json`): string {
    const clientId = site.origin + path;
    const document = {
      client_id: clientId,
      client_name: 'Tool',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      ...part,
    };
    site.publish(path, { body: document });
    return clientId;
  }

  async function authorizationUrl(clientId: string, verifier = oauth.generateRandomCodeVerifier()) {
    const url = new URL(as.authorization_endpoint ?? '');
    url.search = new URLSearchParams({
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: SCOPE,
      resource: MCP,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString();
    return url;
  }

  /** The way of an MCP client: PKCE, a resource, and offline access without `prompt`. */
  async function signIn(
    clientId: string,
    authentication = oauth.None(),
    node: TestNode | undefined = server.node,
  ) {
    const client = { client_id: clientId };
    const verifier = oauth.generateRandomCodeVerifier();
    const url = await authorizationUrl(clientId, verifier);
    const { callback, pages } = await goThrough(newBrowser(server, node), url, person);
    const answer = oauth.validateAuthResponse(as, client, callback);
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      authentication,
      answer,
      REDIRECT_URI,
      verifier,
      { ...http, additionalParameters: { resource: MCP } },
    );
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response);
    return { tokens, pages };
  }

  async function refresh(clientId: string, token: string | undefined) {
    const client = { client_id: clientId };
    const response = await oauth.refreshTokenGrantRequest(
      as,
      client,
      oauth.None(),
      String(token),
      http,
    );
    return oauth.processRefreshTokenResponse(as, client, response);
  }

  const introspect = async (token: string) =>
    (await post(server, '/connect/introspect', { token }, { client: api })).body;

  /** The page or answer to an authorization request. */
  const asked = async (clientId: string) =>
    newBrowser(server).open(await authorizationUrl(clientId));

  const eventsOf = (clientId: string) => server.admin.store.read(`client-${clientId}`);
  const typesOf = async (clientId: string) => (await eventsOf(clientId)).map(({ type }) => type);

  test('are told of in the metadata, as MCP wants it', () => {
    expect(as).toMatchObject({
      client_id_metadata_document_supported: true,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      grant_types_supported: expect.arrayContaining(['authorization_code', 'refresh_token']),
      scopes_supported: expect.arrayContaining(['offline_access']),
    });
  });

  test('may be registered as well by who wants to, without an invitation, but not endlessly', async () => {
    const metadata = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' };
    const request = () => oauth.dynamicClientRegistrationRequest(as, metadata, http);
    const client = await oauth.processDynamicClientRegistrationResponse(await request());
    expect(client).toMatchObject({ scope: `openid ${SCOPE}` });
    const { tokens } = await signIn(client.client_id);
    expect(await introspect(tokens.access_token)).toMatchObject({ active: true, aud: MCP });

    const statuses = (await Promise.all(Array.from({ length: 35 }, request))).map((r) => r.status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(29);
    expect(statuses.filter((status) => status === 429)).toHaveLength(6);
  });

  test('sign people in for a resource and refresh, with nothing registered before', async () => {
    const clientId = publish();
    const { tokens, pages } = await signIn(clientId);
    expect(pages).toEqual(['sign-in', 'consent']);
    expect(await introspect(tokens.access_token)).toMatchObject({
      active: true,
      client_id: clientId,
      aud: MCP,
      scope: 'mcp:tools',
    });
    const again = await refresh(clientId, tokens.refresh_token);
    expect(await introspect(again.access_token)).toMatchObject({ active: true, aud: MCP });
  });

  test('are recorded with the first thing that is, and what they do as well', async () => {
    const clientId = publish();
    expect((await asked(clientId)).name).toBe('sign-in');
    expect(await eventsOf(clientId)).toEqual([]);
    const { tokens } = await signIn(clientId);
    const [registered, ...others] = await eventsOf(clientId);
    expect(others).toEqual([]);
    expect(registered).toMatchObject({
      type: 'ClientRegistered',
      data: {
        origin: 'metadata_document',
        displayName: 'Tool (localhost)',
        clientType: 'public',
        consentType: 'explicit',
        requirements: { pkce: true },
      },
    });
    expect(await introspect(tokens.access_token)).toMatchObject({ active: true });
  });

  test('are shown with the host that speaks for them', async () => {
    const page = await asked(publish({ client_name: 'Your Bank' }));
    expect(page.text).toContain('Your Bank (localhost)');
  });

  test('are read once for a while, and again when it is over', async () => {
    const path = '/often.json';
    const clientId = publish({}, path);
    for (let n = 0; n < 3; n++) expect((await asked(clientId)).name).toBe('sign-in');
    expect(site.asked(path)).toBe(1);
  });

  describe('to a server that has not read the document yet', () => {
    /** A client that one server knows, and what became of its document since. */
    async function known(change: (path: string) => void) {
      const path = `/changing-${++published}.json`;
      const clientId = publish({}, path);
      await signIn(clientId);
      change(path);
      return clientId;
    }

    test('are what it says now, and what has changed is recorded', async () => {
      const clientId = await known((path) => publish({ client_name: 'Better tool' }, path));
      const { pages } = await signIn(clientId, oauth.None(), server.nodes[1]);
      expect(pages).toEqual(['sign-in']);
      expect(await typesOf(clientId)).toEqual(['ClientRegistered', 'ClientPresentationChanged']);
    });

    test('are what was recorded, while it cannot be reached', async () => {
      const clientId = await known((path) => site.publish(path, { status: 503, body: '' }));
      await signIn(clientId, oauth.None(), server.nodes[1]);
      expect(await typesOf(clientId)).toEqual(['ClientRegistered']);
    });

    test('are nobody, when it is not there any more', async () => {
      const clientId = await known((path) => site.publish(path, { status: 404, body: '' }));
      const browser = newBrowser(server, server.nodes[1]);
      const page = await browser.open(await authorizationUrl(clientId));
      expect(page).toMatchObject({ status: 400, name: 'error' });
    });
  });

  test('are disabled by an administrator, with all their tokens', async () => {
    const clientId = publish();
    const { tokens } = await signIn(clientId);
    await server.admin.run(disableClient, { clientId, reason: 'phishing' });
    expect(await introspect(tokens.access_token)).toEqual({ active: false });
    await expect(refresh(clientId, tokens.refresh_token)).rejects.toThrow();
    expect(await asked(clientId)).toMatchObject({ status: 400, name: 'error' });
    await server.admin.run(enableClient, { clientId });
    expect(await introspect(tokens.access_token)).toMatchObject({ active: true });
  });

  test('do not come back once they are removed', async () => {
    const clientId = publish();
    const { tokens } = await signIn(clientId);
    await server.admin.run(removeClient, { clientId });
    expect(await introspect(tokens.access_token)).toEqual({ active: false });
    await expect(signIn(clientId)).rejects.toThrow();
    expect((await typesOf(clientId)).at(-1)).toBe('ClientRemoved');
  });

  test('ask for no more than is for clients that nobody has invited', async () => {
    const clientId = publish({
      grant_types: ['authorization_code', 'password', 'client_credentials'],
      scope: 'mcp:tools phone admin:users:read offline_access',
    });
    await signIn(clientId);
    const [registered] = await eventsOf(clientId);
    expect(registered?.data).toMatchObject({
      permissions: { grantTypes: ['authorization_code'], scopes: ['mcp:tools', 'offline_access'] },
    });
  });

  describe('are not known', () => {
    const ofOthers = 'https://elsewhere.example/client.json';

    test.each([
      ['whose document is of another', { client_id: ofOthers }],
      ['that want a secret', { token_endpoint_auth_method: 'client_secret_basic' }],
      ['that bring a secret', { client_secret: 'secret' }],
      ['whose document is too large', { padding: 'x'.repeat(5 * 1024) }],
      ['that send people to http', { redirect_uris: ['http://app.example/callback'] }],
      ['whose keys are private', { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }],
      ['that say nothing of where people go', { redirect_uris: [] }],
    ])('%s', async (_, part) => {
      const page = await asked(publish(part));
      expect(page).toMatchObject({ status: 400, name: 'error' });
      expect(page.text).toContain('metadata document');
    });

    test.each([
      ['no JSON', { body: 'Hello' }],
      ['a list', { body: [] }],
      ['an address elsewhere', { status: 302, headers: { location: '/client.json' }, body: '' }],
    ])('whose address is answered with %s', async (_, answer) => {
      const path = `/broken-${++published}.json`;
      site.publish(path, answer);
      expect(await asked(site.origin + path)).toMatchObject({ status: 400, name: 'error' });
    });

    test('whose document is on a private address', async () => {
      const { port } = new URL(site.origin);
      const path = '/private.json';
      site.publish(path, { body: { client_id: `https://127.0.0.1:${port}${path}` } });
      const page = await asked(`https://127.0.0.1:${port}${path}`);
      expect(page).toMatchObject({ status: 400, name: 'error' });
      expect(site.asked(path)).toBe(0);
    });

    test('whose document is on a host that is not allowed, or whose id is spelled oddly', async () => {
      const path = '/odd.json';
      const clientId = publish({}, path);
      for (const each of [
        'https://elsewhere.example/client.json',
        clientId.replace('/odd', '/a/../odd'),
        clientId.replace('https://', 'https://user@'),
        `${clientId}#fragment`,
        site.origin,
        clientId.replace('https', 'http'),
      ]) {
        expect(await asked(each)).toMatchObject({ status: 400, name: 'error' });
      }
      expect(site.asked(path)).toBe(0);
    });
  });

  describe('keys that a client publishes', () => {
    async function keyPair(kid: string) {
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      return { key: privateKey, kid, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } };
    }

    test('are fetched, and followed as it replaces them', async () => {
      const [former, next] = [await keyPair('former'), await keyPair('next')];
      const { clientId } = await server.admin.client({
        authenticationMethod: 'private_key_jwt',
        jwksUri: `${site.origin}/jwks`,
      });
      const client = { client_id: clientId };
      const token = async ({ key, kid }: typeof next) => {
        const authentication = oauth.PrivateKeyJwt({ key, kid });
        const response = await oauth.clientCredentialsGrantRequest(
          as,
          client,
          authentication,
          new URLSearchParams(),
          http,
        );
        return response.status;
      };
      // It announces the next key before it signs with it.
      site.publish('/jwks', { body: { keys: [former.jwk, next.jwk] } });
      expect([await token(former), await token(next)]).toEqual([200, 200]);
      expect(site.asked('/jwks')).toBe(1);

      site.publish('/jwks', { body: { keys: [next.jwk] } });
      // A change of the client has its keys fetched anew; otherwise they are kept for a minute.
      await server.admin.run(changeClientPresentation, { clientId, displayName: 'Renewed' });
      expect([await token(next), await token(former)]).toEqual([200, 401]);
      expect(site.asked('/jwks')).toBe(2);
    });

    test('are those of a client known by its document, too', async () => {
      const keys = await keyPair('own');
      site.publish('/own-jwks', { body: { keys: [keys.jwk] } });
      const clientId = publish({
        token_endpoint_auth_method: 'private_key_jwt',
        jwks_uri: `${site.origin}/own-jwks`,
      });
      const { tokens } = await signIn(clientId, oauth.PrivateKeyJwt(keys));
      expect(await introspect(tokens.access_token)).toMatchObject({ active: true });
      const [registered] = await eventsOf(clientId);
      expect(registered?.data).toMatchObject({ clientType: 'confidential' });
    });
  });
});
