import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { sweepBatch, sweepState } from '../../src/eventstore/sweep.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await migrateLog(pool);
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const fill = (expired: number) =>
  pool.query(
    `insert into state.entries (model, id, expires_at)
     select 'Probe', 'expired-' || n, now() - interval '2 minutes' from generate_series(1, $1) n
     union all values ('Probe', 'live', now() + interval '1 hour'), ('Probe', 'lasting', null)`,
    [expired],
  );
const left = async () =>
  (await pool.query('select id from state.entries order by id')).rows.map(({ id }) => id);

describe('sweeping technical rows', () => {
  test('takes the expired away, in batches, and leaves the others', async () => {
    await fill(600);
    expect(await sweepBatch(pool)).toBe(500);
    expect(await sweepBatch(pool)).toBe(100);
    expect(await sweepBatch(pool)).toBe(0);
    expect(await left()).toEqual(['lasting', 'live']);
    await pool.query('delete from state.entries');
  });

  test('goes on by itself until it is stopped', async () => {
    await fill(600);
    const stop = new AbortController();
    sweepState(pool, {
      signal: stop.signal,
      periodMs: 5,
      failed: (error) => {
        throw error;
      },
    });
    await until(async () => (await left()).length === 2);
    stop.abort();
  });
});
