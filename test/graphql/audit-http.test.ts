import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;
let token: string;

beforeAll(async () => {
  api = await openHarness();
  token = await api.token({ scopes: ['admin:audit:read'] });
  await disableAndEnable(3);
});

afterAll(() => api.close());

/** Makes events: two each time. */
async function disableAndEnable(times: number): Promise<void> {
  const { errors } = await api.call('{ client(clientId: "shop") { id } }');
  expect(errors).toBeUndefined();
  const once = `clientDisable(input: { clientId: "shop" }) { position }
    %: clientEnable(input: { clientId: "shop" }) { position }`;
  await api.call(`mutation { clientRegister(input: { clientId: "shop", displayName: "Shop", clientType: PUBLIC,
    redirectUris: ["https://a.example"] }) { position } }`);
  const all = Array.from({ length: times }, (_, n) => `d${n}: ${once.replace('%', `e${n}`)}`);
  await api.call(`mutation { ${all.join('\n')} }`);
}

function get(path: string, headers: Record<string, string> = {}, as = token): Promise<Response> {
  return fetch(new URL(path, api.url), {
    headers: { authorization: `Bearer ${as}`, ...headers },
    signal: AbortSignal.timeout(20_000),
  });
}

async function lines(path: string, as?: string): Promise<Data[]> {
  const response = await get(path, {}, as);
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'application/x-ndjson',
  ]);
  const text = await response.text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const logged = async () => {
  const { rows } = await api.pool.query(
    `select lpad(position::text, 20, '0') as position, id, type, metadata from log.events e
     where type <> 'AuditRead' order by e.position`,
  );
  return rows;
};

describe('GET /audit/export', () => {
  test('is the whole log, a line for each event, in order', async () => {
    const exported = (await lines('/audit/export')).filter(({ type }) => type !== 'AuditRead');
    const rows = await logged();
    expect(exported.map(({ position, id, type }) => [position, id, type])).toEqual(
      rows.map(({ position, id, type }) => [position, id, type]),
    );
    expect(exported.find(({ type }) => type === 'ClientDisabled')).toMatchObject({
      category: 'client',
      entity: 'shop',
      clientId: 'shop',
      outcome: 'GRANTED',
      actor: { type: 'client', id: 'robot' },
      data: { reason: '' },
    });
  });

  test('of a period, by positions and by times, both included', async () => {
    const rows = await logged();
    const [first, last] = [rows[2], rows[5]];
    const byPosition = await lines(`/audit/export?from=${first.position}&to=${last.position}`);
    expect(byPosition.map(({ id }) => id)).toEqual(rows.slice(2, 6).map(({ id }) => id));
    const { at } = last.metadata;
    const byTime = await lines(`/audit/export?to=${at}`);
    const until = rows.filter(({ metadata }) => metadata.at <= at);
    expect(byTime.map(({ id }) => id)).toEqual(until.map(({ id }) => id));
    const since = await lines(`/audit/export?from=${at}&types=ClientEnabled`);
    const wanted = rows.filter(
      ({ type, metadata }) => type === 'ClientEnabled' && metadata.at >= at,
    );
    expect(since.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
  });

  test('as CloudEvents', async () => {
    const [event] = await lines(
      '/audit/export?format=cloudevents&types=ClientRegistered&entity=shop&category=client',
    );
    expect(event).toEqual({
      specversion: '1.0',
      id: expect.any(String),
      source: 'https://id.example',
      type: 'muniment.ClientRegistered',
      subject: 'client/shop',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      datacontenttype: 'application/json',
      clientid: 'shop',
      position: expect.stringMatching(/^\d{20}$/),
      actortype: 'client',
      actorid: 'robot',
      correlationid: expect.any(String),
      requestid: expect.any(String),
      data: expect.objectContaining({ displayName: 'Shop' }),
    });
    // CloudEvents 1.0 §3.1: names of attributes are lower-case letters and digits.
    expect(Object.keys(event).filter((name) => !/^[a-z0-9]{1,20}$/.test(name))).toEqual([]);
  });

  test('tells what is personal to those who ask for it and may see it', async () => {
    const path = '/audit/export?types=ClientDisabled&personal=true';
    const refused = await get(path);
    expect(refused.status).toBe(403);
    const may = await api.token({ scopes: ['admin:audit:read', 'admin:personal:read'] });
    const [event] = await lines(path, may);
    expect(event.personal).toEqual({
      source: { address: '127.0.0.1', userAgent: 'node' },
      claims: null,
    });
    expect((await lines('/audit/export?types=ClientDisabled'))[0]).not.toHaveProperty('personal');
  });

  test('is recorded', async () => {
    await lines('/audit/export?types=ClientRemoved');
    const { rows } = await api.pool.query(`select data from log.events where type = 'AuditRead'`);
    expect(rows.map(({ data }) => data)).toContainEqual({
      surface: 'export',
      filter: { types: ['ClientRemoved'] },
      reads: 1,
      events: 0,
    });
  });

  test.each([
    ['/audit/export?format=xml', 'format: must be one of jsonl, cloudevents'],
    ['/audit/export?from=yesterday', 'from: is no date'],
    ['/audit/export?sience=2026-01-01', 'sience: no such parameter'],
    ['/audit/stream?category=cleint', expect.stringContaining('filter.category: must be one of')],
  ])('refuses %s', async (path, message) => {
    const response = await get(path);
    expect(response.status).toBe(400);
    const body = (await response.json()) as Data;
    expect(body.errors[0]).toMatchObject({
      message,
      extensions: { code: 'BAD_USER_INPUT' },
    });
  });

  test('is for auditors', async () => {
    const other = await api.token({ scopes: ['admin:clients:read'] });
    expect((await get('/audit/export', {}, other)).status).toBe(403);
    expect((await get('/audit/stream', {}, 'nonsense')).status).toBe(401);
  });
});

describe('GET /audit/stream', () => {
  /** Reads messages until there are so many, and hangs up. */
  async function messages(path: string, count: number, headers?: Record<string, string>) {
    const response = await get(path, headers);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const found: Record<string, string>[] = [];
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2));
        const message = Object.fromEntries(fields);
        if (message.data) found.push(message);
      }
      if (found.length >= count) break;
    }
    return found.slice(0, count);
  }

  test('tells what happened since a position, goes on live, and is resumed where it broke off', async () => {
    const before = (await logged()).at(-1).position;
    const stream = messages(`/audit/stream?category=client&after=${before}`, 4);
    await disableAndEnable(1);
    await disableAndEnable(1);
    const heard = await stream;
    expect(heard.map(({ event }) => event)).toEqual([
      'ClientDisabled',
      'ClientEnabled',
      'ClientDisabled',
      'ClientEnabled',
    ]);
    expect(JSON.parse(heard[0]?.data ?? '')).toMatchObject({
      position: heard[0]?.id,
      entity: 'shop',
    });
    const resumed = await messages('/audit/stream?category=client', 2, {
      'last-event-id': heard[1]?.id ?? '',
    });
    expect(resumed.map(({ id }) => id)).toEqual(heard.slice(2).map(({ id }) => id));
  });

  test('begins with what comes next', async () => {
    const stream = messages('/audit/stream?types=ClientDisabled', 1);
    const { rows } = await api.pool.query('select max(position)::text as head from log.events');
    await disableAndEnable(1);
    const [message] = await stream;
    expect(BigInt(message?.id ?? 0)).toBeGreaterThan(BigInt(rows[0].head) - 1n);
  });
});
