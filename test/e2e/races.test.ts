import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { digest } from '../../src/platform/secrets.ts';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { type Answer, ClientApp, newBrowser, post } from '../support/client-app.ts';
import { dpopProof } from '../support/dpop.ts';
import { ENGINES, startTestServer, type TestNode, type TestServer } from '../support/server.ts';

const TIMES = 20;

const scenes = ENGINES.flatMap((engine) => [1, 3].map((nodes) => ({ engine, nodes })));

describe.each(scenes)('at the same moment, on $engine with $nodes node(s)', ({ engine, nodes }) => {
  let server: TestServer;
  let person: Person;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine, nodes, env: { REFRESH_TOKEN_LEEWAY: '2' } });
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client());
  });
  afterAll(() => server?.stop());

  const nodeFor = (nth: number) => server.nodes[nth % server.nodes.length] as TestNode;

  /** The same request so many times at once, in turn to each node. */
  const atOnce = (request: (node: TestNode) => Promise<Answer>): Promise<Answer[]> =>
    Promise.all(Array.from({ length: TIMES }, (_, nth) => request(nodeFor(nth))));

  /** The facts of the grant that a token or code belongs to. */
  async function factsOfGrant(value: string) {
    const events = await server.admin.events();
    const issued = events.find(
      ({ stream, data }) =>
        stream.startsWith('grant-') && 'digest' in data && data.digest === digest(value),
    );
    return events.filter(({ stream }) => stream === issued?.stream);
  }

  test('one code is redeemed once, and its reuse ends the grant', async () => {
    const { code, codeVerifier } = await app.code(newBrowser(server), person);
    const answers = await atOnce((node) =>
      post(
        server,
        '/connect/token',
        {
          grant_type: 'authorization_code',
          code,
          code_verifier: codeVerifier,
          redirect_uri: REDIRECT_URI,
        },
        { client: app.registered, node },
      ),
    );
    const [winner, ...others] = answers.filter(({ status }) => status === 200);
    expect(others).toEqual([]);
    expect(refusals(answers)).toEqual(Array(TIMES - 1).fill([400, 'invalid_grant']));

    const facts = (await factsOfGrant(code)).map(({ type }) => type);
    expect(count(facts, 'AuthorizationCodeRedeemed')).toBe(1);
    expect(count(facts, 'AuthorizationCodeReplayDetected')).toBe(1);
    expect(count(facts, 'AccessTokenIssued')).toBe(1);
    expect(facts.at(-1)).toBe('GrantRevoked');
    for (const token of [winner?.body.access_token, winner?.body.refresh_token]) {
      expect(await app.isActive(String(token))).toBe(false);
    }
  });

  test('one refresh token has one successor, which every answer carries', async () => {
    const { tokens } = await app.signIn(newBrowser(server), person);
    const answers = await refreshAtOnce(tokens.refresh_token);
    expect(answers.map(({ status }) => status)).toEqual(Array(TIMES).fill(200));
    const successors = new Set(answers.map(({ body }) => String(body.refresh_token)));
    const accessTokens = new Set(answers.map(({ body }) => String(body.access_token)));
    expect([successors.size, accessTokens.size]).toEqual([1, 1]);

    const facts = (await factsOfGrant(tokens.refresh_token ?? '')).map(({ type }) => type);
    expect(count(facts, 'RefreshTokenRedeemed')).toBe(1);
    expect(count(facts, 'RefreshTokenIssued')).toBe(2);
    expect(count(facts, 'AccessTokenIssued')).toBe(2);
    const [successor = ''] = successors;
    expect((await app.refresh(successor)).access_token).toBeDefined();
  });

  test('a refresh token used long after its first use ends the whole family', async () => {
    const { tokens } = await app.signIn(newBrowser(server), person);
    const next = await app.refresh(tokens.refresh_token ?? '');
    const { data } = (await factsOfGrant(tokens.refresh_token ?? '')).find(
      ({ type }) => type === 'RefreshTokenRedeemed',
    ) as { data: { at?: string } };
    const leewayEnds = Date.parse(data.at ?? '') + 2_000;
    await new Promise((resolve) => setTimeout(resolve, leewayEnds + 5 - Date.now()));

    const answers = await refreshAtOnce(tokens.refresh_token);
    expect(refusals(answers)).toEqual(Array(TIMES).fill([400, 'invalid_grant']));
    const facts = (await factsOfGrant(tokens.refresh_token ?? '')).map(({ type }) => type);
    expect(count(facts, 'RefreshTokenReuseDetected')).toBe(1);
    expect(facts.at(-1)).toBe('GrantRevoked');
    expect(await app.isActive(next.access_token)).toBe(false);
    await expect(app.refresh(next.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  const refreshAtOnce = (refreshToken: string | undefined) =>
    atOnce((node) =>
      post(
        server,
        '/connect/token',
        { grant_type: 'refresh_token', refresh_token: refreshToken ?? '' },
        { client: app.registered, node },
      ),
    );

  test('one client assertion authenticates once', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const { clientId } = await server.admin.client({
      authenticationMethod: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] },
    });
    const assertion = await new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(server.issuer)
      .setJti(oidc.randomState())
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey);
    const answers = await atOnce((node) =>
      post(
        server,
        '/connect/token',
        {
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        },
        { node },
      ),
    );
    expect(refusals(answers)).toEqual(Array(TIMES - 1).fill([401, 'invalid_client']));
    await expectTokensIssued(clientId, 1);
  });

  test('one DPoP proof is good for one request', async () => {
    const registered = await server.admin.client();
    const proof = await dpopProof(await generateKeyPair('ES256'), `${server.issuer}/connect/token`);
    const answers = await atOnce((node) =>
      post(
        server,
        '/connect/token',
        { grant_type: 'client_credentials' },
        { client: registered, node, headers: { DPoP: proof } },
      ),
    );
    const refused = refusals(answers);
    expect(refused).toHaveLength(TIMES - 1);
    for (const [status, error] of refused) {
      expect(status).toBe(400);
      expect(['invalid_dpop_proof', 'invalid_grant']).toContain(error);
    }
    await expectTokensIssued(registered.clientId, 1);
  });

  test('two applications that authorize in one session both stay in it', async () => {
    const browser = newBrowser(server);
    await app.signIn(browser, person);
    const apps = await Promise.all(
      Array.from({ length: 6 }, async (_, nth) =>
        ClientApp.connect(server, await server.admin.client({ consentType: 'implicit' }), {
          node: nodeFor(nth),
        }),
      ),
    );
    const requests = await Promise.all(
      apps.map((each) => each.request({ scope: 'openid profile' })),
    );
    const callbacks = await Promise.all(
      requests.map(({ url }, nth) => browser.copy(nodeFor(nth).fetch).open(url)),
    );
    expect(callbacks.map(({ status, text }) => ({ status, text }))).toEqual(
      callbacks.map(() => ({ status: 0, text: '' })),
    );
    for (const [nth, each] of apps.entries()) {
      const { checks } = requests[nth] as (typeof requests)[number];
      const { url } = callbacks[nth] as (typeof callbacks)[number];
      const tokens = await oidc.authorizationCodeGrant(each.config, url, checks);
      expect(await each.isActive(tokens.access_token)).toBe(true);
      expect((await each.signIn(browser.copy(), person, { prompt: 'none' })).pages).toEqual([]);
    }
  });

  async function expectTokensIssued(clientId: string, times: number): Promise<void> {
    const issued = (await server.admin.events()).filter(
      ({ type, data }) =>
        type === 'ClientTokenIssued' && (data as { clientId: string }).clientId === clientId,
    );
    expect(issued).toHaveLength(times);
  }
});

/** Status and error of the answers that were no success. */
function refusals(answers: readonly Answer[]): [number, unknown][] {
  return answers
    .filter(({ status }) => status !== 200)
    .map((each) => [each.status, each.body.error]);
}

function count(all: readonly string[], one: string): number {
  return all.filter((each) => each === one).length;
}
