import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { executor } from '../../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../../src/eventstore/postgres.ts';
import { migrateLog } from '../../../src/eventstore/postgres-schema.ts';
import {
  type KeyPolicy,
  type KeyRotation,
  keepKeys,
  rotateSigningKeys,
} from '../../../src/oidc/keys/key-rotation.ts';
import { connectPostgres } from '../../../src/platform/postgres.ts';
import { Secrets } from '../../../src/platform/secrets.ts';
import {
  inlineProjection,
  migrateReadModels,
  READ_SCHEMA,
} from '../../../src/projections/apply.ts';
import { protocolReadModels } from '../../../src/projections/index.ts';
import { ProtocolReads } from '../../../src/projections/protocol-reads.ts';
import { eventually } from '../../support/eventually.ts';
import { createDatabase, type TestDatabase } from '../../support/postgres.ts';

const algorithms = ['RS256', 'ES256'];
const RARELY: KeyPolicy = { algorithms, rotation: 90, announcement: 14, retention: 14 };
/** The successor is due at once, and signs a day later. */
const ANNOUNCING: KeyPolicy = { algorithms, rotation: 1, announcement: 1, retention: 2 };
/** Due without end: one successor after the other. */
const AT_ONCE: KeyPolicy = { algorithms, rotation: 0, announcement: 0, retention: 0 };

let database: TestDatabase;
/** Three nodes, with connections of their own. */
let nodes: (Omit<KeyRotation, 'policy'> & { close(): Promise<void> })[];

beforeAll(async () => {
  database = await createDatabase();
  nodes = Array.from({ length: 3 }, () => {
    const pool = connectPostgres(database.connection, { max: 3 });
    const store = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
    return {
      pool,
      reads: new ProtocolReads(pool),
      execute: executor(store),
      secrets: new Secrets(Buffer.alloc(32, 7)),
      async close() {
        await store.close();
        await pool.end();
      },
    };
  });
  const { pool } = node();
  await migrateLog(pool);
  const migrating = await pool.connect();
  await migrateReadModels(migrating, READ_SCHEMA, protocolReadModels);
  migrating.release();
});

afterAll(async () => {
  await Promise.all(nodes.map((each) => each.close()));
  await database.drop();
});

function node() {
  const [first] = nodes;
  if (!first) throw new Error('there is no node');
  return first;
}

const rotateEverywhere = (policy: KeyPolicy) =>
  Promise.all(nodes.map((each) => rotateSigningKeys({ ...each, policy })));

const live = async () =>
  (await node().reads.signingKeys()).map(
    ({ alg, activated_at }) => `${alg} ${activated_at ? 'active' : 'announced'}`,
  );

test('nodes that start at the same moment make one key of each algorithm', async () => {
  await rotateEverywhere(RARELY);
  expect((await live()).sort()).toEqual(['ES256 active', 'RS256 active']);
  await rotateEverywhere(RARELY);
  expect(await live()).toHaveLength(2);
});

test('nodes that find a successor due at the same moment announce one, after those that sign', async () => {
  await rotateEverywhere(ANNOUNCING);
  const keys = await live();
  expect(keys.slice(0, 2).sort()).toEqual(['ES256 active', 'RS256 active']);
  expect(keys.slice(2).sort()).toEqual(['ES256 announced', 'RS256 announced']);
});

test('the job goes on by itself, from announcement to retirement, until it is stopped', async () => {
  const before = (await node().reads.signingKeys()).map(({ kid }) => kid);
  const stopping = new AbortController();
  const failures: unknown[] = [];
  keepKeys(() => rotateSigningKeys({ ...node(), policy: AT_ONCE }), {
    signal: stopping.signal,
    failed: (error) => failures.push(error),
    periodMs: 5,
  });
  await eventually('all keys are others', async () => {
    const now = (await node().reads.signingKeys()).map(({ kid }) => kid);
    return now.length > 0 && !now.some((kid) => before.includes(kid));
  });
  stopping.abort();
  expect(failures).toEqual([]);
  const signing = (await live()).filter((key) => key.endsWith('active'));
  expect(signing).toEqual(expect.arrayContaining(['ES256 active', 'RS256 active']));
});
