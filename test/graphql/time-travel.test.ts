import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemEnvelope } from '../../src/commands/command.ts';
import { generateCookieKey, rotateCookieKey } from '../../src/commands/cookie-keys.ts';
import { deviceAuthorization } from '../../src/domain/device-authorization.ts';
import { act } from '../../src/eventstore/execute.ts';
import { ProtocolReads } from '../../src/projections/protocol-reads.ts';
import { until } from '../support/until.ts';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

async function done(mutation: string, variables?: object): Promise<Data> {
  const { data, errors } = await api.call(mutation, variables);
  expect(errors).toBeUndefined();
  const [payload] = Object.values(data) as Data[];
  expect(payload.userErrors ?? []).toEqual([]);
  return payload;
}

async function asked(query: string, variables?: object): Promise<Data> {
  const { data, errors } = await api.call(query, variables);
  expect(errors).toBeUndefined();
  return data;
}

const changing = (mutation: string, input: string) =>
  done(`mutation { ${mutation}(input: ${input}) { position userErrors { message } } }`);

/** Everything there is to see, but for what only the present has. */
const EVERYTHING = `
  client(clientId: "shop", asOf: $at) { id version displayName redirectUris disabled properties changedAt
    tokenPolicy { accessTokenLifetime } secrets { secretId description }
    scopes { name displayName localizations { locale displayName } apiResources { identifier displayName } }
    history(first: 3) { totalCount nodes { type version } } }
  clients(orderBy: { field: DISPLAY_NAME, direction: DESC }, asOf: $at) {
    totalCount nodes { clientId displayName version } }
  disabled: clients(filter: { disabled: true }, asOf: $at) { totalCount nodes { clientId } }
  scope(name: "orders", asOf: $at) { id version displayName localizations { locale displayName } }
  scopes(filter: { query: "or" }, asOf: $at) { totalCount nodes { name displayName } }
  apiResources(asOf: $at) { totalCount nodes { identifier displayName createdAt } }
  users(filter: { disabled: false }, asOf: $at) { totalCount nodes { username roles version } }
  node(id: "${Buffer.from('Scope:orders').toString('base64url')}", asOf: $at) {
    id ... on Scope { displayName } }`;

describe('what is asked of the past is answered as it was answered then', () => {
  /** Answers of the present, with the position at which they were given. */
  const remembered: { position: string; answer: Data }[] = [];
  let user: string;

  async function remember(): Promise<void> {
    const { rows } = await api.pool.query('select max(position) as head from log.events');
    const answer = await asked(`query ($at: AsOf) { ${EVERYTHING} }`);
    remembered.push({ position: String(rows[0].head).padStart(20, '0'), answer });
  }

  beforeAll(async () => {
    await remember();
    await changing('apiResourceDefine', '{ identifier: "urn:orders", displayName: "Orders" }');
    await changing(
      'scopeDefine',
      '{ name: "orders", displayName: "Orders", resources: ["urn:orders"] }',
    );
    await remember();
    await changing(
      'clientRegister',
      `{ clientId: "shop", displayName: "Shop", clientType: CONFIDENTIAL, redirectUris: ["https://a.example"],
         permissions: { grantTypes: ["authorization_code"], responseTypes: ["code"], scopes: ["orders"] } }`,
    );
    await remember();
    await changing(
      'clientRedirectUrisChange',
      '{ clientId: "shop", redirectUris: ["https://b.example"] }',
    );
    await changing(
      'scopeLocalize',
      '{ name: "orders", locale: "de", text: { displayName: "Aufträge" } }',
    );
    ({ sub: user } = await done(
      'mutation { userRegister(input: { username: "ada" }) { sub userErrors { message } } }',
    ));
    await remember();
    await changing('clientDisable', '{ clientId: "shop", reason: "Abuse" }');
    await changing(
      'apiResourceRename',
      '{ identifier: "urn:orders", displayName: "Bestellungen" }',
    );
    await changing('userRolesChange', `{ sub: "${user}", roles: ["auditor"] }`);
    await remember();
    await changing('clientEnable', '{ clientId: "shop" }');
    await changing('clientSecretAdd', '{ clientId: "shop", description: "second" }');
    await remember();
    await changing('clientRemove', '{ clientId: "shop" }');
    await changing('scopeRemove', '{ name: "orders" }');
    await changing('userDisable', `{ sub: "${user}" }`);
    await remember();
  });

  test('of every entity and list, with all that hangs on them', async () => {
    const seen = new Set(remembered.map(({ answer }) => JSON.stringify(answer)));
    expect(seen.size).toBe(remembered.length);
    for (const { position, answer } of remembered) {
      const then = await asked(`query ($at: AsOf) { ${EVERYTHING} }`, { at: { position } });
      expect({ position, ...then }).toEqual({ position, ...answer });
    }
  });

  test('by time as well, as far as the log had got by then', async () => {
    const { rows } = await api.pool.query(
      `select position::text, metadata->>'at' as at from log.events e order by e.position`,
    );
    for (const { position, answer } of remembered) {
      const { at } = rows.find((row) => row.position.padStart(20, '0') === position);
      const query = `query ($at: AsOf) { shown: scopes(asOf: $at) { asOf { position time } } ${EVERYTHING} }`;
      const { shown, ...then } = await asked(query, { at: { time: at } });
      // Of what was decided in the same millisecond, the last counts.
      const last = rows.filter((row) => row.at <= at).at(-1);
      expect(shown.asOf).toEqual({ position: last.position.padStart(20, '0'), time: at });
      if (shown.asOf.position === position) expect(then).toEqual(answer);
    }
  });

  test('and says which moment it shows, on everything that hangs on it', async () => {
    const { position } = remembered[2] as (typeof remembered)[number];
    const query = `query ($at: AsOf) { client(clientId: "shop", asOf: $at) {
      asOf { position time } scopes { asOf { position } apiResources { asOf { position } } }
      history { asOf { position } } } }`;
    const { client } = await asked(query, { at: { position } });
    const [scope] = client.scopes;
    expect([
      client.asOf.position,
      scope.asOf.position,
      scope.apiResources[0].asOf.position,
      client.history.asOf.position,
    ]).toEqual([position, position, position, position]);
    const present = await asked('{ client(clientId: "robot") { asOf { position } } }');
    expect(present.client.asOf).toBeNull();
  });

  test('in pages, with cursors that are none of another moment’s list', async () => {
    const [, early, late] = remembered as [Data, Data, Data];
    const page = `query ($at: AsOf, $after: String) { scopes(first: 1, after: $after, asOf: $at,
      orderBy: { field: CREATED_AT, direction: DESC }) { nodes { name } pageInfo { endCursor hasNextPage } } }`;
    const first = await asked(page, { at: { position: early.position } });
    expect(first.scopes).toMatchObject({ nodes: [{ name: 'orders' }] });
    const after = first.scopes.pageInfo.endCursor;
    const next = await asked(page, { at: { position: early.position }, after });
    expect(next.scopes).toMatchObject({ nodes: [], pageInfo: { hasNextPage: false } });
    const { errors } = await api.call(page, { at: { position: late.position }, after });
    expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field: 'after' });
  });

  test('before there was anything, there is nothing', async () => {
    const query = `query ($at: AsOf) { clients(asOf: $at) { totalCount asOf { position time } }
      client(clientId: "robot", asOf: $at) { clientId } }`;
    const nothing = { clients: { totalCount: 0, asOf: expect.anything() }, client: null };
    expect(await asked(query, { at: { position: '0' } })).toEqual(nothing);
    const time = '1999-12-31T23:59:59.000Z';
    const { clients } = await asked(query, { at: { time } });
    expect(clients.asOf).toEqual({ position: '0'.repeat(20), time });
  });

  test('but of a person who was erased since, nothing personal', async () => {
    const { sub } = await done('mutation { userRegister(input: { username: "eve" }) { sub } }');
    const { position } = await changing('userRolesChange', `{ sub: "${sub}", roles: ["spy"] }`);
    const query = `query ($at: AsOf) { user(sub: "${sub}", asOf: $at) { username roles erasedAt } }`;
    const before = await asked(query, { at: { position } });
    expect(before.user).toEqual({ username: 'eve', roles: ['spy'], erasedAt: null });
    await changing('userErase', `{ sub: "${sub}" }`);
    const since = await asked(query, { at: { position } });
    expect(since.user).toEqual({ username: null, roles: ['spy'], erasedAt: null });
  });
});

describe('diff and blame', () => {
  const positions: string[] = [];

  beforeAll(async () => {
    const keep = async (mutation: string, input: string) =>
      positions.push((await changing(mutation, input)).position);
    await keep(
      'clientRegister',
      '{ clientId: "web", displayName: "Web", clientType: CONFIDENTIAL, redirectUris: ["https://a.example"] }',
    );
    await keep('clientDisable', '{ clientId: "web", reason: "Abuse" }');
    await keep(
      'clientRedirectUrisChange',
      '{ clientId: "web", redirectUris: ["https://b.example"] }',
    );
    await keep('clientEnable', '{ clientId: "web" }');
  });

  const diffed = async (from: object, to: object | null): Promise<Data> => {
    const query = `query ($from: AsOf!, $to: AsOf) { client(clientId: "web") { diff(from: $from, to: $to) {
      from { position time } to { position time } events changes { field before after } } } }`;
    return (await asked(query, { from, to })).client.diff;
  };

  test('say what is different between two moments, and leave out what was changed back', async () => {
    const [registered, disabled, moved, enabled] = positions;
    const uris = {
      field: 'redirectUris',
      before: ['https://a.example'],
      after: ['https://b.example'],
    };
    const all = await diffed({ position: registered }, { position: enabled });
    expect(all).toMatchObject({ events: 3, changes: [uris] });
    expect([all.from.position, all.to.position]).toEqual([registered, enabled]);
    expect((await diffed({ position: disabled }, { position: moved })).changes).toEqual([uris]);
    expect((await diffed({ position: disabled }, null)).changes).toEqual([
      uris,
      { field: 'status', before: 'disabled', after: 'enabled' },
    ]);
    const back = await diffed({ position: enabled }, { position: registered });
    expect(back.changes).toEqual([{ ...uris, before: uris.after, after: uris.before }]);
    const since = await diffed({ time: '2000-01-01T00:00:00Z' }, null);
    expect(since.changes).toContainEqual({ field: 'displayName', before: null, after: 'Web' });
  });

  test('name the event that set each field, now and at another moment', async () => {
    const query = `query ($at: AsOf) { client(clientId: "web", asOf: $at) {
      blame { field value event { type version actor { id } } } } }`;
    const { client } = await asked(query);
    const of = (field: string, from = client) =>
      from.blame.find((blame: Data) => blame.field === field);
    expect(of('displayName')).toEqual({
      field: 'displayName',
      value: 'Web',
      event: { type: 'ClientRegistered', version: 1, actor: { id: 'robot' } },
    });
    expect(of('redirectUris')).toMatchObject({
      value: ['https://b.example'],
      event: { type: 'ClientRedirectUrisChanged', version: 4 },
    });
    expect(of('status').event.type).toBe('ClientEnabled');
    const then = await asked(query, { at: { position: positions[1] } });
    expect(of('status', then.client)).toMatchObject({
      value: 'disabled',
      event: { type: 'ClientDisabled' },
    });
  });

  test('show that what is sealed changed, and not what it holds', async () => {
    const { sub } = await done(
      'mutation { userRegister(input: { username: "bob", claims: { name: "Bob" } }) { sub } }',
    );
    const { user } = await asked(`{ user(sub: "${sub}") {
      diff(from: { position: "0" }) { changes { field after } } blame { field value } } }`);
    const [diff, blame] = [user.diff.changes, user.blame];
    expect(diff).toContainEqual({ field: 'personal', after: '[sealed]' });
    expect(blame).toContainEqual({ field: 'personal', value: '[sealed]' });
  });
});

test('the status of a request is the one it had then', async () => {
  const expiresAt = new Date(Date.now() + 500).toISOString();
  const times = { requestedAt: new Date().toISOString(), expiresAt, interval: 5 };
  const data = { digest: 'd1', clientId: 'tv', scopes: [], parameters: {}, ...times };
  const wish = { type: 'RequestDeviceAuthorization', data } as const;
  const { position } = await api.dependencies.execute(
    [act(deviceAuthorization, 'd1', [wish])],
    systemEnvelope(),
  );
  await until(() => new Date().toISOString() > expiresAt);
  const query = `query ($at: AsOf) {
    deviceAuthorization(requestId: "d1", asOf: $at) { __typename status asOf { position } }
    deviceAuthorizations(filter: { clientId: "tv", status: PENDING }, asOf: $at) { nodes { status } } }`;
  expect(await asked(query)).toEqual({
    deviceAuthorization: { __typename: 'DeviceAuthorization', status: 'EXPIRED', asOf: null },
    deviceAuthorizations: { nodes: [] },
  });
  expect(await asked(query, { at: { position } })).toMatchObject({
    deviceAuthorization: { status: 'PENDING', asOf: { position } },
    deviceAuthorizations: { nodes: [{ status: 'PENDING' }] },
  });
});

test('the keys of cookies are those that were believed then, the one that signed first', async () => {
  const { context, pool } = api;
  const at = new Date().toISOString();
  const first = generateCookieKey(context.secrets, { activateAt: at });
  const ready = generateCookieKey(context.secrets, { activateAt: null });
  const { position } = await context.execute([first.act, ready.act], systemEnvelope());
  const live = await new ProtocolReads(pool).cookieKeys();
  const next = await rotateCookieKey(live)(context, { emergency: true }, systemEnvelope());
  const query = 'query ($at: AsOf) { cookieKeys(asOf: $at) { keyId retiredAt asOf { position } } }';
  const [signs, ...others] = (await asked(query)).cookieKeys;
  expect(signs).toEqual({ keyId: next.keyId, retiredAt: null, asOf: null });
  expect(others).toHaveLength(1);
  expect((await asked(query, { at: { position } })).cookieKeys).toEqual([
    { keyId: first.keyId, retiredAt: null, asOf: { position } },
    { keyId: ready.keyId, retiredAt: null, asOf: { position } },
  ]);
  const { cookieKey } = await asked(`{ cookieKey(keyId: "${first.keyId}") { version
    blame { field value event { type } } history { nodes { type } } } }`);
  expect(cookieKey).toEqual({
    version: 3,
    blame: [
      { field: 'secret', value: '[sealed]', event: { type: 'CookieKeyGenerated' } },
      { field: 'status', value: 'retired', event: { type: 'CookieKeyRetired' } },
    ],
    history: {
      nodes: ['Retired', 'Activated', 'Generated'].map((what) => ({ type: `CookieKey${what}` })),
    },
  });
});

describe('where a request came from', () => {
  const query =
    '{ client(clientId: "robot") { history { nodes { outcome source { address } } } } }';

  test('is told to those who may see what is personal', async () => {
    const robot = await asked(query);
    expect(robot.client.history.nodes).toContainEqual({ outcome: 'GRANTED', source: null });
    const { client } = await asked(
      '{ client(clientId: "web") { history { nodes { source { address userAgent } } } } }',
    );
    expect(client.history.nodes[0].source).toEqual({ address: '127.0.0.1', userAgent: 'node' });
  });

  test('and to nobody else', async () => {
    const { errors } = await api.call(query, {}, ['admin:clients:read']);
    expect(errors?.[0]?.extensions).toEqual({
      code: 'FORBIDDEN',
      requiredScopes: ['admin:personal:read'],
    });
  });
});

describe('a moment is refused', () => {
  const query = 'query ($at: AsOf) { clients(asOf: $at) { totalCount } }';
  test.each([
    [{ time: '2999-01-01T00:00:00Z' }, { code: 'BAD_USER_INPUT', field: 'asOf.time' }],
    [{ time: '2026-13-41T00:00:00Z' }, { code: 'BAD_USER_INPUT', field: 'asOf.time' }],
    [{ position: '1', time: '2026-01-01T00:00:00Z' }, { code: 'BAD_USER_INPUT' }],
    [{}, { code: 'BAD_USER_INPUT' }],
    [{ position: 'now' }, { code: 'BAD_USER_INPUT' }],
  ])('%j', async (at, extensions) => {
    const { errors } = await api.call(query, { at });
    expect(errors?.[0]?.extensions).toMatchObject(extensions);
  });

  test('that the log has not come to', async () => {
    const { reached } = api.dependencies.audit;
    Object.assign(api.dependencies.audit, { reached: async () => false });
    try {
      const { errors } = await api.call(query, { at: { position: '99999' } });
      expect(errors?.[0]?.extensions).toEqual({ code: 'POSITION_NOT_REACHED' });
    } finally {
      Object.assign(api.dependencies.audit, { reached });
    }
  });
});

describe('the cost of the past', () => {
  beforeAll(async () => {
    for (let nth = 0; nth < 60; nth += 20) {
      const many = Array.from(
        { length: 20 },
        (_, n) => `a${n}: scopeDefine(input: {
        name: "many-${String(nth + n).padStart(2, '0')}", displayName: "Many" }) { position }`,
      );
      await done(`mutation { ${many.join('\n')} }`);
    }
  });

  test('in SQL statements does not depend on the length of the list', async () => {
    const { rows } = await api.pool.query('select max(position)::text as position from log.events');
    const at = { position: rows[0].position };
    const query = `query ($n: Int!, $at: AsOf) { scopes(first: $n, filter: { query: "many" }, asOf: $at) {
      nodes { id version localizations { locale } history(first: 1) { totalCount } blame { field }
        diff(from: { position: "0" }) { events } } } }`;
    const count = (n: number) =>
      api.statements(async () => {
        const { scopes } = await asked(query, { n, at });
        expect(scopes.nodes).toHaveLength(n);
      });
    await count(1);
    const few = await count(2);
    expect(await count(50)).toBe(few);
  });

  test('is bounded: lists of more lives than can be told again are refused', async () => {
    await api.pool.query(`insert into audit_1.events
      select '1' || lpad(n::text, 19, '0'), now(), 'SessionStarted', 'key', n::text, 0, 'user', 'u', null, null, 'r', 'c', null
      from generate_series(1, 2001) n`);
    // Nothing has that position, but the index says what there would be to tell again.
    Object.assign(api.dependencies.audit, { reached: async () => true });
    const refused = await api.call(
      '{ signingKeys(asOf: { position: "19999999999999999999" }) { totalCount } }',
    );
    expect(refused.errors?.[0]?.extensions).toEqual({ code: 'TOO_MANY_TO_REPLAY' });
  });
});
