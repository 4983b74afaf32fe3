import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { disableClient } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { signIns } from '../../src/domain/sign-ins.ts';
import { act } from '../../src/eventstore/execute.ts';
import { AuditReadings } from '../../src/graphql/audit/readings.ts';
import { until } from '../support/until.ts';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;
let sub: string;

beforeAll(async () => {
  api = await openHarness();
  const { data, errors } = await api.call(`mutation {
    clientRegister(input: { clientId: "shop", displayName: "Shop", clientType: CONFIDENTIAL,
      redirectUris: ["https://a.example"] }) { position }
    clientDisable(input: { clientId: "shop", reason: "Abuse" }) { position }
    userRegister(input: { username: "ada", password: "analytical engine", claims: { name: "Ada" } }) { sub }
  }`);
  expect(errors).toBeUndefined();
  sub = data.userRegister.sub;
  await api.tokenFor(sub, { grantId: 'grant-1', sessionUid: 'session-1' });
  const data2 = { usernameDigest: 'd', sub, reason: 'wrong_password' } as const;
  const wish = { type: 'RecordSignInFailure', data: data2 } as const;
  await api.dependencies.execute([act(signIns, '2026-01-01', [wish])], systemEnvelope());
});

afterAll(() => api.close());

const FIELDS = `position at type category entity version outcome clientId subject requestId correlationId
  actor { type id } authentication eventId data`;

async function head(): Promise<string> {
  return api.dependencies.audit.head();
}

async function events(args: string, fields = FIELDS): Promise<Data> {
  const { data, errors } = await api.call(
    `query ($min: Position) { events(minPosition: $min, ${args}) {
      totalCount pageInfo { endCursor startCursor hasNextPage hasPreviousPage } nodes { ${fields} } } }`,
    { min: await head() },
  );
  expect(errors).toBeUndefined();
  return data.events;
}

const types = ({ nodes }: Data) => nodes.map(({ type }: Data) => type);

describe('events', () => {
  test('are all that the log has, latest first, with what they say', async () => {
    const before = await head();
    const { nodes } = await events('first: 100');
    const { rows } = await api.pool.query(
      `select lpad(position::text, 20, '0') as position, stream, revision, id, type, metadata from log.events
       where position <= $1 order by log.events.position desc`,
      [Number(before)],
    );
    expect(nodes.map(({ position }: Data) => position)).toEqual(
      rows.map(({ position }) => position),
    );
    nodes.forEach((node: Data, nth: number) => {
      const { stream, revision, id, type, metadata } = rows[nth];
      expect(node).toMatchObject({
        eventId: id,
        type,
        at: metadata.at,
        version: revision + 1,
        requestId: metadata.requestId,
        correlationId: metadata.$correlationId,
        authentication: metadata.authentication,
      });
      expect(`${node.category}-${node.entity}`).toBe(stream);
    });
    const disabled = nodes.find(({ type }: Data) => type === 'ClientDisabled');
    expect(disabled).toMatchObject({
      data: { reason: 'Abuse' },
      actor: { type: 'CLIENT', id: 'robot' },
      clientId: 'shop',
      subject: null,
    });
  });

  test('know client and person of what only their entity names', async () => {
    const { nodes } = await events('filter: { category: "grant", entity: "grant-1" }');
    expect(nodes.map((node: Data) => [node.type, node.clientId, node.subject])).toEqual([
      ['AccessTokenIssued', 'robot', sub],
      ['GrantOpened', 'robot', sub],
    ]);
  });

  test.each([
    ['{ actor: "robot", actorType: CLIENT, types: ["ClientDisabled"] }', ['ClientDisabled']],
    [
      '{ category: "client", entity: "shop" }',
      ['ClientDisabled', 'ClientSecretAdded', 'ClientRegistered'],
    ],
    [
      '{ clientId: "shop", types: ["ClientRegistered", "ClientDisabled"] }',
      ['ClientDisabled', 'ClientRegistered'],
    ],
    ['{ category: "session" }', ['SessionStarted']],
    ['{ until: "2000-01-01T00:00:00Z" }', []],
    ['{ since: "2999-01-01T00:00:00Z" }', []],
    ['{ since: "2000-01-01T00:00:00Z", types: ["SignInFailed"] }', ['SignInFailed']],
    ['{ correlationId: "nothing" }', []],
    ['{ address: "192.0.2.1" }', []],
    ['{ address: "127.0.0.1", types: ["PasswordSet"] }', ['PasswordSet']],
  ])('of %s', async (filter, expected) => {
    const found = await events(`filter: ${filter}`);
    expect([types(found), found.totalCount]).toEqual([expected, expected.length]);
  });

  test('about a person are those of all their entities', async () => {
    const found = await events(`filter: { subject: "${sub}" }`);
    expect(new Set(types(found))).toEqual(
      new Set([
        'UsernameClaimed',
        'UserRegistered',
        'PasswordSet',
        'SessionStarted',
        'GrantOpened',
        'AccessTokenIssued',
        'SignInFailed',
      ]),
    );
  });

  test('of one cause belong together', async () => {
    const [{ correlationId }] = (await events('filter: { types: ["PasswordSet"] }')).nodes;
    const caused = await events(`filter: { correlationId: "${correlationId}" }`);
    expect(types(caused)).toEqual(expect.arrayContaining(['PasswordSet', 'ClientDisabled']));
  });

  test('in pages, both ways', async () => {
    const filter = 'filter: { category: "client", entity: "shop" }';
    const newest = await events(`${filter}, first: 2`);
    expect([types(newest), newest.pageInfo.hasNextPage]).toEqual([
      ['ClientDisabled', 'ClientSecretAdded'],
      true,
    ]);
    const rest = await events(`${filter}, first: 2, after: "${newest.pageInfo.endCursor}"`);
    expect([types(rest), rest.pageInfo.hasNextPage]).toEqual([['ClientRegistered'], false]);
    const oldest = await events(`${filter}, last: 1`);
    expect(types(oldest)).toEqual(['ClientRegistered']);
  });

  test('tell that an attempt was refused', async () => {
    const { nodes } = await events('filter: { types: ["SignInFailed"] }');
    expect(nodes).toMatchObject([{ outcome: 'REFUSED', category: 'sign-ins', subject: sub }]);
  });

  test.each([
    ['{ category: "cleint" }', 'filter.category'],
    ['{ entity: "shop" }', 'filter.category'],
    ['{ actor: "a\\u0000" }', 'filter.actor'],
    ['{ since: "2026-13-01T00:00:00Z" }', 'filter.since'],
    [`{ types: ${JSON.stringify(Array(51).fill('A'))} }`, 'filter.types'],
  ])('are not searched by %s', async (filter, field) => {
    const { errors } = await api.call(`{ events(filter: ${filter}) { totalCount } }`);
    expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field });
  });
});

describe('what is secret or personal', () => {
  test('is not in what is shown to auditors', async () => {
    const { nodes } = await events('first: 100, filter: {}');
    const data = (type: string) => nodes.find((node: Data) => node.type === type).data;
    expect(data('UserRegistered')).toMatchObject({
      personal: '[sealed]',
      usernameDigest: '[sealed]',
    });
    expect(data('PasswordSet')).toEqual({ verifier: '[sealed]' });
    expect(data('ClientSecretAdded').digest).toBe('[sealed]');
    expect(data('SignInFailed').usernameDigest).toBe('[sealed]');
  });

  test('is told, as far as it is personal, to those who may see it', async () => {
    const query = `query ($min: Position) { events(minPosition: $min, filter: { types: ["UserRegistered"] }) {
      nodes { claims source { address userAgent } } } }`;
    const min = await head();
    const scopes = ['admin:audit:read', 'admin:personal:read'];
    expect((await api.call(query, { min }, scopes)).data.events.nodes).toEqual([
      {
        claims: { preferred_username: 'ada', name: 'Ada' },
        source: { address: '127.0.0.1', userAgent: 'node' },
      },
    ]);
    const { errors } = await api.call(query, { min }, ['admin:audit:read']);
    expect(errors?.[0]?.extensions.requiredScopes).toEqual(['admin:personal:read']);
  });

  test('the record itself is for auditors', async () => {
    const { errors } = await api.call('{ events { totalCount } }', {}, ['admin:users:read']);
    expect(errors?.[0]?.extensions.requiredScopes).toEqual(['admin:audit:read']);
  });

  test('is forgotten with the person: where they came from is not to be found again', async () => {
    const { data } = await api.call(
      'mutation { userRegister(input: { username: "eve" }) { sub } }',
    );
    const erased = data.userRegister.sub;
    const about = `filter: { address: "127.0.0.1", subject: "${erased}" }`;
    expect((await events(about)).totalCount).toBeGreaterThan(0);
    await api.call(`mutation { userErase(input: { sub: "${erased}" }) { position } }`);
    expect(types(await events(about))).toEqual([]);
    const [{ claims, source }] = (
      await events(
        `filter: { subject: "${erased}", types: ["UserRegistered"] }`,
        'claims source { address }',
      )
    ).nodes;
    // The administrator's address is not the person's.
    expect([claims, source]).toEqual([null, { address: '127.0.0.1' }]);
  });
});

describe('looking at the record', () => {
  const reads = async () =>
    (await events('first: 100, filter: { types: ["AuditRead"] }')).nodes.map(
      ({ data }: Data) => data,
    );

  test('is recorded, with what was asked for and no address', async () => {
    await events('first: 5, filter: { address: "192.0.2.7", category: "client" }');
    const read = (await reads()).find(({ filter }: Data) => filter.addressDigest);
    expect(read).toEqual({
      surface: 'events',
      filter: { category: 'client', addressDigest: expect.stringMatching(/^[0-9a-f]{64}$/) },
      reads: 1,
      events: 0,
    });
  });

  test('again and again is recorded together', async () => {
    const appended: Data[] = [];
    const execute = async (acts: readonly Data[]) => {
      appended.push(...acts.flatMap((each) => each.decide(null).facts));
      return { position: null, writes: [] };
    };
    const readings = new AuditReadings(execute, { windowMs: 20, failed: () => {} });
    const read = { surface: 'events', filter: { category: 'client' }, events: 3 } as const;
    for (let nth = 0; nth < 5; nth++) await readings.record(systemEnvelope(), read);
    await readings.record(systemEnvelope(), { ...read, filter: {} });
    const counts = () => appended.map(({ data }) => [data.filter, data.reads, data.events]);
    const first = [
      [{ category: 'client' }, 1, 3],
      [{}, 1, 3],
    ];
    expect(counts()).toEqual(first);
    await until(() => appended.length > 2);
    expect(counts()).toEqual([...first, [{ category: 'client' }, 4, 12]]);
    await readings.record(systemEnvelope(), read);
    await readings.record(systemEnvelope(), read);
    await readings.flush();
    expect(
      counts()
        .slice(3)
        .map(([, reads]) => reads),
    ).toEqual([1, 1]);
  });
});

describe('the cost', () => {
  beforeAll(async () => {
    for (let nth = 0; nth < 100; nth++) {
      const envelope = { ...systemEnvelope(), $correlationId: 'many' };
      const input = { clientId: 'shop', reason: 'again' };
      await api.call(`mutation { clientEnable(input: { clientId: "shop" }) { position } }`);
      await disableClient(api.context, input, envelope);
    }
  }, 30_000);

  test('in SQL statements does not depend on the length of the list', async () => {
    const min = await head();
    const query = `query ($n: Int!, $min: Position) { events(first: $n, minPosition: $min, filter: { category: "client" }) {
      totalCount nodes { eventId data source { address } authentication } } }`;
    const count = (n: number) =>
      api.statements(async () => {
        const { data } = await api.call(query, { n, min });
        expect(data.events.nodes).toHaveLength(n);
      });
    await count(1);
    const few = await count(2);
    expect(await count(100)).toBe(few);
  });

  test('of a search among many events is not that of reading them all', async () => {
    await api.pool.query(`insert into audit_1.events
      select '1' || lpad(n::text, 19, '0'), '2026-01-01'::timestamptz + n * interval '1 second',
        'Type' || n % 40, 'grant', 'g' || n / 10, n % 10, 'client', 'c' || n % 1000, 'c' || n % 1000,
        'u' || n % 5000, 'r' || n, 'r' || n, 'a' || n % 3000
      from generate_series(1, 60000) n`);
    await api.pool.query('analyze audit_1.events');
    const filters = [
      '{ actor: "c7" }',
      '{ actorType: OPERATOR }',
      '{ category: "grant", entity: "g44" }',
      '{ types: ["Type7"] }',
      '{ clientId: "c7" }',
      '{ subject: "u7" }',
      '{ correlationId: "r7" }',
      '{ address: "192.0.2.9" }',
      '{ since: "2026-01-01T02:00:00Z", until: "2026-01-01T02:00:30Z" }',
      '{ category: "user" }',
      '{}',
    ];
    const seen = new Set<string>();
    const { pool } = api.dependencies;
    const query = pool.query.bind(pool) as (...args: Data[]) => Promise<Data>;
    Object.assign(pool, {
      query: async (text: Data, values: Data) => {
        if (typeof text === 'string' && text.includes('select t.* from audit_1.events')) {
          const { rows } = await query(`explain ${text}`, values);
          const plan = rows.map((row: Data) => row['QUERY PLAN']).join('\n');
          if (/Seq Scan/.test(plan)) seen.add(`${text}\n${plan}`);
          else seen.add('an index');
        }
        return query(text, values);
      },
    });
    try {
      for (const filter of filters) {
        const { errors } = await api.call(`{ events(filter: ${filter}) { nodes { position } } }`);
        expect(errors).toBeUndefined();
      }
    } finally {
      Object.assign(pool, { query });
    }
    expect([...seen]).toEqual(['an index']);
    await api.pool.query(`delete from audit_1.events where position > '1'`);
  });
});
