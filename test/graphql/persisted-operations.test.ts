import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readOperations } from '../../src/graphql/persisted-operations.ts';
import { type Harness, openHarness } from './harness.ts';

const COUNT = 'query Count { clients { totalCount } }';
const ID = 'a1b2c3';
const folder = mkdtempSync(join(tmpdir(), 'muniment-operations-'));

const manifest = (content: unknown) => {
  const file = join(folder, `${crypto.randomUUID()}.json`);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};

afterAll(() => rmSync(folder, { recursive: true }));

describe('with a manifest of operations', () => {
  let api: Harness;
  let token: string;

  beforeAll(async () => {
    const listed = { format: 'apollo-persisted-query-manifest', version: 1 };
    const operations = [{ id: ID, name: 'Count', type: 'query', body: COUNT }];
    api = await openHarness({ operations: readOperations(manifest({ ...listed, operations })) });
    token = await api.token();
  });
  afterAll(() => api?.close());

  const send = (body: object) =>
    api.fetch({
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });

  test.each([
    ['named', { documentId: ID }],
    ['named as Apollo does', { extensions: { persistedQuery: { version: 1, sha256Hash: ID } } }],
    ['written out', { query: COUNT }],
  ])('a listed operation is executed: %s', async (_, body) => {
    const { data, errors } = await send(body);
    expect(errors).toBeUndefined();
    expect(data.clients.totalCount).toBeGreaterThan(0);
  });

  test.each([
    ['another one', { query: '{ users { totalCount } }' }],
    ['by an id that is not listed', { documentId: 'other' }],
    ['another one beside a listed id', { documentId: 'other', query: COUNT }],
    ['nothing', {}],
  ])('and no other is: %s', async (_, body) => {
    const { status, errors } = await send(body);
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions.code).toBe('PERSISTED_QUERY_NOT_FOUND');
  });

  test('a listed id is not overruled by what is written beside it', async () => {
    const { data } = await send({ documentId: ID, query: '{ users { totalCount } }' });
    expect(Object.keys(data)).toEqual(['clients']);
  });
});

test.each(['{', { operations: [] }, { operations: [{ id: ID }] }])(
  'what is no manifest is refused: %j',
  (content) => {
    expect(() => readOperations(manifest(content))).toThrow();
  },
);
