import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

async function mutate(mutation: 'signingKeyRotate' | 'signingKeyRetire', input: object) {
  const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
  const { data, errors } = await api.call(
    `mutation ($input: ${type}!) { ${mutation}(input: $input) {
       kid signingKey { kid alg status version } position userErrors { code field } } }`,
    { input },
  );
  expect(errors).toBeUndefined();
  return data[mutation];
}

async function statuses(filter: object = {}): Promise<Record<string, string>> {
  const { data } = await api.call(
    'query ($filter: SigningKeyFilter) { signingKeys(filter: $filter) { nodes { kid status } } }',
    { filter },
  );
  return Object.fromEntries(
    data.signingKeys.nodes.map(({ kid, status }: Data) => [kid, status as string]),
  );
}

test('a rotation leaves the former key active, and is done once with an idempotency key', async () => {
  const first = await mutate('signingKeyRotate', { alg: 'ES256' });
  const again = { alg: 'ES256', idempotencyKey: 'once' };
  const second = await mutate('signingKeyRotate', again);
  expect(second).toEqual({
    kid: expect.stringMatching(/^[\w-]{43}$/),
    signingKey: { kid: second.kid, alg: 'ES256', status: 'ACTIVE', version: 2 },
    position: expect.stringMatching(/^\d+$/),
    userErrors: [],
  });
  expect(await mutate('signingKeyRotate', again)).toEqual(second);
  expect(await statuses()).toEqual({ [first.kid]: 'ACTIVE', [second.kid]: 'ACTIVE' });
});

test('an emergency retires all others of the algorithm, and is done once with an idempotency key', async () => {
  const other = await mutate('signingKeyRotate', { alg: 'RS256', emergency: true });
  const former = Object.keys(await statuses({ alg: 'ES256' }));
  const input = { alg: 'ES256', emergency: true, idempotencyKey: 'emergency' };
  const { kid } = await mutate('signingKeyRotate', input);
  expect((await mutate('signingKeyRotate', input)).kid).toBe(kid);
  expect(await statuses({ status: 'ACTIVE' })).toEqual({ [kid]: 'ACTIVE', [other.kid]: 'ACTIVE' });
  expect(Object.keys(await statuses({ status: 'RETIRED' })).sort()).toEqual(former.sort());
  expect(await statuses({ status: 'ANNOUNCED' })).toEqual({});
});

test('a key is retired at the version that was seen, for a reason the history tells', async () => {
  const [doomed = ''] = Object.keys(await statuses({ alg: 'ES256', status: 'ACTIVE' }));
  await mutate('signingKeyRotate', { alg: 'ES256' });
  const input = { kid: doomed, reason: 'lost a disk' };
  expect(await mutate('signingKeyRetire', { ...input, expectedVersion: 1 })).toMatchObject({
    signingKey: { status: 'ACTIVE' },
    userErrors: [{ code: 'STALE_VERSION', field: 'expectedVersion' }],
  });
  expect(await mutate('signingKeyRetire', { ...input, expectedVersion: 2 })).toMatchObject({
    signingKey: { status: 'RETIRED', version: 3 },
    userErrors: [],
  });
  const { data } = await api.call(
    `query ($kid: String!) { signingKey(kid: $kid) { id
       history(first: 1) { nodes { type reason } } } }`,
    { kid: doomed },
  );
  expect(data.signingKey.history.nodes).toEqual([
    { type: 'SigningKeyRetired', reason: 'lost a disk' },
  ]);
  const node = await api.call('query ($id: ID!) { node(id: $id) { __typename } }', {
    id: data.signingKey.id,
  });
  expect(node.data.node).toEqual({ __typename: 'SigningKey' });
});

test('no algorithm is taken that the server does not sign with', async () => {
  for (const alg of ['none', 'HS256', 'es256', '']) {
    const { userErrors } = await mutate('signingKeyRotate', { alg });
    expect(userErrors).toEqual([{ code: 'INVALID', field: 'alg' }]);
  }
});

test('whoever may only read rotates nothing, and whoever may not read sees nothing', async () => {
  const before = await statuses();
  const denied = await api.call(
    'mutation { signingKeyRotate(input: { alg: "ES256" }) { position } }',
    {},
    ['admin:keys:read'],
  );
  expect(denied.errors?.[0]?.extensions).toMatchObject({
    code: 'FORBIDDEN',
    requiredScopes: ['admin:keys:write'],
  });
  const unseen = await api.call('{ signingKeys { totalCount } }', {}, ['admin:clients:read']);
  expect(unseen.errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
  expect(await statuses()).toEqual(before);
});
