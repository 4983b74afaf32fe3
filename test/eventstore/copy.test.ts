import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { fold } from '../../src/domain/decider.ts';
import { type CopyOptions, copyLog } from '../../src/eventstore/copy.ts';
import { CopyCheck } from '../../src/eventstore/copy-check.ts';
import type { EventStore, RecordedEvent } from '../../src/eventstore/event-store.ts';
import { eventStoreDb } from '../../src/eventstore/eventstoredb.ts';
import { eventStoreDbEnd, type LogEnd, postgresEnd } from '../../src/eventstore/log-end.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { deciderOf, entityNames, type Step, steps } from '../support/arbitraries.ts';
import { attempt } from '../support/decider-spec.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../support/eventstoredb/double.ts';
import { newEvent, newEvents, newStream } from '../support/log-events.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/until.ts';

/** A log that servers write to, and the same as one end of a copy. */
interface Log {
  readonly store: EventStore;
  readonly end: LogEnd;
}

let databases: { database: TestDatabase; pool: pg.Pool }[];
let double: EventStoreDouble;
let opened: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  databases = await Promise.all(
    [1, 2].map(async () => {
      const database = await createDatabase();
      const pool = connectPostgres(database.connection);
      await migrateLog(pool);
      return { database, pool };
    }),
  );
});
afterAll(async () => {
  for (const { pool, database } of databases ?? []) {
    await pool.end();
    await database.drop();
  }
});

beforeEach(begin);
afterEach(end);

async function begin(): Promise<void> {
  double = await startEventStoreDouble();
  for (const { pool } of databases) await pool.query('truncate log.events');
}

async function end(): Promise<void> {
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
  await double.stop();
}

function keep<T extends { close(): Promise<void> }>(it: T): T {
  opened.push(it);
  return it;
}

const onPostgres = (nth: number) => (): Log => {
  const { pool } = databases[nth] as (typeof databases)[number];
  return { store: keep(postgresEventStore({ pool })), end: keep(postgresEnd(pool)) };
};
const onEventStoreDb = (): Log => {
  const beside = { writeState: async () => {}, projected: async () => true };
  return {
    store: keep(eventStoreDb({ url: double.url, ...beside })),
    end: keep(eventStoreDbEnd(double.url)),
  };
};

const WAYS: readonly [string, () => Log, () => Log][] = [
  ['from Postgres to EventStoreDB', onPostgres(0), onEventStoreDb],
  ['from EventStoreDB to Postgres', onEventStoreDb, onPostgres(0)],
  ['from Postgres to Postgres', onPostgres(0), onPostgres(1)],
];

async function everything(store: Pick<EventStore, 'subscribe'>): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  const enough = new AbortController();
  for await (const batch of store.subscribe({ signal: enough.signal })) {
    if (batch.length === 0) break;
    all.push(...batch);
  }
  enough.abort();
  return all;
}

/** What a copy keeps: all but the positions. */
async function kept(store: Pick<EventStore, 'subscribe'>) {
  return (await everything(store)).map(({ position: _, ...event }) => event);
}

const copy = (source: Log, target: Log, options: Partial<CopyOptions> = {}) =>
  copyLog({ from: source.end.store, to: target.end, ...options });

const check = (source: Log, target: Log) =>
  new CopyCheck(source.end.store, target.end.store).advance();

/** Two streams that grow in turn, and one that is written at once. */
async function someEvents({ store }: Log): Promise<void> {
  const [one, other] = [newStream(), newStream()];
  for (const revision of ['none', 0, 1, 2] as const) {
    for (const stream of [one, other]) {
      await store.append({
        streams: [{ stream, expectedRevision: revision, events: newEvents(1) }],
      });
    }
  }
  await store.append({
    streams: [{ stream: newStream(), expectedRevision: 'none', events: newEvents(250) }],
  });
}

describe.each(WAYS)('a log copied %s', (_, open, openTarget) => {
  let source: Log;
  let target: Log;

  beforeEach(() => {
    source = open();
    target = openTarget();
  });

  test('has the same events in the same order, with the times of the first', async () => {
    await someEvents(source);
    const { events, last } = await copy(source, target);
    expect(events).toBe(258);
    expect(await kept(target.store)).toEqual(await kept(source.store));
    expect(last).toEqual(await source.store.last());
    const { digests, ...checked } = await check(source, target);
    expect(checked).toEqual({ events: 258, divergence: null });
    expect(digests.target).toBe(digests.source);
  });

  test('can be appended to like any, and be copied back', async () => {
    await someEvents(source);
    await copy(source, target);
    const { stream, revision } = (await everything(target.store)).at(-1) as RecordedEvent;
    await target.store.append({
      streams: [{ stream, expectedRevision: revision, events: newEvents(1) }],
    });
    expect((await copy(target, source)).events).toBe(1);
    expect(await kept(source.store)).toEqual(await kept(target.store));
  });

  test('goes on where it was interrupted, and does nothing when all is there', async () => {
    await someEvents(source);
    const all = await everything(source.store);
    await target.end.take(all.slice(0, 13), undefined);
    expect((await copy(source, target)).events).toBe(all.length - 13);
    expect((await copy(source, target)).events).toBe(0);
    expect((await check(source, target)).divergence).toBeNull();
  });

  test('ends between two batches when it is stopped', async () => {
    const events = newEvents(2_100);
    await source.store.append({
      streams: [{ stream: newStream(), expectedRevision: 'none', events }],
    });
    const stop = new AbortController();
    const { events: copied } = await copy(source, target, {
      signal: stop.signal,
      progress: () => stop.abort(),
    });
    expect(copied).toBeGreaterThan(0);
    expect(copied).toBeLessThan(2_100);
    expect(await everything(target.store)).toHaveLength(copied);
    expect((await copy(source, target)).events).toBe(2_100 - copied);
  });

  test('follows the source until it has been idle for a while', async () => {
    await someEvents(source);
    let caughtUp = 0;
    const copying = copy(source, target, {
      follow: { untilIdleMs: 400 },
      caughtUp: async () => {
        caughtUp += 1;
      },
    });
    await until(() => caughtUp > 0);
    for (let nth = 0; nth < 20; nth++) {
      await source.store.append({
        streams: [{ stream: newStream(), expectedRevision: 'none', events: newEvents(2) }],
      });
    }
    expect((await copying).events).toBe(298);
    expect(await kept(target.store)).toEqual(await kept(source.store));
  });

  test('is refused where the target holds anything else, which is named', async () => {
    await someEvents(source);
    const stream = newStream();
    await target.store.append({
      streams: [{ stream, expectedRevision: 'none', events: newEvents(1) }],
    });
    await expect(copy(source, target)).rejects.toMatchObject({
      code: 'conflict',
      detail: { stream },
    });
    expect(await everything(target.store)).toHaveLength(1);
  });

  test('is refused where somebody has written to the target since', async () => {
    await someEvents(source);
    await copy(source, target);
    const { stream, revision } = (await target.store.last()) as RecordedEvent;
    await target.store.append({
      streams: [{ stream, expectedRevision: revision, events: newEvents(1) }],
    });
    await someEvents(source);
    await expect(copy(source, target)).rejects.toMatchObject({ detail: { stream } });
  });

  test('that is not what the source is, is found to be so, with the event', async () => {
    await someEvents(source);
    const all = await everything(source.store);
    const forged = all.map((event, nth) => (nth === 6 ? { ...event, data: { number: 7 } } : event));
    await target.end.take(forged, undefined);
    const { divergence, digests, events } = await check(source, target);
    expect(events).toBe(6);
    expect(divergence).toMatchObject({ nth: 7, source: all[6], target: { id: all[6]?.id } });
    expect(digests.target).not.toBe(digests.source);
  });

  test('that ends too early is found to', async () => {
    await someEvents(source);
    await target.end.take((await everything(source.store)).slice(0, 9), undefined);
    expect((await check(source, target)).divergence).toMatchObject({ nth: 10, target: null });
  });
});

describe('a copy', () => {
  test('waits for a target that goes away, and loses and repeats nothing', async () => {
    const [source, target] = [onPostgres(0)(), onEventStoreDb()];
    await someEvents(source);
    let caughtUp = 0;
    const copying = copy(source, target, {
      follow: { untilIdleMs: 2_500 },
      caughtUp: async () => {
        caughtUp += 1;
      },
    });
    await until(() => caughtUp > 0);
    double.faults.lostReplies = 1;
    await double.stop();
    await someEvents(source);
    await double.restart();
    await copying;
    expect(await kept(target.store)).toEqual(await kept(source.store));
  });

  test('has read models written by projectors from there on, not with the events', async () => {
    const [source, target] = [onEventStoreDb(), onPostgres(0)()];
    await someEvents(source);
    const pool = databases[0]?.pool as pg.Pool;
    await pool.query('create table told (what text)');
    await pool.query(
      `create or replace function log.project(_changes jsonb, _refused integer[]) returns boolean
       language plpgsql as $$ begin insert into told values (_changes::text); return false; end $$`,
    );
    await copy(source, target);
    expect((await pool.query('select distinct what from told')).rows).toEqual([{ what: '{}' }]);
    await pool.query('drop function log.project');
    await migrateLog(pool);
  });

  /** What happens when the wishes are put one after the other. */
  async function happen({ store }: Log, wishes: readonly Step[]): Promise<void> {
    const known = new Map<string, { state: unknown; revision: number }>();
    for (const { name, stream, wish } of wishes) {
      const decider = deciderOf(name);
      const { state, revision } = known.get(stream) ?? { state: decider.initial, revision: -1 };
      const { facts } = attempt(decider, wish, state);
      const events = facts.map(({ type, data }) => newEvent(data, type));
      known.set(stream, {
        state: fold(decider, facts, state),
        revision: revision + events.length,
      });
      const expectedRevision = revision < 0 ? 'none' : revision;
      if (events.length > 0)
        await store.append({ streams: [{ stream, expectedRevision, events }] });
    }
  }

  test('keeps any history, there and back, wherever it is interrupted', async () => {
    const entities = entityNames.map((name) => [name, 'one'] as const);
    await fc.assert(
      fc
        .asyncProperty(steps(entities, 40), fc.nat(30), async (wishes, interruption) => {
          const [source, there, back] = [onPostgres(0)(), onEventStoreDb(), onPostgres(1)()];
          await happen(source, wishes);
          const beginning = (await everything(source.store)).slice(0, interruption);
          if (beginning.length > 0) await there.end.take(beginning, undefined);
          await copy(source, there);
          await copy(there, back);
          expect(await kept(back.store)).toEqual(await kept(source.store));
          for (const [one, other] of [
            [source, there],
            [there, back],
            [source, back],
          ] as const) {
            expect((await check(one, other)).divergence).toBeNull();
          }
        })
        .afterEach(() => end().then(begin)),
      { numRuns: 8 },
    );
  });
});
