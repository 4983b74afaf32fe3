import type pg from 'pg';
import type { EventStore, Position, RecordedEvent } from '../../eventstore/event-store.ts';
import { upcast } from '../../eventstore/upcast.ts';
import type { AuditRow } from '../../projections/audit-log.ts';
import { auditEvents, between } from '../../projections/audit-search.ts';
import { type Condition, readPage } from '../../projections/page.ts';

const PAGE = 500;

/** An event with what the index knows of it. */
export interface Found {
  readonly row: AuditRow;
  readonly event: RecordedEvent;
}

/** Events in the order of the log, a page at a time: of a feed of any length, one page is in memory. */
export async function* feed(
  { pool, store }: { pool: pg.Pool; store: Pick<EventStore, 'read'> },
  where: readonly Condition[],
  range: { after: Position; to: Position },
): AsyncGenerator<Found[]> {
  let { after } = range;
  for (;;) {
    const listing = { ...auditEvents, where: [...where, between(after, range.to)] };
    const { rows, more } = await readPage<AuditRow>(
      pool,
      { ...listing, descending: false },
      { count: PAGE, backwards: false, from: null },
    );
    const last = rows.at(-1);
    if (!last) return;
    yield await Promise.all(rows.map(async (row) => ({ row, event: await eventAt(store, row) })));
    if (!more) return;
    after = last.position;
  }
}

async function eventAt(
  store: Pick<EventStore, 'read'>,
  { category, entity_id, revision }: AuditRow,
): Promise<RecordedEvent> {
  const stream = `${category}-${entity_id}`;
  const [event] = await store.read(stream, { from: revision, limit: 1 });
  if (!event) throw new Error(`${stream} has no event ${revision}`);
  return upcast(event);
}
