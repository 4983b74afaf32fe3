import type pg from 'pg';
import type { EventStore } from '../eventstore/event-store.ts';
import { exclusively } from '../eventstore/postgres-schema.ts';
import { present } from '../eventstore/present.ts';
import { upcast } from '../eventstore/upcast.ts';
import { lease } from '../platform/lease.ts';
import { AUDIT_GROUP, AUDIT_SCHEMA, type AuditKeys, auditSql, auditWriter } from './audit-log.ts';
import { announcePosition, askingToYield, checkpoint, saveCheckpoint } from './projector.ts';
import { dropSchema } from './rebuild.ts';

const NEXT = 'audit_next';
const FORMER = 'audit_former';

/**
 * Builds the audit index anew from the log, beside the one in use, and takes it into use. Meanwhile
 * that one is searched and does not grow; nothing else waits.
 * @param options.dryRun builds and compares, and changes nothing
 * @returns how many of its rows were not what the log tells
 */
export async function rebuildAudit(options: {
  pool: pg.Pool;
  store: EventStore;
  keys: AuditKeys;
  dryRun?: boolean;
  signal?: AbortSignal;
}): Promise<{ events: number; differences: number }> {
  const { pool, store, keys, dryRun, signal = new AbortController().signal } = options;

  /** Writes into a schema what it does not hold yet, to the end of the log. */
  async function catchUp(client: pg.ClientBase, schema: string): Promise<number> {
    const write = auditWriter(schema, keys);
    const after = await checkpoint(client, schema);
    let events = 0;
    for await (const batch of present(store, { after, signal })) {
      await write(client, batch.map(upcast));
      await saveCheckpoint(client, schema, (batch.at(-1) ?? batch[0]).position);
      events += batch.length;
    }
    signal.throwIfAborted();
    return events;
  }

  async function exchange(client: pg.ClientBase): Promise<{ events: number; differences: number }> {
    await dropSchema(client, NEXT);
    await client.query(auditSql(NEXT));
    const events = await catchUp(client, NEXT);
    const differences = await compare(client);
    if (dryRun) {
      await dropSchema(client, NEXT);
      return { events, differences };
    }
    // Nobody who searches meanwhile gets in the way, nor is in anybody's.
    await client.query(`alter schema ${AUDIT_SCHEMA} rename to ${FORMER}`);
    await client.query(`alter schema ${NEXT} rename to ${AUDIT_SCHEMA}`);
    const position = await checkpoint(client, AUDIT_SCHEMA);
    if (position) await announcePosition(client, position, AUDIT_GROUP);
    return { events, differences };
  }

  await dropSchema(pool, FORMER);
  const locked = Promise.withResolvers<void>();
  const change = exclusively(pool, AUDIT_GROUP.lock, async (client) => {
    locked.resolve();
    await client.query('set local statement_timeout = 0');
    const end = await lease(client, 'local');
    try {
      return await exchange(client);
    } finally {
      end();
    }
  });
  await askingToYield(pool, () => Promise.race([change, locked.promise]), AUDIT_GROUP);
  const rebuilt = await change;
  await dropSchema(pool, FORMER);
  return rebuilt;
}

/** Counts the rows, as far as the old index had got, that are in one of the two and not in the other. */
async function compare(client: pg.ClientBase): Promise<number> {
  const until = (await checkpoint(client, AUDIT_SCHEMA)) ?? '';
  const [old, next] = [AUDIT_SCHEMA, NEXT].map(
    (schema) => `select to_jsonb(t) from ${schema}.events t where position <= $1`,
  );
  // Links have no position: those of the old index are all that can be compared.
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from ((${old} except ${next}) union all (${next} except ${old})
       union all (select to_jsonb(l) from ${AUDIT_SCHEMA}.links l
         except select to_jsonb(l) from ${NEXT}.links l)) d`,
    [until],
  );
  return rows[0]?.n ?? 0;
}
