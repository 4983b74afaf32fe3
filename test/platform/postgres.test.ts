import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { connectPostgres, isTransient } from '../../src/platform/postgres.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function one(sql: string): Promise<unknown> {
  const { rows } = await pool.query(`select ${sql} as value`);
  return rows[0].value;
}

describe('connectPostgres', () => {
  test.each([
    ['2026-11-21 08:00:00+00', '2026-11-21T08:00:00.000Z'],
    ['2026-11-21 08:00:00.5+00', '2026-11-21T08:00:00.500Z'],
    ['2026-11-21 08:00:00.123999+00', '2026-11-21T08:00:00.123Z'],
    ['2026-11-21 08:00:00+05:30', '2026-11-21T02:30:00.000Z'],
    ['0099-01-01 00:00:00+00', '0099-01-01T00:00:00.000Z'],
    ['12026-01-01 00:00:00+00', '+012026-01-01T00:00:00.000Z'],
    ['infinity', 'infinity'],
  ])('reads the moment %s as %s', async (moment, expected) => {
    expect(await one(`timestamptz '${moment}'`)).toBe(expected);
  });

  test('writes and reads a moment unchanged', async () => {
    const now = new Date().toISOString();
    const { rows } = await pool.query('select $1::timestamptz as value', [now]);
    expect(rows[0].value).toBe(now);
  });

  test('reads whole numbers as numbers as long as they are exact', async () => {
    expect(await one('9007199254740991::int8')).toBe(9007199254740991);
    expect(await one('-42::int8')).toBe(-42);
    expect(await one('9007199254740993::int8')).toBe('9007199254740993');
  });

  test('reads a date as it is written', async () => {
    expect(await one(`date '2026-11-21'`)).toBe('2026-11-21');
  });

  test('runs sessions in UTC under its own name, also from a URL', async () => {
    const byUrl = connectPostgres(database.url, { max: 1 });
    for (const each of [pool, byUrl]) {
      const { rows } = await each.query(
        `select current_setting('timezone') as zone, current_setting('application_name') as name,
                current_setting('statement_timeout') as timeout, current_database() as database`,
      );
      expect(rows[0]).toEqual({
        zone: 'UTC',
        name: 'muniment',
        timeout: '30s',
        database: expect.stringMatching(/^test_/),
      });
    }
    await byUrl.end();
  });

  test('outlives a connection that breaks while idle', async () => {
    const errors: Error[] = [];
    let noticed = () => {};
    const broken = new Promise<void>((resolve) => {
      noticed = resolve;
    });
    const single = connectPostgres(database.connection, {
      max: 1,
      log: (error) => {
        errors.push(error);
        noticed();
      },
    });
    const { rows } = await single.query('select pg_backend_pid() as pid');
    await pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
    await broken;
    expect(errors.some(isTransient)).toBe(true);
    expect((await single.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await single.end();
  });
});

test('outlives a connection that breaks while in use, between two statements', async () => {
  const client = await pool.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  await pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
  await until(() => client.query('select').then(() => false, isTransient));
  client.release(true);
});

describe('isTransient', () => {
  const failure = (sql: string) => pool.query(sql).then(fail, (error: unknown) => error);
  const fail = () => {
    throw new Error('expected an error');
  };

  test('is true of a connection that is cut during a statement', async () => {
    expect(isTransient(await failure('select pg_terminate_backend(pg_backend_pid())'))).toBe(true);
  });

  test('is true of a server that is not there', async () => {
    for (const nowhere of ['postgres://127.0.0.1:1/x', 'postgres://u@localhost/x?host=/nowhere']) {
      const away = connectPostgres(nowhere);
      const error = await away.query('select 1').then(fail, (reason: unknown) => reason);
      expect(isTransient(error)).toBe(true);
      await away.end();
    }
  });

  test.each(['57P03', '53300', '08006', '57P02', '25P03'])('is true of the state %s', (code) => {
    const error = Object.assign(new Error('as PostgreSQL says'), { code });
    expect(isTransient(error)).toBe(true);
    expect(isTransient(new Error('wrapped', { cause: error }))).toBe(true);
  });

  test('is false of what the statement did wrong', async () => {
    expect(isTransient(await failure('select * from nowhere'))).toBe(false);
    expect(isTransient(await failure('select 1/0'))).toBe(false);
    expect(isTransient(new Error('something'))).toBe(false);
    expect(isTransient('57P01')).toBe(false);
  });
});

describe('createDatabase', () => {
  test('gives each test file an empty database, and takes it away again', async () => {
    const other = await createDatabase();
    const client = new pg.Client(other.connection);
    await client.connect();
    const { rows } = await client.query(
      `select count(*)::int as tables from pg_tables where schemaname = 'public'`,
    );
    expect(rows).toEqual([{ tables: 0 }]);
    await client.end();
    await other.drop();
    const { rowCount } = await pool.query('select from pg_database where datname = $1', [
      new URL(other.url).pathname.slice(1),
    ]);
    expect(rowCount).toBe(0);
  });
});
