import { describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { LogUnavailable } from '../../src/eventstore/event-store.ts';
import { ProtocolReads } from '../../src/projections/protocol-reads.ts';

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
