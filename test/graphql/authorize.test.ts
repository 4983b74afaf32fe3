import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { disableClient, registerClient, removeClient } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { disableUser, registerUser } from '../../src/commands/users.ts';
import { grant } from '../../src/domain/grant.ts';
import { session } from '../../src/domain/session.ts';
import { clientToken } from '../../src/domain/token.ts';
import { act } from '../../src/eventstore/execute.ts';
import { digest } from '../../src/platform/secrets.ts';
import { type Harness, openHarness, type Reply } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

const QUESTION = '{ clients { totalCount } }';

function ask(headers: Record<string, string>, search?: string): Promise<Reply> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ query: QUESTION }),
  };
  return api.fetch(init, search);
}

const askWith = (token: string) => ask({ Authorization: `Bearer ${token}` });

async function person(roles: string[]): Promise<string> {
  const input = { username: `person-${Math.random()}`, roles };
  return (await registerUser(api.context, input, systemEnvelope())).sub;
}

async function client(clientId: string): Promise<string> {
  await registerClient(
    api.context,
    { clientId, displayName: clientId, clientType: 'confidential' },
    systemEnvelope(),
  );
  return clientId;
}

test('a token of this server, for this API, is let in', async () => {
  const { status, data } = await askWith(await api.token());
  expect([status, data]).toEqual([200, { clients: { totalCount: 1 } }]);
});

describe('before GraphQL runs, with a challenge, are refused', () => {
  const cases: Record<string, [() => Promise<Reply>, string?]> = {
    'no token': [() => ask({})],
    'another scheme': [() => ask({ Authorization: 'Basic cm9ib3Q6c2VjcmV0' })],
    'a token in the query': [async () => ask({}, `?access_token=${await api.token()}`)],
    'a token nobody issued': [() => askWith('nobody-issued-this'), 'not known'],
    'a JWT': [() => askWith('eyJhbGciOiJub25lIn0.e30.'), 'takes no JWT'],
    'a token of the JWT format': [
      async () => askWith(await api.token({ format: 'jwt' })),
      'not known',
    ],
    'a token for another audience': [
      async () => askWith(await api.token({ audience: 'https://api.example' })),
      'not for urn:muniment:admin',
    ],
    'a token for no audience': [
      async () => askWith(await api.token({ audience: null })),
      'not for',
    ],
    'an expired token': [
      async () => askWith(await api.token({ expiresAt: new Date(Date.now() - 1).toISOString() })),
      'expired',
    ],
    'a token bound to a DPoP key': [
      async () => askWith(await api.token({ parameters: { jkt: 'thumbprint' } })),
      'bound to a key',
    ],
    'a token bound to a certificate': [
      async () => askWith(await api.token({ parameters: { 'x5t#S256': 'thumbprint' } })),
      'bound to a key',
    ],
    'a revoked token': [
      async () => {
        const token = await api.token();
        const revoke = { type: 'RevokeClientToken', data: { digest: digest(token) } } as const;
        await api.context.execute([act(clientToken, digest(token), [revoke])], systemEnvelope());
        return askWith(token);
      },
      'revoked',
    ],
    'a token of a disabled client': [
      async () => {
        const token = await api.token({ clientId: await client('sleeper') });
        await disableClient(api.context, { clientId: 'sleeper' }, systemEnvelope());
        return askWith(token);
      },
      'client is disabled',
    ],
    'a token of a removed client': [
      async () => {
        const token = await api.token({ clientId: await client('gone') });
        await removeClient(api.context, { clientId: 'gone' }, systemEnvelope());
        return askWith(token);
      },
      'client is disabled',
    ],
    'a token for a person who is no operator': [
      async () => askWith(await api.tokenFor(await person(['accountant']))),
      'is no operator',
    ],
    'a token for a person nobody knows': [
      async () => askWith(await api.tokenFor('usr_nobody')),
      'user is disabled',
    ],
    'a token for a disabled administrator': [
      async () => {
        const sub = await person(['administrator']);
        const token = await api.tokenFor(sub);
        await disableUser(api.context, { sub }, systemEnvelope());
        return askWith(token);
      },
      'user is disabled',
    ],
    'a token of a revoked grant': [
      async () => {
        const sub = await person(['administrator']);
        const token = await api.tokenFor(sub, { grantId: 'ended' });
        const revoke = { type: 'RevokeGrant', data: { reason: 'administrator' } } as const;
        await api.context.execute([act(grant, 'ended', [revoke])], systemEnvelope());
        return askWith(token);
      },
      'revoked',
    ],
    'a token of an ended session': [
      async () => {
        const sub = await person(['administrator']);
        const token = await api.tokenFor(sub, { sessionUid: 'over' });
        const end = { type: 'EndSession', data: { reason: 'signed_out' } } as const;
        await api.context.execute([act(session, 'over', [end])], systemEnvelope());
        return askWith(token);
      },
      'revoked',
    ],
  };

  test.each(Object.entries(cases))('%s', async (_, [attempt, why]) => {
    const { status, headers, data, errors } = await attempt();
    expect(status).toBe(401);
    expect(data).toBeUndefined();
    expect(errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED');
    const challenge = headers.get('WWW-Authenticate') ?? '';
    if (why) expect(challenge).toMatch(/^Bearer realm=".+", error="invalid_token"/);
    else expect(challenge).toBe('Bearer realm="https://id.example"');
    expect(challenge).toContain(why ?? '');
  });

  test('a header with two tokens, as a bad request', async () => {
    const { status, headers } = await ask({ Authorization: 'Bearer one two' });
    expect(status).toBe(400);
    expect(headers.get('WWW-Authenticate')).toContain('error="invalid_request"');
  });
});

test('an administrator is let in while all is well with them', async () => {
  const sub = await person(['administrator']);
  expect((await askWith(await api.tokenFor(sub))).data.clients.totalCount).toBeGreaterThan(0);
});

describe('without the scope a field requires', () => {
  test('the field is refused, and the answer names the scope', async () => {
    const { status, errors } = await api.call(QUESTION, {}, ['admin:users:read']);
    expect(status).toBe(200);
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.extensions).toEqual({
      code: 'FORBIDDEN',
      requiredScopes: ['admin:clients:read'],
    });
  });

  test('reading does not allow writing', async () => {
    const mutation = `mutation { clientDisable(input: { clientId: "robot" }) { position } }`;
    const { errors } = await api.call(mutation, {}, ['admin:clients:read']);
    expect(errors?.[0]?.extensions.requiredScopes).toEqual(['admin:clients:write']);
    const { rows } = await api.pool.query(`select 1 from log.events where type = 'ClientDisabled'
      and stream = 'client-robot'`);
    expect(rows).toEqual([]);
  });

  test('writing does not allow reading', async () => {
    const mutation = `mutation { clientEnable(input: { clientId: "robot" }) {
      clientId client { displayName } userErrors { code } } }`;
    const { data, errors } = await api.call(mutation, {}, ['admin:clients:write']);
    expect(data.clientEnable).toEqual({ clientId: 'robot', client: null, userErrors: [] });
    expect(errors?.[0]?.extensions.requiredScopes).toEqual(['admin:clients:read']);
  });

  test('what leads to another entity is refused', async () => {
    const query = '{ client(clientId: "robot") { clientId scopes { name } } }';
    const { errors } = await api.call(query, {}, ['admin:clients:read']);
    expect(errors?.[0]?.extensions.requiredScopes).toEqual(['admin:scopes:read']);
  });

  test('a node is refused by its kind', async () => {
    const { data } = await api.call('{ client(clientId: "robot") { id } }');
    const query = 'query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }';
    const allowed = await api.call(query, data.client, ['admin:clients:read']);
    expect(allowed.data).toEqual({ node: data.client, nodes: [data.client] });
    const { errors } = await api.call(query, data.client, ['admin:users:read']);
    expect(errors?.map(({ extensions }) => extensions.requiredScopes)).toEqual([
      ['admin:clients:read'],
      ['admin:clients:read'],
    ]);
  });
});

describe('nobody hands out more of this API than they have', () => {
  const WRITERS = ['admin:clients:write', 'admin:users:write', 'admin:scopes:write'];
  const OTHERS = [...WRITERS, 'admin:resources:write'];

  const register = (scopes: string[]) => `mutation { clientRegister(input: {
    displayName: "Ladder", clientType: CONFIDENTIAL,
    permissions: { grantTypes: ["client_credentials"], responseTypes: [], scopes: ${JSON.stringify(scopes)} }
  }) { clientId userErrors { code } } }`;

  test.each([
    [
      'a client that may ask for a scope one has not',
      register(['admin:users:read']),
      'admin:users:read',
    ],
    ['a client that may ask for everything', register(['*']), 'admin:*'],
    [
      'a secret for a client that may ask for more',
      'mutation { clientSecretAdd(input: { clientId: "mighty" }) { secret } }',
      'admin:*',
    ],
    [
      'new permissions for oneself',
      `mutation { clientPermissionsChange(input: { clientId: "robot", permissions: {
        grantTypes: ["client_credentials"], responseTypes: [], scopes: ["admin:*"] } }) { clientId } }`,
      'admin:*',
    ],
    [
      'the role of an owner',
      'mutation { userRegister(input: { username: "climber", roles: ["owner"] }) { sub } }',
      'admin:*',
    ],
    [
      'a role that allows what one may not',
      'mutation { userRegister(input: { username: "climber", roles: ["administrator"] }) { sub } }',
      'admin:keys:write',
    ],
    [
      'a scope of this API',
      'mutation { scopeRemove(input: { name: "admin:users:read" }) { name } }',
      'admin:users:read',
    ],
    [
      'how tokens of this API are made',
      `mutation { apiResourceTokenPolicyChange(input: { identifier: "urn:muniment:admin",
        tokenPolicy: { accessTokenFormat: JWT } }) { identifier } }`,
      'admin:*',
    ],
  ])('%s', async (_, mutation, scope) => {
    await registerClient(
      api.context,
      {
        clientId: 'mighty',
        displayName: 'Mighty',
        clientType: 'confidential',
        permissions: {
          grantTypes: ['client_credentials'],
          responseTypes: [],
          scopes: ['admin:*'],
        },
      },
      systemEnvelope(),
    ).catch(() => undefined);
    const { data, errors } = await api.call(mutation, {}, OTHERS);
    expect(data).toBeNull();
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
    expect(errors?.[0]?.message).toContain(scope);
  });

  test('an owner’s password', async () => {
    const sub = await person(['owner']);
    const mutation = `mutation ($sub: String!) {
      userPasswordSet(input: { sub: $sub, password: "correct horse battery" }) { sub } }`;
    const { errors } = await api.call(mutation, { sub }, WRITERS);
    expect(errors?.[0]?.extensions).toEqual({ code: 'FORBIDDEN', requiredScopes: ['admin:*'] });
    const allowed = await api.call(mutation, { sub });
    expect(allowed.errors).toBeUndefined();
  });

  test('what one has, one may hand out', async () => {
    const { data } = await api.call(register(['admin:clients:write', 'orders']), {}, WRITERS);
    expect(data.clientRegister.userErrors).toEqual([]);
  });
});
