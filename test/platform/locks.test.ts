import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { LOCKS } from '../../src/platform/locks.ts';

test('each lock has a number of its own', () => {
  const numbers = Object.values(LOCKS);
  expect(new Set(numbers).size).toBe(numbers.length);
});

test('an append takes the lock that says so', () => {
  const sql = readFileSync(new URL('../../src/eventstore/postgres.sql', import.meta.url), 'utf8');
  const taken = [...sql.matchAll(/pg_advisory_xact_lock\((\d+)\)/g)].map(([, lock]) =>
    Number(lock),
  );
  expect(new Set(taken)).toEqual(new Set([LOCKS.append]));
});
