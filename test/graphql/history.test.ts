import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

async function history(of: string, args = 'first: 100'): Promise<Data> {
  const { data, errors } = await api.call(`{ entity: ${of} { history(${args}) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes { eventId type version position at actor { type id } authentication requestId correlationId
      reason changes { field before after } } } } }`);
  expect(errors).toBeUndefined();
  return data.entity.history;
}

const change = (nodes: Data[], type: string) => nodes.find((node) => node.type === type)?.changes;

describe('of a client', () => {
  beforeAll(async () => {
    const { errors } = await api.call(`mutation {
      clientRegister(input: { clientId: "web", displayName: "Web", clientType: CONFIDENTIAL,
        redirectUris: ["https://a.example/cb"] }) { secret }
      clientRedirectUrisChange(input: { clientId: "web", redirectUris: ["https://b.example/cb"] }) { position }
      clientDisable(input: { clientId: "web", reason: "Abuse" }) { position }
      clientEnable(input: { clientId: "web" }) { position }
    }`);
    expect(errors).toBeUndefined();
  });

  test('says who did what and when, latest first', async () => {
    const { nodes, totalCount } = await history('client(clientId: "web")');
    expect(totalCount).toBe(5);
    expect(nodes.map(({ type, version }: Data) => [version, type])).toEqual([
      [5, 'ClientEnabled'],
      [4, 'ClientDisabled'],
      [3, 'ClientRedirectUrisChanged'],
      [2, 'ClientSecretAdded'],
      [1, 'ClientRegistered'],
    ]);
    const { rows } = await api.pool.query(
      `select id, position::text, metadata from log.events where stream = 'client-web' order by revision desc`,
    );
    nodes.forEach((node: Data, nth: number) => {
      expect(node).toMatchObject({
        eventId: rows[nth].id,
        position: rows[nth].position.padStart(20, '0'),
        at: rows[nth].metadata.at,
        actor: { type: 'CLIENT', id: 'robot' },
        authentication: 'bearer',
        requestId: rows[nth].metadata.requestId,
        correlationId: rows[nth].metadata.$correlationId,
      });
    });
  });

  test('says what changed, before and after, and why', async () => {
    const { nodes } = await history('client(clientId: "web")');
    expect(change(nodes, 'ClientRedirectUrisChanged')).toEqual([
      { field: 'redirectUris', before: ['https://a.example/cb'], after: ['https://b.example/cb'] },
    ]);
    expect(change(nodes, 'ClientDisabled')).toEqual([
      { field: 'status', before: 'enabled', after: 'disabled' },
    ]);
    expect(nodes[1].reason).toBe('Abuse');
    expect(nodes[0].reason).toBeNull();
    const registered = change(nodes, 'ClientRegistered');
    expect(registered).toContainEqual({ field: 'displayName', before: null, after: 'Web' });
    expect(registered).toContainEqual({ field: 'status', before: null, after: 'enabled' });
  });

  test('shows that there is a secret, not what would tell it', async () => {
    const { nodes } = await history('client(clientId: "web")');
    const { rows } = await api.pool.query(`select digest from ${READ_SCHEMA}.client_secrets`);
    expect(change(nodes, 'ClientSecretAdded')).toEqual([
      {
        field: 'secrets',
        before: [],
        after: [expect.objectContaining({ description: 'first secret', digest: '[sealed]' })],
      },
    ]);
    for (const { digest } of rows) expect(JSON.stringify(nodes)).not.toContain(digest);
  });

  test('in pages, both ways', async () => {
    const versions = ({ nodes }: Data) => nodes.map(({ version }: Data) => version);
    const newest = await history('client(clientId: "web")', 'first: 2');
    expect([versions(newest), newest.pageInfo.hasNextPage]).toEqual([[5, 4], true]);
    const older = await history(
      'client(clientId: "web")',
      `first: 3, after: "${newest.pageInfo.endCursor}"`,
    );
    expect([versions(older), older.pageInfo.hasNextPage]).toEqual([[3, 2, 1], false]);
    const oldest = await history('client(clientId: "web")', 'last: 2');
    expect([versions(oldest), oldest.pageInfo.hasPreviousPage]).toEqual([[2, 1], true]);
    const newer = await history(
      'client(clientId: "web")',
      `last: 2, before: "${oldest.pageInfo.startCursor}"`,
    );
    expect([versions(newer), newer.pageInfo.hasPreviousPage]).toEqual([[4, 3], true]);
    // What was changed is known although the page does not reach back to it.
    expect(newer.nodes[1].changes[0].before).toEqual(['https://a.example/cb']);
  });

  test('a cursor of another entity’s history is refused', async () => {
    const { pageInfo } = await history('client(clientId: "web")', 'first: 1');
    const { errors } = await api.call(
      `{ client(clientId: "robot") { history(after: "${pageInfo.endCursor}") { totalCount } } }`,
    );
    expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field: 'after' });
  });
});

test('of a user shows that what is sealed changed, and that it ended', async () => {
  const { data } = await api.call(`mutation { userRegister(input: {
    username: "ada", password: "analytical engine", claims: { name: "Ada Lovelace" } }) { sub } }`);
  const { sub } = data.userRegister;
  const { errors } = await api.call(
    `mutation ($sub: String!) {
      userClaimsChange(input: { sub: $sub, claims: { name: "Ada King" } }) { position }
      userRolesChange(input: { sub: $sub, roles: ["countess"] }) { position }
      userErase(input: { sub: $sub }) { position } }`,
    { sub },
  );
  expect(errors).toBeUndefined();

  const { nodes } = await history(`user(sub: "${sub}")`);
  const sealed = { before: '[sealed]', after: '[sealed]' };
  const made = { before: null, after: '[sealed]' };
  const gone = { before: '[sealed]', after: null };
  expect(change(nodes, 'UserRegistered')).toEqual([
    { field: 'status', before: null, after: 'enabled' },
    { field: 'roles', before: null, after: [] },
    { field: 'usernameDigest', ...made },
    { field: 'personal', ...made },
  ]);
  expect(change(nodes, 'PasswordSet')).toEqual([{ field: 'verifier', ...made }]);
  expect(change(nodes, 'UserClaimsChanged')).toEqual([{ field: 'personal', ...sealed }]);
  expect(change(nodes, 'UserRolesChanged')).toEqual([
    { field: 'roles', before: [], after: ['countess'] },
  ]);
  expect(change(nodes, 'UserErased')).toEqual([
    { field: 'status', before: 'enabled', after: 'erased' },
    { field: 'roles', before: ['countess'], after: [] },
    { field: 'usernameDigest', ...gone },
    { field: 'personal', ...gone },
    { field: 'verifier', ...gone },
  ]);
});

test('of a scope and an API resource', async () => {
  await api.call(`mutation {
    scopeDefine(input: { name: "s", displayName: "S" }) { position }
    scopeLocalize(input: { name: "s", locale: "de", text: { displayName: "Es" } }) { position }
    apiResourceDefine(input: { identifier: "urn:r", displayName: "R" }) { position }
    apiResourceRename(input: { identifier: "urn:r", displayName: "Q" }) { position } }`);
  const scope = await history('scope(name: "s")');
  expect(change(scope.nodes, 'ScopeLocalized')).toEqual([
    { field: 'localizations', before: {}, after: { de: { displayName: 'Es', description: '' } } },
  ]);
  const resource = await history('apiResource(identifier: "urn:r")');
  expect(change(resource.nodes, 'ApiResourceRenamed')).toEqual([
    { field: 'displayName', before: 'R', after: 'Q' },
  ]);
});

test('an administrator is an operator, whose address and user agent are sealed', async () => {
  const { data } = await api.call(
    'mutation { userRegister(input: { username: "boss", roles: ["administrator"] }) { sub } }',
  );
  const { sub } = data.userRegister;
  const token = await api.tokenFor(sub);
  await api.fetch({
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'Telltale/1.0',
      Authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({
      query: 'mutation { clientDisable(input: { clientId: "robot" }) { position } }',
    }),
  });
  const { rows } = await api.pool.query(
    `select metadata from log.events where stream = 'client-robot' order by revision desc limit 1`,
  );
  const [{ metadata }] = rows;
  expect(metadata.actor).toEqual({ type: 'operator', id: sub });
  expect(JSON.stringify(metadata)).not.toMatch(/Telltale|127\.0\.0\.1/);
  const source = JSON.parse(api.dependencies.secrets.open('source', metadata.source));
  expect(source.userAgent).toBe('Telltale/1.0');
  expect(source.address).toMatch(/127\.0\.0\.1$/);
});
