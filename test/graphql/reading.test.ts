import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { disableClient, registerClient } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import { disableUser, eraseUser, registerUser } from '../../src/commands/users.ts';
import { Cursors } from '../../src/projections/cursor.ts';
import { type Data, type Harness, openHarness } from './harness.ts';

const NAMES = ['Ada', 'Bob', 'Bob', 'Cy', 'Di', 'Eve', 'Flo'];

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
  for (const [nth, displayName] of NAMES.entries()) {
    const clientType = nth % 2 ? ('public' as const) : ('confidential' as const);
    const redirectUris = ['https://app.example/cb'];
    const input = { clientId: `c${nth}`, displayName, clientType, redirectUris };
    await registerClient(api.context, input, systemEnvelope());
  }
  await disableClient(api.context, { clientId: 'c3' }, systemEnvelope());
});

afterAll(() => api.close());

const PAGE = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount';

/** A page of the clients but the robot, by name. */
async function page(args: string): Promise<Data> {
  const { data, errors } = await api.call(`{ clients(${args}
    orderBy: { field: DISPLAY_NAME, direction: ASC }, filter: { query: "c" })
    { edges { cursor node { clientId } } nodes { clientId } ${PAGE} } }`);
  expect(errors).toBeUndefined();
  const { edges, nodes, ...rest } = data.clients;
  expect(edges.map(({ node }: Data) => node)).toEqual(nodes);
  return { ids: nodes.map(({ clientId }: Data) => clientId), ...rest };
}

describe('pages', () => {
  test('forwards, page by page, each entry once and in order', async () => {
    const seen: string[] = [];
    let after = '';
    for (let more = true; more; ) {
      const { ids, pageInfo, totalCount } = await page(`first: 3 ${after}`);
      expect(totalCount).toBe(7);
      expect(pageInfo.hasPreviousPage).toBe(seen.length > 0);
      seen.push(...ids);
      after = `after: "${pageInfo.endCursor}"`;
      more = pageInfo.hasNextPage;
    }
    expect(seen).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6']);
  });

  test('backwards, page by page', async () => {
    const last = await page('last: 3');
    expect(last.ids).toEqual(['c4', 'c5', 'c6']);
    expect(last.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const middle = await page(`last: 3, before: "${last.pageInfo.startCursor}"`);
    expect(middle.ids).toEqual(['c1', 'c2', 'c3']);
    expect(middle.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const first = await page(`last: 3, before: "${middle.pageInfo.startCursor}"`);
    expect(first.ids).toEqual(['c0']);
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  });

  test('an entry that comes or goes disturbs no page', async () => {
    const { pageInfo } = await page('first: 2');
    await registerClient(
      api.context,
      { clientId: 'c-new', displayName: 'Aaron', clientType: 'confidential' },
      systemEnvelope(),
    );
    expect((await page(`first: 2, after: "${pageInfo.endCursor}"`)).ids).toEqual(['c2', 'c3']);
    await api.call('mutation { clientRemove(input: { clientId: "c-new" }) { position } }');
  });

  test('a page after the last is empty', async () => {
    const { pageInfo } = await page('last: 1');
    const beyond = await page(`first: 1, after: "${pageInfo.endCursor}"`);
    expect(beyond).toMatchObject({
      ids: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
    });
  });

  test('latest first, where no order is asked for', async () => {
    const { data } = await api.call('{ clients(first: 2) { nodes { clientId } } }');
    expect(data.clients.nodes).toEqual([{ clientId: 'c6' }, { clientId: 'c5' }]);
  });

  test.each([
    ['first: 0', 'first'],
    ['first: -1', 'first'],
    ['first: 101', 'first'],
    ['last: 101', 'last'],
    ['first: 1, last: 1', 'last'],
    ['last: 1, after: "x"', 'after'],
    ['first: 1, before: "x"', 'before'],
    ['after: "forged"', 'after'],
    ['after: ""', 'after'],
  ])('refuse %s', async (args, field) => {
    const { errors } = await api.call(`{ clients(${args}) { totalCount } }`);
    expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field });
  });

  test('refuse a cursor that was tampered with, or is one of another list', async () => {
    const { pageInfo } = await page('first: 1');
    const [body = '', mac = ''] = pageInfo.startCursor.split('.');
    const place = JSON.parse(Buffer.from(body, 'base64url').toString());
    const other = Buffer.from(JSON.stringify(['Zoe', ...place.slice(1)])).toString('base64url');
    const borrowed = new Cursors(api.dependencies.secrets).seal('users created_at sub', ['x', 'y']);
    for (const cursor of [`${other}.${mac}`, body, `${body}.`, borrowed]) {
      const { data, errors } = await api.call(
        `{ clients(after: "${cursor}", orderBy: { field: DISPLAY_NAME, direction: ASC }) { totalCount } }`,
      );
      expect([data, errors?.[0]?.extensions.code]).toEqual([null, 'BAD_USER_INPUT']);
    }
    // The same list in another order is another list.
    const { errors } = await api.call(
      `{ clients(after: "${pageInfo.startCursor}") { totalCount } }`,
    );
    expect(errors?.[0]?.extensions.field).toBe('after');
  });
});

describe('filters', () => {
  test.each([
    ['{ query: "bob" }', ['c2', 'c1']],
    ['{ query: "C0" }', ['c0']],
    ['{ query: "%" }', []],
    ['{ query: "c_" }', []],
    ['{ clientType: PUBLIC, disabled: false }', ['c5', 'c1']],
    ['{ disabled: true }', ['c3']],
  ])('%s', async (filter, ids) => {
    const { data } = await api.call(
      `{ clients(filter: ${filter}) { nodes { clientId } totalCount } }`,
    );
    expect(data.clients).toEqual({
      nodes: ids.map((clientId) => ({ clientId })),
      totalCount: ids.length,
    });
  });

  test.each(['{ query: "a\\u0000" }', `{ query: "${'a'.repeat(201)}" }`])(
    'refuse %j',
    async (filter) => {
      const { errors } = await api.call(`{ clients(filter: ${filter}) { totalCount } }`);
      expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field: 'filter.query' });
    },
  );

  test('users, by exact name, role and state', async () => {
    const register = async (username: string, roles: string[] = []) =>
      (await registerUser(api.context, { username, roles }, systemEnvelope())).sub;
    const [ada, bob, cy] = [
      await register('ada', ['poet']),
      await register('bob'),
      await register('cy'),
    ];
    await disableUser(api.context, { sub: bob }, systemEnvelope());
    await eraseUser(api.context, { sub: cy }, systemEnvelope());
    const found = async (filter: string) => {
      const { data } = await api.call(`{ users(filter: ${filter}) { nodes { sub } } }`);
      return data.users.nodes.map(({ sub }: Data) => sub);
    };
    expect(await found('{ username: " ADA" }')).toEqual([ada]);
    expect(await found('{ username: "ad" }')).toEqual([]);
    expect(await found('{ role: "poet" }')).toEqual([ada]);
    expect(await found('{ disabled: true, erased: false }')).toEqual([bob]);
    expect(await found('{ erased: true }')).toEqual([cy]);
    expect(await found('{}')).toEqual([cy, bob, ada]);
  });

  test('scopes of a resource', async () => {
    const resource = 'https://api.example/';
    await defineApiResource(
      api.context,
      { identifier: resource, displayName: 'API' },
      systemEnvelope(),
    );
    for (const [name, resources] of [
      ['b', [resource]],
      ['a', [resource]],
      ['z', []],
    ] as const) {
      const scope = { name, displayName: name, resources: [...resources] };
      await defineScope(api.context, scope, systemEnvelope());
    }
    const { data } = await api.call(
      `{ scopes(filter: { resource: "${resource}" }) { nodes { name } } apiResources(filter: { query: "API.EX" }) { totalCount } }`,
    );
    expect(data).toEqual({
      scopes: { nodes: [{ name: 'a' }, { name: 'b' }] },
      apiResources: { totalCount: 1 },
    });
  });
});

describe('nodes', () => {
  test('every entity has an id that leads back to it', async () => {
    const { sub } = await registerUser(api.context, { username: 'node' }, systemEnvelope());
    const scope = { name: 'node', displayName: 'Node' };
    await defineScope(api.context, scope, systemEnvelope());
    const resource = { identifier: 'urn:node', displayName: 'Node' };
    await defineApiResource(api.context, resource, systemEnvelope());
    const { data } = await api.call(
      `query ($sub: String!) { client(clientId: "c0") { id __typename } scope(name: "node") { id __typename }
         apiResource(identifier: "urn:node") { id __typename } user(sub: $sub) { id __typename } }`,
      { sub },
    );
    const all = Object.values(data) as Data[];
    expect(new Set(all.map(({ id }) => id)).size).toBe(4);
    const again = await api.call('query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }', {
      ids: all.map(({ id }) => id),
    });
    expect(again.data.nodes).toEqual(all);
    expect(all.map(({ __typename }) => __typename)).toEqual([
      'Client',
      'Scope',
      'ApiResource',
      'User',
    ]);
  });

  test('an entity that is not there is null, and what is no id is refused', async () => {
    const id = (text: string) => Buffer.from(text).toString('base64url');
    const query = 'query ($id: ID!) { node(id: $id) { id } }';
    expect(await api.call(query, { id: id('Client:nobody') })).toMatchObject({
      data: { node: null },
    });
    for (const text of ['', 'Client:', 'Nothing:abc', 'constructor:x', 'Client:a\u0000']) {
      const { errors } = await api.call(query, { id: id(text) });
      expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
    }
  });

  test('a key that nothing can have finds nothing', async () => {
    const { data, errors } = await api.call(
      '{ client(clientId: "a\\u0000") { id } user(sub: "\\u0000") { sub } }',
    );
    expect([data, errors]).toEqual([{ client: null, user: null }, undefined]);
  });
});

describe('minPosition', () => {
  let late: Harness;
  let waitFor: (position: string) => Promise<void>;

  beforeAll(async () => {
    late = await openHarness({ waitFor: (position) => waitFor(position) });
  });

  afterAll(() => late.close());

  test.each([
    ['clients(minPosition: "17") { totalCount }', { totalCount: 2 }],
    [
      'client(clientId: "in-the-meantime", minPosition: "17") { clientId }',
      { clientId: 'in-the-meantime' },
    ],
  ])('%s reads only once it is reached', async (selection, expected) => {
    const waited: string[] = [];
    waitFor = async (position) => {
      waited.push(position);
      await registerClient(
        late.context,
        {
          clientId: 'in-the-meantime',
          displayName: 'x',
          clientType: 'public',
          redirectUris: ['https://a.example'],
        },
        systemEnvelope(),
      );
    };
    const { data } = await late.call(`{ found: ${selection} }`);
    expect(data.found).toEqual(expected);
    expect(waited).toEqual(['17']);
  });

  test('when it is not reached in time, the answer says so', async () => {
    waitFor = async () => {
      throw new Error('not within 5 s');
    };
    const { data, errors } = await late.call('{ users(minPosition: "17") { totalCount } }');
    expect(data).toBeNull();
    expect(errors?.[0]?.extensions).toEqual({ code: 'POSITION_NOT_REACHED' });
  });

  test('what is no position is refused', async () => {
    const { status, errors } = await late.call(
      'query ($p: Position) { users(minPosition: $p) { totalCount } }',
      { p: '1; drop table' },
    );
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  test('the position of a mutation is one', async () => {
    waitFor = async () => undefined;
    const { data } = await late.call(
      'mutation { clientDisable(input: { clientId: "in-the-meantime" }) { position } }',
    );
    const { position } = data.clientDisable;
    const { rows } = await late.pool.query('select max(position)::text as head from log.events');
    expect(BigInt(position)).toBe(BigInt(rows[0].head));
    const query =
      'query ($p: Position) { client(clientId: "in-the-meantime", minPosition: $p) { disabled } }';
    expect((await late.call(query, { p: position })).data.client).toEqual({ disabled: true });
  });
});
