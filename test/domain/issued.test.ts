import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  changing,
  digestsOf,
  ending,
  type IssuedByDigest,
  issued,
  issuing,
  unexpired,
} from '../../src/domain/issued.ts';

interface One {
  readonly expiresAt: string;
  readonly used?: true;
}

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const digest = (n: number) => createHash('sha256').update(String(n)).digest('hex');
const LIFETIME = 3_000;

/** One is issued each minute. */
function issuedFor(minutes: number): IssuedByDigest<One> {
  let all: IssuedByDigest<One> = {};
  for (let n = 0; n < minutes; n++) {
    all = issuing(all, digest(n), { expiresAt: at(n + LIFETIME) }, unexpired(at(n)));
  }
  return all;
}

describe('what was issued', () => {
  test('is found until it expires, changed or ended', () => {
    const all = issuedFor(LIFETIME);
    for (const n of [0, 1, LIFETIME - 1]) {
      expect(issued(all, digest(n))).toEqual({ expiresAt: at(n + LIFETIME) });
    }
    expect(issued(all, digest(LIFETIME))).toBeUndefined();
    const used = changing(all, digest(7), (one) => ({ ...one, used: true as const }));
    expect(issued(used, digest(7))).toEqual({ expiresAt: at(7 + LIFETIME), used: true });
    expect(issued(all, digest(7))).toEqual({ expiresAt: at(7 + LIFETIME) });
    expect(changing(all, 'unknown', () => ({ expiresAt: '' }))).toBe(all);
    const ended = ending(used, digest(7));
    expect(issued(ended, digest(7))).toBeUndefined();
    expect(digestsOf(ended)).toHaveLength(LIFETIME - 1);
  });

  test('and has expired is forgotten in the end, however many there are', () => {
    const kept = digestsOf(issuedFor(3 * LIFETIME)).length;
    expect(kept).toBeGreaterThanOrEqual(LIFETIME);
    expect(kept).toBeLessThan(LIFETIME * 1.5);
  });

  test('among many others is changed without a copy of all', () => {
    const all = issuedFor(LIFETIME);
    const changed = changing(all, digest(7), (one) => ({ ...one, used: true as const }));
    const shares = Object.keys(all).filter((name) => all[name] !== changed[name]);
    expect(shares).toEqual([digest(7).slice(0, 2)]);
  });
});
