import type pg from 'pg';
import { eventStoreDbEnd, postgresEnd } from '../eventstore/log-end.ts';
import { AUDIT_SCHEMA, type AuditRow } from './audit-log.ts';

/** Of the events that came last, so many are looked for. */
const LATEST = 100;

/**
 * Holds a log that takes the place of another to what the audit index knows of that one: nobody is to
 * go on from an older copy by mistake.
 * @param place the connection string of an EventStoreDB, or the pool of the log on Postgres
 * @throws Error naming an event that is missing
 */
export async function assertCopied(client: pg.ClientBase, place: string | pg.Pool): Promise<void> {
  const { rows } = await client.query<
    Pick<AuditRow, 'type' | 'category' | 'entity_id' | 'revision'>
  >(
    `select type, category, entity_id, revision from ${AUDIT_SCHEMA}.events
     order by position desc limit ${LATEST}`,
  );
  const end = typeof place === 'string' ? eventStoreDbEnd(place) : postgresEnd(place);
  try {
    for (const { type, category, entity_id, revision } of rows) {
      const stream = `${category}-${entity_id}`;
      const [event] = await end.store.read(stream, { from: revision, limit: 1 });
      if (event?.type === type) continue;
      throw new Error(
        `this log lacks what the former one held: ${type}, revision ${revision} of ${stream}; copy it first, by muniment log copy`,
      );
    }
  } finally {
    await end.close();
  }
}
