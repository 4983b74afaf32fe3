import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { LOCKS } from '../platform/locks.ts';
import { ClaimTaken, type StateChange } from './event-store.ts';
import { stateParameter } from './postgres-batch.ts';

const SCHEMA = new URL('../../src/eventstore/postgres.sql', import.meta.url);

/** Creates what is missing of the schemas `log` and `state`. */
export async function migrateLog(pool: pg.Pool): Promise<void> {
  const sql = await readFile(SCHEMA, 'utf8');
  await exclusively(pool, LOCKS.migrateLog, (client) => client.query(sql).then(() => undefined));
}

/** Runs a transaction while holding an advisory lock of the whole database. */
export function exclusively<T>(
  pool: pg.Pool,
  lock: number,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return transaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [lock]);
    return work(client);
  });
}

/** Writes technical rows outside of an append, as the EventStoreDB engine does before its own. */
export async function writeState(pool: pg.Pool, changes: readonly StateChange[]): Promise<void> {
  if (changes.length === 0) return;
  const json = JSON.stringify(stateParameter(changes, 0));
  const taken = await transaction(pool, async (client) => {
    const { rows } = await client.query<{ model: string; id: string }>({
      name: 'state-claim',
      text: `select model, id from state.claim($1, '{}')`,
      values: [json],
    });
    if (rows[0]) return rows[0];
    await client.query({
      name: 'state-write',
      text: `select state.write($1, '{}')`,
      values: [json],
    });
    return undefined;
  });
  if (taken) throw new ClaimTaken(taken.model, taken.id);
}

/** Runs `work` in a transaction; what it throws rolls it back. */
export async function transaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
