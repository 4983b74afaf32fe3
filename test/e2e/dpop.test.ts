import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type GenerateKeyPairResult, generateKeyPair } from 'jose';
import * as oidc from 'openid-client';
import { changeClientRequirements } from '../../src/commands/clients.ts';
import type { Person, RegisteredClient } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { dpopProof } from '../support/dpop.ts';
import { ENGINES, startTestServer, type TestNode, type TestServer } from '../support/server.ts';

const TOKEN = '/connect/token';
const USERINFO = '/connect/userinfo';

/** What an endpoint answers, and the nonce that comes with it. */
async function outcome(response: Response) {
  const challenge = response.headers.get('www-authenticate') ?? '';
  const nonce = response.headers.get('dpop-nonce');
  return { status: response.status, said: challenge + (await response.text()), nonce };
}

describe.each(ENGINES)('proofs of possession, on %s', (engine) => {
  let server: TestServer;
  let person: Person;
  let keys: GenerateKeyPairResult;

  beforeAll(async () => {
    server = await startTestServer({ engine, nodes: 2 });
    person = await server.admin.person();
    keys = await generateKeyPair('ES256');
  });
  afterAll(() => server?.stop());

  /** Asks for a token with a proof of one's own making. */
  async function ask(
    { clientId, secret }: RegisteredClient,
    proof: string,
    node: TestNode = server.node,
  ) {
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret };
    const response = await node.fetch(server.issuer + TOKEN, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: { DPoP: proof },
    });
    return outcome(response);
  }

  const proof = (claims: Record<string, unknown> = {}) =>
    dpopProof(keys, server.issuer + TOKEN, claims);

  describe('with a nonce', () => {
    const nonces = (clientId: string, dpopNonce: boolean) =>
      server.admin.run(changeClientRequirements, {
        clientId,
        requirements: { dpop: true, dpopNonce },
      });

    test('are what a client has to bring of which it is required, from its next request on', async () => {
      const client = await server.admin.client({ requirements: { dpop: true } });
      expect((await ask(client, await proof())).status).toBe(200);
      await nonces(client.clientId, true);
      expect(await ask(client, await proof())).toMatchObject({
        status: 400,
        said: expect.stringContaining('use_dpop_nonce'),
        nonce: expect.any(String),
      });
      const made = await ask(client, await proof({ nonce: 'made-up' }));
      expect(made).toMatchObject({ status: 400, said: expect.stringContaining('use_dpop_nonce') });
      expect((await ask(client, await proof({ nonce: made.nonce }))).status).toBe(200);
    });

    test('are good at every node, whichever gave the nonce', async () => {
      const client = await server.admin.client({ requirements: { dpop: true, dpopNonce: true } });
      const [here, there] = server.nodes;
      const { nonce } = await ask(client, await proof(), here);
      expect((await ask(client, await proof({ nonce }), there)).status).toBe(200);
    });

    test('are what openid-client brings when it is told to, at userinfo as well', async () => {
      const registered = await server.admin.client({
        requirements: { dpop: true, dpopNonce: true },
      });
      const app = await ClientApp.connect(server, registered);
      const pair = await oidc.randomDPoPKeyPair('ES256', { extractable: true });
      const DPoP = oidc.getDPoPHandle(app.config, pair);
      const { tokens } = await app.signIn(newBrowser(server), person, {}, { DPoP });
      expect(tokens.token_type).toBe('dpop');
      const { access_token } = tokens;
      const claims = await oidc.fetchUserInfo(app.config, access_token, person.sub, { DPoP });
      expect(claims.sub).toBe(person.sub);

      const hash = await crypto.subtle.digest('SHA-256', Buffer.from(access_token));
      const ath = Buffer.from(hash).toString('base64url');
      const url = server.issuer + USERINFO;
      const bare = await dpopProof(pair, url, { htm: 'GET', ath });
      const answer = await server.node.fetch(url, {
        headers: { authorization: `DPoP ${access_token}`, DPoP: bare },
      });
      expect(await outcome(answer)).toMatchObject({
        status: 401,
        said: expect.stringContaining('use_dpop_nonce'),
        nonce: expect.any(String),
      });
    });
  });

  describe('are refused', () => {
    test.each<[string, Record<string, unknown>]>([
      ['of another address', { htu: 'https://other.example/connect/token' }],
      ['of another endpoint', { htu: `${'http://localhost'}${USERINFO}` }],
      ['of another method', { htm: 'GET' }],
      ['from a while ago', { iat: 1_700_000_000 }],
      ['without an id', { jti: undefined }],
    ])('%s', async (_, claims) => {
      const client = await server.admin.client();
      const { status, said } = await ask(client, await proof(claims));
      expect([status, said]).toEqual([
        400,
        expect.stringMatching(/invalid_dpop_proof|use_dpop_nonce/),
      ]);
    });

    test('when they were used before', async () => {
      const client = await server.admin.client();
      const once = await proof();
      expect((await ask(client, once)).status).toBe(200);
      expect((await ask(client, once, server.nodes[1])).status).toBe(400);
    });

    test('of another key than that of the token', async () => {
      const app = await ClientApp.connect(server, await server.admin.client());
      const handle = async () =>
        oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
      const own = await handle();
      const { tokens } = await app.signIn(newBrowser(server), person, {}, { DPoP: own });
      const { access_token } = tokens;
      await oidc.fetchUserInfo(app.config, access_token, person.sub, { DPoP: own });
      for (const DPoP of [await handle(), undefined]) {
        await expect(
          oidc.fetchUserInfo(app.config, access_token, person.sub, { DPoP }),
        ).rejects.toMatchObject({ status: 401 });
      }
    });
  });
});

test('REQUIRE_DPOP_NONCE asks every client for a nonce', async () => {
  const server = await startTestServer({
    engine: 'postgres',
    env: { REQUIRE_DPOP_NONCE: 'true' },
  });
  try {
    const app = await ClientApp.connect(server, await server.admin.client());
    const asked: (string | undefined)[] = [];
    app.config[oidc.customFetch] = async (url, init) => {
      const response = await server.node.fetch(url, init as RequestInit);
      if (!response.ok) asked.push(((await response.clone().json()) as { error?: string }).error);
      return response;
    };
    const DPoP = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
    await oidc.clientCredentialsGrant(app.config, {}, { DPoP });
    expect(asked).toEqual(['use_dpop_nonce']);
  } finally {
    await server.stop();
  }
});
