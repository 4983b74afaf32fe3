import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type pg from 'pg';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { type Remembered, remembered } from '../../src/projections/remembered.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

interface Deed {
  readonly revision: number;
  readonly text: string;
}

let database: TestDatabase;
let pool: pg.Pool;
let statements: string[];
let deed: Remembered<Deed>['read'];
let ofVersion: Remembered<Deed>['ofVersion'];

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await pool.query('create table deeds (key text primary key, revision integer, text text)');
  const query = pool.query.bind(pool) as (config: { name: string }) => Promise<pg.QueryResult>;
  Object.assign(pool, {
    query(config: string | { name: string }) {
      if (typeof config === 'object') statements.push(config.name);
      return query(config as { name: string });
    },
  });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  await pool.query("delete from deeds; insert into deeds values ('a', 0, 'first'), ('b', 7, 'b')");
  statements = [];
  ({ read: deed, ofVersion } = remembered<Deed>(pool, {
    name: 'deed',
    versions: 'select key, xmin::text as version from deeds where key = any($1)',
    rows: 'select xmin::text as version, * from deeds where key = any($1)',
    most: 10,
    worth: ({ text }) => text !== 'once',
  }));
});

test('a row that has not changed is asked for by its version alone, and is the same object', async () => {
  const first = await deed('a');
  expect(first).toMatchObject({ text: 'first' });
  expect(statements.splice(0)).toEqual(['read-deed-rows']);
  expect(await deed('a')).toBe(first);
  expect(statements).toEqual(['read-deed-versions']);
});

test('one that was read before is had by its version without asking, and by no other', async () => {
  const first = await deed('a');
  const { rows } = await pool.query("select xmin::text as version from deeds where key = 'a'");
  statements = [];
  expect(ofVersion('a', rows[0]?.version)).toBe(first);
  expect(ofVersion('a', '0')).toBeUndefined();
  expect(ofVersion('b', rows[0]?.version)).toBeUndefined();
  expect(statements).toEqual([]);
});

test('a change is seen by the next reading', async () => {
  await deed('a');
  await pool.query("update deeds set revision = 1, text = 'second' where key = 'a'");
  expect(await deed('a')).toMatchObject({ revision: 1, text: 'second' });
});

test('a row that has gone is not remembered, and one that has come is found', async () => {
  await deed('a');
  await pool.query("delete from deeds where key = 'a'");
  expect(await deed('a')).toBeUndefined();
  expect(await deed('c')).toBeUndefined();
  await pool.query("insert into deeds values ('c', 0, 'new')");
  expect(await deed('c')).toMatchObject({ text: 'new' });
});

test('what is asked in one moment is one statement of a kind, and each is given its own', async () => {
  await deed('b');
  statements = [];
  const answers = await Promise.all(['a', 'b', 'a', 'c'].map((key) => deed(key)));
  expect(answers.map((answer) => answer?.text)).toEqual(['first', 'b', 'first', undefined]);
  expect(statements).toEqual(['read-deed-versions', 'read-deed-rows']);
});

test('what is not worth it is not remembered', async () => {
  await pool.query("update deeds set text = 'once' where key = 'a'");
  await deed('a');
  expect(await deed('a')).toMatchObject({ text: 'once' });
  expect(statements).toEqual(['read-deed-rows', 'read-deed-rows']);
});

test('a row that was put right without a new revision is seen as it is now', async () => {
  await deed('a');
  await pool.query("update deeds set text = 'right' where key = 'a'");
  expect(await deed('a')).toMatchObject({ revision: 0, text: 'right' });
});
