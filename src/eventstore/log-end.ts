import type pg from 'pg';
import { DomainError } from '../domain/errors.ts';
import { isDuplicate } from '../platform/postgres.ts';
import { type EventStore, type RecordedEvent, WrongExpectedRevision } from './event-store.ts';
import { type CopiedEnvelope, eventStoreDb } from './eventstoredb.ts';
import { postgresEventStore } from './postgres.ts';

/** A log, as one of the two that a copy has to do with. */
export interface LogEnd {
  readonly store: Pick<EventStore, 'read' | 'last' | 'subscribe'>;
  /**
   * Appends events of another log as they are: same streams, revisions, ids, contents, and times.
   * @param events in their order, which goes on where `after` ends; absent: in an empty log
   * @throws DomainError `conflict` when somebody else has written here
   */
  take(events: readonly RecordedEvent[], after: RecordedEvent | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Events of a stream that are appended at once: EventStoreDB takes a megabyte at most. */
const RUN = 100;

/** The pool stays the caller's. */
export function postgresEnd(pool: pg.Pool): LogEnd {
  const store = postgresEventStore({ pool });
  return {
    store,
    async take(events, after) {
      try {
        const { rows } = await pool.query<{ other: string | null }>({
          name: 'log-take',
          text: 'select log.take($1, $2) as other',
          values: [JSON.stringify(events), after?.id ?? null],
        });
        const other = rows[0]?.other ?? null;
        if (other !== null) throw foreign(other);
      } catch (error) {
        throw isDuplicate(error) ? foreign((error as pg.DatabaseError).detail ?? '') : error;
      }
    },
    close: () => store.close(),
  };
}

/** One append for each run of events of one stream, each after the other: that keeps their order. */
export function eventStoreDbEnd(url: string): LogEnd {
  const store = eventStoreDb({
    url,
    writeState: () => Promise.reject(new TypeError('a copy has no technical rows')),
    projected: async () => true,
  });
  return {
    store,
    async take(events) {
      for (const run of runs(events)) {
        const [{ stream, revision }] = run;
        const expectedRevision = revision === 0 ? 'none' : revision - 1;
        try {
          await store.append({ streams: [{ stream, expectedRevision, events: run.map(copied) }] });
        } catch (error) {
          throw error instanceof WrongExpectedRevision ? foreign(stream) : error;
        }
      }
    },
    close: () => store.close(),
  };
}

/** What is said when a log holds what the other does not. */
export function foreign(stream: string): DomainError {
  const where = stream === '' ? 'it is empty, and was not before' : stream;
  return new DomainError('conflict', `the target holds what the source does not: ${where}`, {
    stream,
  });
}

function copied({ id, type, data, metadata, created }: RecordedEvent) {
  const envelope: CopiedEnvelope = { ...metadata, created };
  return { id, type, data, metadata: envelope };
}

type Run = [RecordedEvent, ...RecordedEvent[]];

function runs(events: readonly RecordedEvent[]): Run[] {
  const all: Run[] = [];
  for (const event of events) {
    const current = all.at(-1);
    if (current?.[0].stream === event.stream && current.length < RUN) current.push(event);
    else all.push([event]);
  }
  return all;
}
