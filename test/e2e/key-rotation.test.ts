import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import * as oidc from 'openid-client';
import { ADMIN_CLIENT, ADMIN_RESOURCE } from '../../src/commands/seed/seed.ts';
import { generateSigningKey } from '../../src/commands/signing-keys.ts';
import { ClientApp } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestNode, type TestServer } from '../support/server.ts';

const KEY = 'kid alg status activatedAt retiredAt version';

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly status: 'ANNOUNCED' | 'ACTIVE' | 'RETIRED';
  readonly activatedAt: string | null;
  readonly retiredAt: string | null;
  readonly version: number;
}

describe.each(ENGINES)('signing keys, on two nodes, on %s', (engine) => {
  let server: TestServer;
  /** The same client at each node; its tokens are JWTs. */
  let apps: ClientApp[];
  let adminToken: string;

  beforeAll(async () => {
    server = await startTestServer({ engine, nodes: 2 });
    const registered = await server.admin.client({ tokenPolicy: { accessTokenFormat: 'jwt' } });
    apps = await Promise.all(
      server.nodes.map((node) => ClientApp.connect(server, registered, { node })),
    );
    const operator = await ClientApp.connect(server, {
      clientId: ADMIN_CLIENT,
      secret: server.adminClientSecret,
    });
    const granted = await oidc.clientCredentialsGrant(operator.config, {
      scope: 'admin:keys:read admin:keys:write',
      resource: ADMIN_RESOURCE,
    });
    adminToken = granted.access_token;
  });
  afterAll(() => server?.stop());

  async function graphql<T>(query: string, variables: object = {}): Promise<T> {
    const response = await fetch(`${server.node.adminUrl}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${adminToken}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
    expect(errors).toBeUndefined();
    return data;
  }

  async function rotate(input: { alg: string; emergency?: boolean }): Promise<Key> {
    const { signingKeyRotate } = await graphql<{
      signingKeyRotate: { signingKey: Key; userErrors: unknown[] };
    }>(
      `mutation ($input: SigningKeyRotateInput!) { signingKeyRotate(input: $input) {
         signingKey { ${KEY} } userErrors { code message field } } }`,
      { input },
    );
    expect(signingKeyRotate.userErrors).toEqual([]);
    return signingKeyRotate.signingKey;
  }

  async function retire(kid: string) {
    const { signingKeyRetire } = await graphql<{
      signingKeyRetire: { signingKey: Key; userErrors: { code: string; field: string }[] };
    }>(
      `mutation ($input: SigningKeyRetireInput!) { signingKeyRetire(input: $input) {
         signingKey { ${KEY} } userErrors { code field } } }`,
      { input: { kid, reason: 'test' } },
    );
    return signingKeyRetire;
  }

  async function keys(alg: string): Promise<Key[]> {
    const { signingKeys } = await graphql<{ signingKeys: { nodes: Key[] } }>(
      `query ($alg: String) { signingKeys(filter: { alg: $alg }) { nodes { ${KEY} } } }`,
      { alg },
    );
    return signingKeys.nodes;
  }

  const jwks = async (node: TestNode = server.node): Promise<JSONWebKeySet> =>
    (await node.fetch(`${server.issuer}/connect/jwks`)).json() as Promise<JSONWebKeySet>;

  const kids = async (node?: TestNode) => (await jwks(node)).keys.map(({ kid }) => kid);

  const token = async (nth: number) => {
    const { config } = apps[nth % apps.length] as ClientApp;
    return (await oidc.clientCredentialsGrant(config)).access_token;
  };

  const kidOf = (jwt: string) => decodeProtectedHeader(jwt).kid;

  const expected = () => ({ issuer: server.issuer, audience: server.issuer, typ: 'at+jwt' });

  async function isBelieved(jwt: string): Promise<boolean> {
    try {
      await jwtVerify(jwt, createLocalJWKSet(await jwks()), expected());
      return true;
    } catch {
      return false;
    }
  }

  /** Resolves when both nodes sign with the key. */
  const bothSignWith = (kid: string) =>
    Promise.all(
      apps.map((_, nth) =>
        eventually(
          `node ${nth} signs with the new key`,
          async () => kidOf(await token(nth)) === kid,
        ),
      ),
    );

  /** Asks for tokens, a few at a time at both nodes, until it is told to stop. */
  function load() {
    const tokens: string[] = [];
    const failures: unknown[] = [];
    let stopped = false;
    const lanes = Array.from({ length: 8 }, async (_, nth) => {
      while (!stopped) {
        try {
          tokens.push(await token(nth));
        } catch (error) {
          failures.push(error);
        }
      }
    });
    return {
      tokens,
      failures,
      async stop() {
        stopped = true;
        await Promise.all(lanes);
      },
    };
  }

  test('are rotated under load: no request fails, and what was signed before is still believed', async () => {
    const before = await kids();
    const requests = load();
    await eventually('the load is on', () => requests.tokens.length > 20);
    // As a resource server does it: with the keys it has, and those it fetches for what it does not know.
    const verifier = createRemoteJWKSet(new URL(`${server.issuer}/connect/jwks`), {
      [customFetch]: server.node.fetch,
      cooldownDuration: 0,
    });
    const [earlier = ''] = requests.tokens;
    await jwtVerify(earlier, verifier, expected());

    const key = await rotate({ alg: 'RS256' });
    expect(key).toMatchObject({ alg: 'RS256', status: 'ACTIVE', retiredAt: null, version: 2 });
    expect(kidOf(await token(0))).toBe(key.kid);
    await bothSignWith(key.kid);
    const enough = requests.tokens.length + 20;
    await eventually('the load goes on', () => requests.tokens.length > enough);
    await requests.stop();

    expect(requests.failures).toEqual([]);
    expect(new Set(requests.tokens.map(kidOf))).toEqual(new Set([kidOf(earlier), key.kid]));
    for (const each of requests.tokens) await jwtVerify(each, verifier, expected());
    expect((await kids()).sort()).toEqual([...before, key.kid].sort());
    expect(await (apps[1] as ClientApp).isActive(earlier)).toBe(true);
  });

  test('of no use any more in an emergency: the former ones go at once, and no request fails', async () => {
    const requests = load();
    await eventually('the load is on', () => requests.tokens.length > 20);
    const doomed = await token(1);
    const former = (await keys('RS256')).filter(({ status }) => status !== 'RETIRED');
    expect(former.length).toBeGreaterThan(1);

    const key = await rotate({ alg: 'RS256', emergency: true });
    const left = await kids();
    expect(left).toContain(key.kid);
    for (const { kid } of former) expect(left).not.toContain(kid);
    expect(kidOf(await token(0))).toBe(key.kid);
    expect(await isBelieved(doomed)).toBe(false);
    expect(await (apps[0] as ClientApp).isActive(doomed)).toBe(false);
    await bothSignWith(key.kid);
    await requests.stop();
    expect(requests.failures).toEqual([]);
    expect(await isBelieved(await token(1))).toBe(true);
    const now = await keys('RS256');
    expect(now.filter(({ status }) => status !== 'RETIRED')).toEqual([key]);
    expect(now.map(({ status }) => status)).toContain('RETIRED');
  });

  test('are announced without signing, and sign when it is their turn', async () => {
    const { kid } = await announce('RS256');
    await eventually('every node announces it', async () =>
      (await Promise.all(server.nodes.map((node) => kids(node)))).every((all) => all.includes(kid)),
    );
    const [announced] = await keys('RS256');
    expect(announced).toMatchObject({ kid, status: 'ANNOUNCED', activatedAt: null });
    expect(kidOf(await token(0))).not.toBe(kid);
    expect(kidOf(await token(1))).not.toBe(kid);

    expect(await rotate({ alg: 'RS256' })).toMatchObject({ kid, status: 'ACTIVE', version: 2 });
    await bothSignWith(kid);
  });

  test('that do not sign can be retired, and the one that signs cannot', async () => {
    const [signing, former] = (await keys('RS256'))
      .filter(({ status }) => status === 'ACTIVE')
      .sort((a, b) => String(b.activatedAt).localeCompare(String(a.activatedAt)));
    const kid = signing?.kid ?? '';
    expect((await retire(kid)).userErrors).toEqual([{ code: 'CONFLICT', field: 'kid' }]);
    expect((await retire('no-such-key')).userErrors).toEqual([{ code: 'NOT_FOUND', field: 'kid' }]);

    const { signingKey, userErrors } = await retire(former?.kid ?? '');
    expect(userErrors).toEqual([]);
    expect(signingKey).toMatchObject({ kid: former?.kid, status: 'RETIRED' });
    expect(await kids()).not.toContain(former?.kid);
    expect(await kids()).toContain(kid);
  });

  test('tell what happened to them and who did it, and never their private part', async () => {
    const [{ kid } = { kid: '' }] = await keys('RS256');
    const { signingKey } = await graphql<{
      signingKey: { publicJwk: object; history: { nodes: { type: string; actor: object }[] } };
    }>(
      `query ($kid: String!) { signingKey(kid: $kid) { publicJwk
         history { nodes { type reason actor { type id } changes { field before after } } } } }`,
      { kid },
    );
    expect(Object.keys(signingKey.publicJwk).sort()).toEqual(['e', 'kty', 'n']);
    expect(signingKey.history.nodes).toMatchObject([
      {
        type: 'SigningKeyActivated',
        actor: { type: 'CLIENT', id: ADMIN_CLIENT },
        changes: [{ field: 'status', before: 'announced', after: 'active' }],
      },
      { type: 'SigningKeyGenerated', actor: { type: 'SYSTEM' } },
    ]);
    expect(JSON.stringify(signingKey)).toContain('[sealed]');
    for (const { keys } of await Promise.all(server.nodes.map((node) => jwks(node)))) {
      for (const key of keys) expect(key).not.toHaveProperty('d');
    }
  });

  test('have a life for each algorithm', async () => {
    const before = await keys('RS256');
    const { kid } = await rotate({ alg: 'ES256', emergency: true });
    expect((await keys('ES256')).map(({ status }) => status)).toEqual(['ACTIVE', 'RETIRED']);
    expect(await kids()).toContain(kid);
    expect(await keys('RS256')).toEqual(before);
  });

  /** What the rotation does when a key has signed for most of its time. */
  async function announce(alg: string): Promise<{ kid: string }> {
    return server.admin.run(async (context, _input, envelope) => {
      const { kid, act } = await generateSigningKey(alg, context.secrets, { activateAt: null });
      const { position } = await context.execute([act], envelope);
      return { kid, position };
    }, {});
  }
});
