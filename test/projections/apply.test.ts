import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { applyEvents, readModelSql } from '../../src/projections/apply.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { newEvent } from '../support/log-events.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

interface DeedRow {
  readonly deed: string;
  readonly part: number;
  readonly text: string | null;
  readonly seals: readonly string[];
  readonly dated: string | null;
}

type DeedFacts = {
  DeedWritten: { part: number; text: string; seals: string[]; dated: string | null };
  DeedCorrected: { part: number; text: string | null };
  DeedBurnt: { part: number };
};

const deeds: Projection<DeedRow, 'deed' | 'part', DeedFacts> = {
  table: 'deeds',
  key: ['deed', 'part'],
  columns: {
    deed: 'text',
    part: 'integer',
    text: 'text',
    seals: 'jsonb not null',
    dated: 'timestamptz',
  },
  indexes: ['(dated)'],
  on: {
    DeedWritten: ({ data, id }) => [{ put: { deed: id, ...data } }],
    DeedCorrected: ({ data, id }) => [{ set: { deed: id, part: data.part, text: data.text } }],
    DeedBurnt: ({ data, id }) => [{ drop: { deed: id, part: data.part } }],
  },
};

let database: TestDatabase;
let pool: pg.Pool;
let client: pg.PoolClient;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  client = await pool.connect();
});

afterAll(async () => {
  client.release();
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  await client.query('drop schema if exists models cascade');
  await client.query(readModelSql('models', [deeds]));
});

const event = (revision: number, type: keyof DeedFacts, data: object) => ({
  ...newEvent(),
  stream: 'deed-of-trust',
  revision,
  type,
  data,
});
const written = (revision: number, part = 1) =>
  event(revision, 'DeedWritten', {
    part,
    text: `text ${revision}`,
    seals: ['red', 'green'],
    dated: '2026-11-21T08:00:00.123Z',
  });
const corrected = (revision: number, text: string | null, part = 1) =>
  event(revision, 'DeedCorrected', { part, text });
const burnt = (revision: number, part = 1) => event(revision, 'DeedBurnt', { part });

const apply = (...events: ReturnType<typeof event>[]) =>
  applyEvents(client, 'models', [deeds], events);
const rows = async () =>
  (await client.query('select * from models.deeds order by deed, part')).rows;
const row = (revision: number, text: string | null, part = 1) => ({
  deed: 'of-trust',
  part,
  text,
  seals: ['red', 'green'],
  dated: '2026-11-21T08:00:00.123Z',
  revision,
});

describe('the one writer of read models', () => {
  test('a put makes a row, with every type of column as it was told', async () => {
    await apply(written(0));
    expect(await rows()).toEqual([row(0, 'text 0')]);
  });

  test('a set changes what it names, null included, and nothing else', async () => {
    await apply(written(0), written(1, 2));
    await apply(corrected(2, null));
    expect(await rows()).toEqual([row(2, null), row(1, 'text 1', 2)]);
  });

  test('a drop takes the row away', async () => {
    await apply(written(0), written(1, 2));
    await apply(burnt(2));
    expect(await rows()).toEqual([row(1, 'text 1', 2)]);
  });

  test('many changes to a row in one batch leave what the last of them left', async () => {
    await apply(written(0), corrected(1, 'a'), burnt(2), written(3), corrected(4, 'b'));
    expect(await rows()).toEqual([row(4, 'b')]);
  });

  test('what was applied before changes nothing when it is applied again', async () => {
    const history = [written(0), corrected(1, 'a'), written(2), corrected(3, 'b')];
    await apply(...history);
    for (const each of history) await apply(each);
    await apply(...history.slice(0, 2));
    expect(await rows()).toEqual([row(3, 'b')]);
  });

  test('a set of a row that is not there does nothing', async () => {
    await apply(corrected(0, 'a'));
    expect(await rows()).toEqual([]);
  });

  test('the changes of a refused request are left out', async () => {
    const put = (request: number, part: number) => ({
      _request: request,
      ...{ deed: 'of-trust', part, text: null, seals: [], dated: null, revision: 0 },
    });
    await client.query('select models.apply($1, $2)', [
      JSON.stringify({ deeds: { put: [put(0, 1), put(1, 2), put(2, 3)] } }),
      [1],
    ]);
    expect((await rows()).map(({ part }) => part)).toEqual([1, 3]);
  });

  test('creating the read models again loses nothing', async () => {
    await apply(written(0));
    await client.query(readModelSql('models', [deeds]));
    expect(await rows()).toHaveLength(1);
  });
});
