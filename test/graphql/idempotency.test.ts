import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

const ADD = `mutation ($input: ClientSecretAddInput!) { clientSecretAdd(input: $input) {
  clientId secret secretId position userErrors { code field } } }`;

async function add(input: object): Promise<Data> {
  const { data } = await api.call(ADD, { input: { clientId: 'robot', ...input } });
  return data.clientSecretAdd;
}

async function count(type: string): Promise<number> {
  const { rows } = await api.pool.query(
    'select count(*)::int as count from log.events where type = $1',
    [type],
  );
  return rows[0].count;
}

test('a repetition is answered alike, with the secret, and happens no second time', async () => {
  const before = await count('ClientSecretAdded');
  const input = { idempotencyKey: 'k1', description: 'one' };
  const first = await add(input);
  expect(first).toMatchObject({ secret: expect.stringMatching(/^mun_/), userErrors: [] });
  expect(await add(input)).toEqual(first);
  expect(await count('ClientSecretAdded')).toBe(before + 1);
});

test('without a key, everything happens each time', async () => {
  const [one, two] = [await add({}), await add({})];
  expect(one.secret).not.toBe(two.secret);
});

test('parallel repetitions happen once', async () => {
  const before = await count('UserRegistered');
  const register = `mutation { userRegister(input: { username: "once", idempotencyKey: "k2" }) {
    sub userErrors { code } } }`;
  const replies = await Promise.all(Array.from({ length: 8 }, () => api.call(register)));
  const answers = replies.map(({ data }) => data.userRegister);
  expect(new Set(answers.map(({ sub }) => sub)).size).toBe(1);
  expect(answers.flatMap(({ userErrors }) => userErrors)).toEqual([]);
  expect(await count('UserRegistered')).toBe(before + 1);
});

describe('a key that was used before', () => {
  beforeAll(() => add({ idempotencyKey: 'k3' }));

  const mismatch = [{ code: 'IDEMPOTENCY_KEY_MISMATCH', field: 'idempotencyKey' }];

  test('with other arguments is refused', async () => {
    expect(await add({ idempotencyKey: 'k3', description: 'other' })).toMatchObject({
      secret: null,
      userErrors: mismatch,
    });
  });

  test('for another mutation is refused', async () => {
    const { data } = await api.call(`mutation { clientDisable(input: {
      clientId: "robot", idempotencyKey: "k3" }) { userErrors { code field } } }`);
    expect(data.clientDisable.userErrors).toEqual(mismatch);
  });

  test('by another caller is another key', async () => {
    const mutation = (query: string, token: string) =>
      api.fetch({
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
        body: JSON.stringify({ query }),
      });
    await api.call(`mutation { clientRegister(input: {
      clientId: "other", displayName: "Other", clientType: CONFIDENTIAL }) { clientId } }`);
    const { data } = await mutation(
      'mutation { clientSecretAdd(input: { clientId: "robot", idempotencyKey: "k3" }) { secret } }',
      await api.token({ clientId: 'other' }),
    );
    const mine = await add({ idempotencyKey: 'k3' });
    expect(data.clientSecretAdd.secret).toMatch(/^mun_/);
    expect(data.clientSecretAdd.secret).not.toBe(mine.secret);
  });
});

test('a refusal is not remembered: the key is free until the wish is granted', async () => {
  const enable = `mutation { clientEnable(input: { clientId: "later", idempotencyKey: "k4" }) {
    client { clientId } userErrors { code } } }`;
  expect((await api.call(enable)).data.clientEnable.userErrors).toEqual([{ code: 'NOT_FOUND' }]);
  await api.call(`mutation { clientRegister(input: {
    clientId: "later", displayName: "Later", clientType: CONFIDENTIAL }) { clientId } }`);
  expect((await api.call(enable)).data.clientEnable).toEqual({
    client: { clientId: 'later' },
    userErrors: [],
  });
});

test('a repetition under an expected version is answered, though the version has moved on', async () => {
  const { data } = await api.call('{ client(clientId: "later") { version } }');
  const disable = `mutation ($v: Int) { clientDisable(input: {
    clientId: "later", expectedVersion: $v, idempotencyKey: "k5" }) { position userErrors { code } } }`;
  const first = await api.call(disable, { v: data.client.version });
  const again = await api.call(disable, { v: data.client.version });
  expect(first.data.clientDisable.userErrors).toEqual([]);
  expect(again.data).toEqual(first.data);
});

test('after 24 hours a key may be used again', async () => {
  const first = await add({ idempotencyKey: 'k6' });
  const { rows } = await api.pool.query(
    `select expires_at from state.entries where model = 'IdempotencyKey' order by expires_at desc limit 1`,
  );
  const hours = (Date.parse(rows[0].expires_at) - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(23.9);
  expect(hours).toBeLessThanOrEqual(24);
  await api.pool.query(
    `update state.entries set expires_at = now() where model = 'IdempotencyKey'`,
  );
  const second = await add({ idempotencyKey: 'k6' });
  expect(second.secret).not.toBe(first.secret);
});

test('what is remembered cannot be read in the table', async () => {
  const { secret } = await add({ idempotencyKey: 'a key to look for' });
  const { rows } = await api.pool.query('select e::text as row from state.entries e');
  const text = rows.map(({ row }) => row).join('\n');
  expect(rows.length).toBeGreaterThan(0);
  expect(text).not.toContain(secret);
  expect(text).not.toContain('a key to look for');
});

test('an erasure that was cut short is finished by its repetition', async () => {
  const { data } = await api.call('mutation { userRegister(input: { username: "x" }) { sub } }');
  const { sub } = data.userRegister;
  const { rows } = await api.pool.query('select key from vault.subject_keys where sub = $1', [sub]);
  const erase = `mutation ($sub: String!) { userErase(input: { sub: $sub, idempotencyKey: "k7" }) {
    userErrors { code } } }`;
  await api.call(erase, { sub });
  // As if the server had ended between the record and the deed.
  await api.pool.query('update vault.subject_keys set key = $2 where sub = $1', [sub, rows[0].key]);
  expect((await api.call(erase, { sub })).data.userErase.userErrors).toEqual([]);
  const after = await api.pool.query('select key from vault.subject_keys where sub = $1', [sub]);
  expect(after.rows).toEqual([{ key: '' }]);
});

test.each(['', 'x'.repeat(256), 'käse'])('%j is no key', async (idempotencyKey) => {
  expect((await add({ idempotencyKey })).userErrors).toEqual([
    { code: 'INVALID', field: 'idempotencyKey' },
  ]);
});
