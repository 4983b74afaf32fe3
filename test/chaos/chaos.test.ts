import { expect, test } from '@jest/globals';
import type { EngineName } from '../support/server.ts';
import { runChaos } from './run.ts';

/** What `npm run chaos` lets loose for minutes, for a few seconds. */
const SEED = 20_261_124;

const rounds: { engine: EngineName; faults: string[] }[] = [
  {
    engine: 'postgres',
    faults: [
      'the leader is cut off from Postgres',
      'all sessions with Postgres are ended',
      'Postgres is killed',
      'Postgres is held',
    ],
  },
  {
    engine: 'eventstoredb',
    faults: [
      'the leader is held',
      'a node is killed',
      'answers to appends are lost',
      'connections break after appends',
    ],
  },
];

test.each(rounds)(
  'nothing that was promised is broken by faults, on $engine',
  async (round) => {
    const { violations, takeOvers } = await runChaos({ ...round, seed: SEED, nodes: 2 });
    expect({ seed: SEED, violations }).toEqual({ seed: SEED, violations: [] });
    // A lease of three seconds, and some for a machine that is busy.
    expect(takeOvers.filter(({ ms }) => ms > 8_000)).toEqual([]);
  },
  120_000,
);
