import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildSchema, getIntrospectionQuery, parse, validate } from 'graphql';
import { LogUnavailable } from '../../src/eventstore/event-store.ts';
import { depthLimit } from '../../src/graphql/limits.ts';
import { type Harness, openHarness, type Reply } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

const code = ({ errors }: Reply) => errors?.[0]?.extensions.code;

async function post(body: string, headers: Record<string, string> = {}): Promise<Reply> {
  const Authorization = `Bearer ${await api.token()}`;
  return api.fetch({
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization, ...headers },
    body,
  });
}

async function get(query: string, headers: Record<string, string> = {}): Promise<Reply> {
  const Authorization = `Bearer ${await api.token()}`;
  const search = `?query=${encodeURIComponent(query)}`;
  return api.fetch({ headers: { Authorization, ...headers } }, search);
}

const PREFLIGHT = { 'Apollo-Require-Preflight': 'yes' };

describe('what is asked must not', () => {
  test('be nested too deep, with fragments or without', () => {
    const schema = buildSchema('type Query { q: Query, n: Int }');
    const complaints = (query: string) => validate(schema, parse(query), [depthLimit(3)]).length;
    expect(complaints('{ q { q { n } } }')).toBe(0);
    expect(complaints('{ q { q { q { n } } } }')).toBe(1);
    expect(complaints('{ q { ...A } } fragment A on Query { q { n } }')).toBe(0);
    expect(
      complaints('{ q { ...A } } fragment A on Query { q { ... on Query { q { n } } } }'),
    ).toBe(1);
    expect(complaints('{ ...A } fragment A on Query { q { ...A } }')).toBe(0);
    expect(complaints('{ __schema { types { fields { type { name } } } } }')).toBe(0);
  });

  test('be nested too deep, in an operation that is sent', async () => {
    const { errors } = await api.call(`${'{ a '.repeat(13)}${'}'.repeat(13)}`);
    expect(errors?.map(({ message }) => message)).toContain(
      'the operation is nested 13 deep; at most 12 are allowed',
    );
  });

  test('have too many tokens', async () => {
    const reply = await api.call(`{ client(clientId: "robot") { ${'id '.repeat(2_000)} } }`);
    expect([reply.status, code(reply)]).toEqual([400, 'GRAPHQL_PARSE_FAILED']);
  });

  test('have too many aliases', async () => {
    const ask = (n: number) => {
      const fields = Array.from({ length: n }, (_, nth) => `a${nth}: id`);
      return api.call(`{ client(clientId: "robot") { ${fields.join(' ')} } }`);
    };
    expect((await ask(30)).errors).toBeUndefined();
    const reply = await ask(31);
    expect([reply.status, code(reply)]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
  });

  test('cost too much, whether the length of a page is written or a variable', async () => {
    const query = (n: string) => `query ($n: Int) { clients(first: ${n}) { nodes {
      clientId history(first: 20) { nodes { type at } } } } a: clients(first: $n) { totalCount } }`;
    const cheap = await api.call(query('2'));
    expect(cheap.errors).toBeUndefined();
    expect(cheap.extensions.cost).toEqual({ requested: expect.any(Number), maximum: 5_000 });
    expect(code(await api.call(query('100')))).toBe('QUERY_TOO_COMPLEX');
    expect(code(await api.call(query('$n'), { n: 100 }))).toBe('QUERY_TOO_COMPLEX');
    expect((await api.call(query('$n'), { n: 2 })).errors).toBeUndefined();
  });

  test('be unknown to the schema', async () => {
    const reply = await api.call('{ nonsense }');
    expect([reply.status, code(reply)]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
  });

  test('have variables of another type', async () => {
    const query = 'query ($n: Int) { clients(first: $n) { totalCount } }';
    const reply = await api.call(query, { n: 'many' });
    expect([reply.status, code(reply)]).toEqual([400, 'BAD_USER_INPUT']);
  });
});

describe('how it is asked', () => {
  test('a body that is too large', async () => {
    const reply = await post(JSON.stringify({ query: `{ a } # ${'x'.repeat(256 * 1024)}` }));
    expect([reply.status, code(reply)]).toEqual([413, 'BAD_REQUEST']);
  });

  test.each(['{', '', '\u0000'])('a body that is no JSON: %j', async (body) => {
    const reply = await post(body);
    expect([reply.status, code(reply)]).toEqual([400, 'BAD_REQUEST']);
  });

  test('a batch', async () => {
    const reply = await post(JSON.stringify([{ query: '{ clients { totalCount } }' }]));
    expect([reply.status, code(reply)]).toEqual([400, 'BAD_REQUEST']);
  });

  test('what a page elsewhere could send without asking first', async () => {
    expect((await get('{ clients { totalCount } }')).status).toBe(400);
    const body = JSON.stringify({ query: '{ clients { totalCount } }' });
    const reply = await post(body, { 'Content-Type': 'text/plain' });
    expect(reply.status).toBe(400);
    expect(reply.data).toBeUndefined();
  });

  test('a query by GET is answered, a mutation refused', async () => {
    expect((await get('{ clients { totalCount } }', PREFLIGHT)).data).toEqual({
      clients: { totalCount: 1 },
    });
    const reply = await get(
      'mutation { clientDisable(input: { clientId: "robot" }) { position } }',
      PREFLIGHT,
    );
    expect(reply.status).toBe(405);
    expect(
      (await api.call('{ client(clientId: "robot") { disabled } }')).data.client.disabled,
    ).toBe(false);
  });

  test('a persisted query', async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } };
    expect(code(await post(JSON.stringify({ extensions })))).toBe('PERSISTED_QUERY_NOT_SUPPORTED');
  });

  test('an answer is not kept by any cache, and tells its request', async () => {
    const { headers } = await api.call('{ clients { totalCount } }');
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(headers.get('X-Request-Id')).toMatch(/^[\w-]{36}$/);
  });

  test('what is not /graphql is passed on', async () => {
    const { status } = await fetch(new URL('/other', api.url));
    expect(status).toBe(404);
  });
});

describe('introspection', () => {
  const query = getIntrospectionQuery();

  test('needs a scope', async () => {
    const refused = await api.call(query, {}, ['admin:clients:read']);
    expect(refused.errors?.[0]?.extensions).toEqual({
      code: 'FORBIDDEN',
      requiredScopes: ['admin:schema:read'],
    });
    const hidden = '{ ...F } fragment F on Query { __type(name: "Client") { name } }';
    expect(code(await api.call(hidden, {}, ['admin:clients:read']))).toBe('FORBIDDEN');
    expect(
      (await api.call(query, {}, ['admin:schema:read'])).data.__schema.types.length,
    ).toBeGreaterThan(50);
    const named = await api.call('{ __typename }', {}, ['admin:clients:read']);
    expect(named.data).toEqual({ __typename: 'Query' });
  });

  test('is for everyone who may call, in development', async () => {
    const development = await openHarness({ development: true });
    try {
      const reply = await development.call(query, {}, ['admin:clients:read']);
      expect(reply.errors).toBeUndefined();
    } finally {
      await development.close();
    }
  });
});

describe('what goes wrong inside', () => {
  const QUERY = '{ client(clientId: "robot") { history { totalCount } } }';

  async function failing(error: Error): Promise<Reply> {
    const { store } = api.dependencies;
    const broken = { ...store, read: () => Promise.reject(error) };
    Object.assign(api.dependencies, { store: broken });
    try {
      return await api.call(QUERY);
    } finally {
      Object.assign(api.dependencies, { store });
    }
  }

  test('is told to the log, and to the caller only under which id', async () => {
    api.logged.length = 0;
    const error = Object.assign(new Error('disk of alice is full'), { detail: 'Key (x)=(alice)' });
    const { errors, headers } = await failing(error);
    const requestId = headers.get('X-Request-Id');
    expect(errors).toEqual([
      {
        message: 'internal server error',
        path: ['client', 'history'],
        locations: expect.anything(),
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
      },
    ]);
    expect(api.logged).toMatchObject([
      { level: 50, requestId, path: 'client.history', error: { message: 'disk of alice is full' } },
    ]);
    expect(JSON.stringify(api.logged)).not.toContain('Key (x)');
  });

  test('and will be well again, is told as such', async () => {
    expect(code(await failing(new LogUnavailable('gone')))).toBe('SERVICE_UNAVAILABLE');
  });

  test('before anybody was let in, too', async () => {
    const { pool } = api.dependencies;
    const away = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    await api.call('{ __typename }');
    Object.assign(api.dependencies, { pool: { query: () => Promise.reject(away) } });
    try {
      const reply = await api.call('{ __typename }');
      expect([reply.status, code(reply)]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    } finally {
      Object.assign(api.dependencies, { pool });
    }
  });

  test('nothing is said of what a caller got wrong', async () => {
    api.logged.length = 0;
    await api.call('{ nonsense }');
    await api.call('{ clients(first: 0) { totalCount } }');
    await api.call('{ clients { totalCount } }', {}, ['admin:users:read']);
    expect(api.logged).toEqual([]);
  });

  test('what takes too long is given up', async () => {
    const slow = await openHarness({ timeoutMs: 200, waitFor: () => new Promise(() => {}) });
    try {
      const reply = await slow.call('{ clients(minPosition: "1") { totalCount } }');
      expect([reply.status, code(reply)]).toEqual([503, 'TIMEOUT']);
    } finally {
      await slow.close();
    }
  });
});
