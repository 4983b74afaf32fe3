import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { buildReadModels } from '../../src/projections/build.ts';
import { compareReadModels } from '../../src/projections/compare.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import type { AnyProjection, Projectable } from '../../src/projections/projection.ts';
import { dropSchema } from '../../src/projections/rebuild.ts';
import { streamOfRow } from '../../src/projections/spot-check.ts';
import { histories } from '../support/histories.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

const projections: readonly AnyProjection[] = protocolReadModels;

let database: TestDatabase;
let pool: pg.Pool;
let client: pg.PoolClient;
let store: EventStore;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await migrateLog(pool);
  client = await pool.connect();
  store = postgresEventStore({ pool });
});

afterAll(async () => {
  client.release();
  await store.close();
  await pool.end();
  await database.drop();
});

/** Makes the log hold a history and nothing else, and drops what was built of another. */
async function record(log: readonly Projectable[]): Promise<void> {
  await pool.query('truncate log.events');
  const events = log.map((event, nth) => ({
    ...event,
    position: nth + 1,
    id: randomUUID(),
    created: event.metadata.at,
  }));
  await pool.query(
    'insert into log.events select * from jsonb_populate_recordset(null::log.events, $1)',
    [JSON.stringify(events)],
  );
  for (const schema of ['whole', 'parts']) await dropSchema(pool, schema);
}

const build = (schema: string, more: { chunk?: number; signal?: AbortSignal } = {}) =>
  buildReadModels({ client, store, schema, projections, ...more });

const SIDES = { found: 'parts', expected: 'whole' };
const differences = () => compareReadModels(client, projections, SIDES);

describe('a build', () => {
  test('in several parts ends with the rows of one in a single part', async () => {
    await fc.assert(
      fc.asyncProperty(histories, fc.integer({ min: 1, max: 7 }), async (log, chunk) => {
        await record(log);
        expect(await build('whole')).toBe(log.length);
        expect(await build('parts', { chunk })).toBe(log.length);
        expect(await differences()).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  test('that was interrupted goes on where it was, and ends with the same rows', async () => {
    const [log = []] = fc
      .sample(histories, { numRuns: 40, seed: 7 })
      .sort((a, b) => b.length - a.length);
    await record(log);
    await build('whole');
    const stop = new AbortController();
    const built: number[] = [];
    const interrupted = buildReadModels({
      client,
      store,
      schema: 'parts',
      projections,
      chunk: 3,
      signal: stop.signal,
      progress({ events }) {
        built.push(events);
        if (events >= log.length / 2) stop.abort(new Error('interrupted'));
      },
    });
    await expect(interrupted).rejects.toThrow('interrupted');
    const before = built.at(-1) ?? 0;
    expect(before).toBeLessThan(log.length);
    expect(await build('parts', { chunk: 3 })).toBe(log.length - before);
    expect(await differences()).toEqual([]);
  });
});

test('a build that meets what it cannot project has ended with all that it writes', async () => {
  const [log = []] = fc
    .sample(histories, { numRuns: 40, seed: 7 })
    .sort((a, b) => b.length - a.length);
  const [last] = log.slice(-1) as [Projectable];
  const metadata = { ...last.metadata, schema: 99 };
  await record([...log, { ...last, revision: last.revision + 1, metadata }]);
  const built: number[] = [];
  const chunk = Math.ceil(log.length / 2);
  const failed = buildReadModels({
    client,
    store,
    schema: 'parts',
    projections,
    chunk,
    progress: ({ events }) => void built.push(events),
  });
  await expect(failed).rejects.toThrow('schema version 99');
  expect(built).toEqual([chunk]);
});

test('rows that have exchanged their values differ, those of one bucket too', async () => {
  const columns = { id: 'integer', word: 'integer' };
  const pairs: AnyProjection = { table: 'pairs', key: ['id'], columns, on: {} };
  await record([]);
  for (const schema of ['whole', 'parts']) {
    await buildReadModels({ client, store, schema, projections: [pairs] });
    await pool.query(`insert into ${schema}.pairs select n, n, 0 from generate_series(1, 20000) n`);
  }
  expect(await compareReadModels(client, [pairs], SIDES)).toEqual([]);
  const { rowCount } = await pool.query(`update parts.pairs set word = other from (
      select id, coalesce(lead(id) over bucket, first_value(id) over bucket) as other from parts.pairs
      window bucket as (partition by hash_record_extended(row(id), 0) & 4095 order by id)) o
    where pairs.id = o.id and other <> word`);
  expect(rowCount).toBeGreaterThan(19_000);
  expect(await compareReadModels(client, [pairs], SIDES)).toHaveLength(rowCount as number);
});

test('of every row it is known which stream tells of it', async () => {
  for (const log of fc.sample(histories, { numRuns: 10, seed: 3 })) {
    await record(log);
    await build('whole');
    const streams = new Set(log.map(({ stream }) => stream));
    for (const projection of projections) {
      const { rows } = await pool.query(`select * from whole.${projection.table}`);
      for (const row of rows) expect(streams).toContain(streamOfRow(projection, row));
    }
  }
});
