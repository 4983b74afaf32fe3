import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { LogUnavailable } from '../../src/eventstore/event-store.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { migrateReadModels, READ_SCHEMA } from '../../src/projections/apply.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { ProtocolReads } from '../../src/projections/protocol-reads.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

/** A database that holds these tokens and nothing else. */
function poolWith(digests: Set<string>): pg.Pool {
  const query = async ({ values: [keys] }: { values: [string[]] }) => ({
    rows: keys.filter((key) => digests.has(key)).map((key) => ({ key, version: '1', digest: key })),
  });
  return { query } as unknown as pg.Pool;
}

describe('a token that the read models do not know', () => {
  const readsOf = (digests: Set<string>, late: () => Promise<boolean>) =>
    new ProtocolReads(poolWith(digests), undefined, undefined, late);

  test('is looked for again when they hold what the log does', async () => {
    const digests = new Set<string>();
    const reads = readsOf(digests, async () => {
      digests.add('d');
      return true;
    });
    expect(await reads.token('d')).toMatchObject({ digest: 'd' });
    expect(await reads.token('other')).toBeUndefined();
  });

  test('is none where they always do', async () => {
    const digests = new Set<string>();
    const reads = readsOf(digests, async () => {
      digests.add('d');
      return false;
    });
    expect(await reads.token('d')).toBeUndefined();
  });

  test('is not called none while they are behind', async () => {
    const behind = new LogUnavailable('behind');
    const reads = readsOf(new Set(['known']), () => Promise.reject(behind));
    await expect(reads.token('d')).rejects.toBe(behind);
    expect(await reads.token('known')).toMatchObject({ digest: 'known' });
  });
});

describe('a token that was read before is the same until one of these changes:', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let reads: ProtocolReads;

  beforeAll(async () => {
    database = await createDatabase();
    pool = connectPostgres(database.connection);
    await migrateLog(pool);
    const client = await pool.connect();
    await migrateReadModels(client, READ_SCHEMA, protocolReadModels);
    client.release();
    reads = new ProtocolReads(pool);
    await insert('tokens', {
      digest: 'd',
      kind: 'access_token',
      grant_id: 'g',
      client_id: 'holder',
    });
    await insert('grants', { grant_id: 'g', client_id: 'app', sub: 'sub', session_uid: 'uid' });
    await insert('clients', { client_id: 'app' });
    await insert('clients', { client_id: 'holder' });
    await insert('users', { sub: 'sub' });
    await insert('sessions', { uid: 'uid', sub: 'sub' });
    await insert('session_clients', { uid: 'uid', client_id: 'app', grant_id: 'g' });
    await pool.query(
      "insert into state.entries (model, id, lookup) values ('Session', 'c', 'uid')",
    );
  });

  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  /** A row of which the rest is empty, or null where it may be. */
  async function insert(table: string, row: object): Promise<void> {
    const { rows } = await pool.query<{ name: string; type: string }>(
      `select column_name as name, data_type as type from information_schema.columns
       where table_schema = $1 and table_name = $2 and is_nullable = 'NO'`,
      [READ_SCHEMA, table],
    );
    const empty: Record<string, unknown> = { jsonb: [], integer: 0, boolean: false, text: '' };
    const whole = Object.fromEntries(
      rows.map(({ name, type }) => [name, empty[type] ?? '2026-01-01T00:00:00Z']),
    );
    await pool.query(
      `insert into ${READ_SCHEMA}.${table} select * from jsonb_populate_record(null::${READ_SCHEMA}.${table}, $1)`,
      [JSON.stringify({ ...whole, ...row })],
    );
  }

  const set = (table: string, where: string, value: string) =>
    `update ${READ_SCHEMA}.${table} set ${value} where ${where}`;

  test.each<[string, string, object]>([
    [
      'itself',
      set('tokens', "digest = 'd'", 'revoked_at = now()'),
      { revoked_at: expect.any(String) },
    ],
    [
      'its grant',
      set('grants', "grant_id = 'g'", 'revoked_at = now()'),
      {
        grant: expect.objectContaining({ revoked_at: expect.any(String) }),
      },
    ],
    [
      'its person',
      set('users', "sub = 'sub'", `roles = '["auditor"]'`),
      {
        user: expect.objectContaining({ roles: ['auditor'] }),
      },
    ],
    [
      'its session',
      set('sessions', "uid = 'uid'", 'ended_at = now()'),
      {
        session: expect.objectContaining({
          ended_at: expect.any(String),
          live: true,
          clients: [expect.anything()],
        }),
      },
    ],
    [
      'who is in the session',
      `delete from ${READ_SCHEMA}.session_clients`,
      {
        session: expect.objectContaining({ clients: [] }),
      },
    ],
    [
      'the cookies of the session',
      "delete from state.entries where model = 'Session'",
      {
        enabled: true,
        session: expect.objectContaining({ live: false }),
      },
    ],
    [
      'the client of the grant',
      set('clients', "client_id = 'app'", 'disabled_at = now()'),
      { enabled: false },
    ],
    [
      'who holds it',
      set('clients', "client_id = 'holder'", 'disabled_at = now()'),
      { enabled: false },
    ],
  ])('%s', async (_, change, then) => {
    await pool.query(set('clients', 'true', 'disabled_at = null'));
    const before = await reads.token('d');
    expect(before).not.toMatchObject(then);
    expect(await reads.token('d')).toBe(before);
    await pool.query(change);
    expect(await reads.token('d')).toMatchObject(then);
  });
});
