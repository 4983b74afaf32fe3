import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listen } from '../../src/platform/listen.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { attend } from '../../src/projections/versions.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test.each([
  ['who listens', (pool, signal) => listen(pool, 'news', () => undefined, signal)],
  ['who attends', (pool, signal) => void attend(pool, signal, 'a').catch(() => undefined)],
] satisfies [string, (pool: ReturnType<typeof connectPostgres>, signal: AbortSignal) => void][])(
  '%s lets go of a connection that is still being made when it is over',
  async (_, hold) => {
    const pool = connectPostgres(database.connection);
    const over = new AbortController();
    hold(pool, over.signal);
    over.abort();
    await pool.end();
    expect(pool.totalCount).toBe(0);
  },
  5_000,
);
