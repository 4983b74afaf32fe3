import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { Secrets } from '../../src/platform/secrets.ts';
import { SubjectKeys } from '../../src/platform/subject-keys.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let pool: pg.Pool;
const secrets = new Secrets(randomBytes(32));

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  // Several nodes start at once.
  await Promise.all([1, 2, 3].map(() => SubjectKeys.migrate(pool)));
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Each has a cache of its own, like another node. */
const node = () => new SubjectKeys(pool, secrets);

async function keyRows(): Promise<{ sub: string; key: string }[]> {
  return (await pool.query('select sub, key from vault.subject_keys order by sub')).rows;
}

describe('a key for each person', () => {
  test('opens on every node what any node sealed', async () => {
    const sealed = await node().seal('ada', 'Ada Lovelace');
    expect(sealed).not.toContain('Ada');
    expect(await node().open('ada', sealed)).toBe('Ada Lovelace');
  });

  test('is one, however many nodes need it first', async () => {
    const nodes = Array.from({ length: 8 }, node);
    const sealed = await Promise.all(
      nodes.flatMap((each) => [each, each]).map((each, i) => each.seal('eve', `${i}`)),
    );
    const fresh = node();
    expect(await Promise.all(sealed.map((text) => fresh.open('eve', text)))).toEqual(
      sealed.map((_, i) => `${i}`),
    );
  });

  test('is stored wrapped by the master key', async () => {
    await node().seal('ada', 'x');
    const row = (await keyRows()).find(({ sub }) => sub === 'ada');
    const key = Buffer.from(secrets.open('subject-key', String(row?.key)), 'base64url');
    expect(key).toHaveLength(32);
    const stranger = new SubjectKeys(pool, new Secrets(randomBytes(32)));
    await expect(stranger.open('ada', await node().seal('ada', 'x'))).rejects.toThrow();
  });

  test('opens nothing of another person, and nothing tampered with', async () => {
    const keys = node();
    const sealed = await keys.seal('ada', 'Ada Lovelace');
    await keys.seal('bob', 'Bob');
    await expect(keys.open('bob', sealed)).rejects.toThrow();
    await pool.query(
      `insert into vault.subject_keys select 'mallory', key from vault.subject_keys where sub = 'ada'`,
    );
    await expect(keys.open('mallory', sealed)).rejects.toThrow();
    const tampered = sealed.slice(0, 30) + (sealed[30] === 'A' ? 'B' : 'A') + sealed.slice(31);
    await expect(keys.open('ada', tampered)).rejects.toThrow();
  });
});

describe('destroy', () => {
  test('forgets what was sealed, at once here and on nodes that have not cached the key', async () => {
    const here = node();
    const sealed = await here.seal('carol', 'Carol');
    await here.destroy('carol');
    expect(await here.open('carol', sealed)).toBeNull();
    expect(await node().open('carol', sealed)).toBeNull();
    await here.destroy('carol');
    expect(await here.open('carol', sealed)).toBeNull();
  });

  test('reaches nodes that have cached the key within a minute', async () => {
    const now = jest.spyOn(performance, 'now');
    try {
      const there = node();
      const sealed = await there.seal('dan', 'Dan');
      await node().destroy('dan');
      expect(await there.open('dan', sealed)).toBe('Dan');
      const later = performance.now() + 60_001;
      now.mockImplementation(() => later);
      // The cache looks at the clock once in a millisecond.
      let opened: string | null = 'Dan';
      for (let turn = 0; opened && turn < 10_000; turn++) {
        await setImmediate();
        opened = await there.open('dan', sealed);
      }
      expect(opened).toBeNull();
    } finally {
      now.mockRestore();
    }
  });

  test('makes no second key for a person: what is sealed later is forgotten at once', async () => {
    for (const keys of [node(), node()]) {
      await keys.destroy('frank');
      const sealed = await node().seal('frank', 'Frank again');
      expect(await keys.open('frank', sealed)).toBeNull();
    }
    expect((await keyRows()).filter(({ sub }) => sub === 'frank')).toEqual([
      { sub: 'frank', key: '' },
    ]);
  });

  test('wins over a key that is being read at that moment', async () => {
    const sealed = await node().seal('grace', 'Grace');
    const keys = node();
    let goOn = () => {};
    const destroyed = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    // The row is read before the key is destroyed, and arrives after.
    const rows = await pool.query(`select sub, key from vault.subject_keys where sub = 'grace'`);
    const query = jest
      .spyOn(pool, 'query')
      .mockImplementationOnce(() => destroyed.then(() => rows));
    const reading = keys.open('grace', sealed);
    while (query.mock.calls.length === 0) await setImmediate();
    await keys.destroy('grace');
    goOn();
    query.mockRestore();
    expect(await reading).toBeNull();
    expect(await keys.open('grace', sealed)).toBeNull();
  });

  test('is the answer also for a person who never had a key', async () => {
    const sealed = await node().seal('heidi', 'Heidi');
    await pool.query(`delete from vault.subject_keys where sub = 'heidi'`);
    expect(await node().open('heidi', sealed)).toBeNull();
  });
});

test('keys of many people are read in one statement, and then remembered', async () => {
  const subs = Array.from({ length: 50 }, (_, i) => `person-${i}`);
  const writer = node();
  const sealed = await Promise.all(subs.map((sub) => writer.seal(sub, sub)));

  const reader = node();
  const query = jest.spyOn(pool, 'query');
  const openAll = () => Promise.all(subs.map((sub, i) => reader.open(sub, String(sealed[i]))));
  expect(await openAll()).toEqual(subs);
  expect(query).toHaveBeenCalledTimes(1);
  expect(await openAll()).toEqual(subs);
  expect(query).toHaveBeenCalledTimes(1);
  query.mockRestore();
});
