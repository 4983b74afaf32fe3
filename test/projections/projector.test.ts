import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { EventStore, RecordedEvent } from '../../src/eventstore/event-store.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { applyEvents, readModelSql } from '../../src/projections/apply.ts';
import { type Projection, Unprojectable } from '../../src/projections/projection.ts';
import {
  checkpoint,
  PROJECTOR_LOCK,
  type ProjectorOptions,
  projectionProgress,
  runProjector,
} from '../../src/projections/projector.ts';
import { newEvent, newStream } from '../support/log-events.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { addressOf, startTcpProxy, through } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

interface CountRow {
  readonly stream: string;
  readonly last: number;
}

const counts: Projection<CountRow, 'stream', { Counted: { n: number } }> = {
  table: 'counts',
  key: ['stream'],
  columns: { stream: 'text', last: 'integer not null' },
  on: {
    Counted: ({ data, id }) => {
      if (data.n < 0) throw new RangeError('a poisoned event');
      return [{ put: { stream: id, last: data.n } }];
    },
  },
};

let database: TestDatabase;
let pool: pg.Pool;
let store: EventStore;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await migrateLog(pool);
  // A log without inline projection stands for one that lives elsewhere.
  store = postgresEventStore({ pool });
});

afterAll(async () => {
  await store.close();
  await pool.end();
  await database.drop();
});

async function projector(schema: string, options: Partial<ProjectorOptions> = {}) {
  const stop = new AbortController();
  const running = runProjector({
    pool,
    store,
    schema,
    write: (client, events) => applyEvents(client, schema, [counts], events),
    signal: stop.signal,
    failed() {},
    ...options,
  });
  return {
    async stop() {
      stop.abort();
      await running;
    },
  };
}

async function fresh(schema: string): Promise<void> {
  await pool.query(readModelSql(schema, [counts]));
}

async function count(stream: string, n: number, revision: 'none' | number = 'none') {
  const { position } = await store.append({
    streams: [
      {
        stream,
        expectedRevision: revision,
        events: [{ ...newEvent(), type: 'Counted', data: { n } }],
      },
    ],
  });
  return position as string;
}

const rowsIn = async (schema: string) =>
  (await pool.query(`select stream, last from ${schema}.counts order by stream`)).rows;

describe('the projector', () => {
  test('projects what is there and what comes, and saves how far it is with the rows', async () => {
    await fresh('follows');
    const stream = newStream();
    const first = await count(stream, 1);
    const stop = new AbortController();
    const reached = projectionProgress(pool, 'follows', stop.signal);
    const running = await projector('follows');
    expect(await reached(first, 10_000)).toBe(true);
    const second = await count(stream, 2, 0);
    expect(await reached(second, 10_000)).toBe(true);
    expect(await rowsIn('follows')).toContainEqual({ stream: entity(stream), last: 2 });
    expect(await checkpoint(pool, 'follows')).toBe(second);
    stop.abort();
    await running.stop();
  });

  test('of many one projects, and another takes over when it goes', async () => {
    await fresh('leads');
    const [one, two] = [await projector('leads'), await projector('leads')];
    const stream = newStream();
    await count(stream, 1);
    await until(async () => (await rowsIn('leads')).some((row) => row.stream === entity(stream)));
    expect(await holders()).toHaveLength(1);

    // The leader's connection is cut: it can write nothing more, and the lock is free.
    await pool.query('select pg_terminate_backend($1)', [(await holders())[0]]);
    await count(stream, 2, 0);
    await until(async () =>
      (await rowsIn('leads')).some((row) => row.stream === entity(stream) && row.last === 2),
    );
    expect(await holders()).toHaveLength(1);
    await Promise.all([one.stop(), two.stop()]);
    // Its backend ends a moment after the connection.
    await until(async () => (await holders()).length === 0);
  });

  test('one that falls silent, within a transaction even, loses the lead and can write nothing', async () => {
    await fresh('silent');
    const proxy = await startTcpProxy(addressOf(database));
    const far = connectPostgres(through(proxy, database));
    const [first, second] = [newStream(), newStream()];
    let held = false;
    const failures: unknown[] = [];
    const silent = await projector('silent', {
      pool: far,
      async write(client, events) {
        await applyEvents(client, 'silent', [counts], events);
        if (held || !events.some(({ stream }) => stream === first)) return;
        held = true;
        proxy.hold();
      },
      failed: (error) => failures.push(error),
    });
    await count(newStream(), 1);
    await until(async () => (await rowsIn('silent')).length > 0);
    const other = await projector('silent');
    try {
      await count(first, 1);
      await until(() => held);
      await count(second, 1);
      await until(async () =>
        (await rowsIn('silent')).some(({ stream }) => stream === entity(second)),
      );

      await count(second, 2, 0);
      await until(async () =>
        (await rowsIn('silent')).some((row) => row.stream === entity(second) && row.last === 2),
      );
      const reached = await checkpoint(pool, 'silent');
      proxy.release();
      await until(() => failures.length > 0);
      expect(await checkpoint(pool, 'silent')).toBe(reached);
    } finally {
      proxy.release();
      await Promise.all([silent.stop(), other.stop()]);
      await far.end();
      await proxy.stop();
    }
  });

  test('one that falls silent within a COPY, where PostgreSQL waits for it, loses the lead', async () => {
    await fresh('copying');
    const proxy = await startTcpProxy(addressOf(database));
    const far = connectPostgres(through(proxy, database));
    const failures: unknown[] = [];
    const copying = async () => {
      const { rows } = await pool.query(
        `select from pg_stat_progress_copy where relid = 'copying.counts'::regclass`,
      );
      return rows.length > 0;
    };
    const silent = await projector('copying', {
      pool: far,
      async write(client) {
        const copy = client.query(
          copyFrom('copy copying.counts (stream, last, revision) from stdin'),
        );
        copy.on('error', () => undefined);
        copy.write('never\t1\t0\n');
        await until(copying);
        proxy.hold();
        await once(copy, 'finish');
      },
      failed: (error) => failures.push(error),
    });
    const stream = newStream();
    await count(stream, 1);
    await until(copying);
    const other = await projector('copying');
    try {
      await until(async () =>
        (await rowsIn('copying')).some((row) => row.stream === entity(stream)),
      );
      proxy.release();
      await until(() => failures.length > 0);
      expect((await rowsIn('copying')).map((row) => row.stream)).not.toContain('never');
    } finally {
      proxy.release();
      await Promise.all([silent.stop(), other.stop()]);
      await far.end();
      await proxy.stop();
    }
  });

  test('a statement that takes long costs it nothing', async () => {
    await fresh('slow');
    const stream = newStream();
    const failed = jest.fn();
    const running = await projector('slow', {
      async write(client, events) {
        await applyEvents(client, 'slow', [counts], events);
        if (events.some((event) => event.stream === stream))
          await client.query('select pg_sleep(4)');
      },
      failed,
    });
    await count(stream, 1);
    await until(async () => (await rowsIn('slow')).some((row) => row.stream === entity(stream)));
    expect(failed).not.toHaveBeenCalled();
    await running.stop();
  });

  test('an event it cannot project stops it and is not skipped', async () => {
    await fresh('stops');
    const failures: unknown[] = [];
    const [good, poisoned, after] = [newStream(), newStream(), newStream()];
    await count(good, 1);
    const before = await lastPosition();
    const running = await projector('stops', { failed: (error) => failures.push(error) });
    await until(async () => (await checkpoint(pool, 'stops')) === before);
    await count(poisoned, -1);
    await count(after, 1);
    await until(() => failures.length >= 2);
    expect(failures.every((error) => error instanceof Unprojectable)).toBe(true);
    expect(await checkpoint(pool, 'stops')).toBe(before);
    expect((await rowsIn('stops')).map(({ stream }) => stream)).not.toContain(entity(after));
    await running.stop();
  });

  test('goes on where it stood still once what it stood at is mended, and has skipped nothing', async () => {
    await fresh('mended');
    const failures: unknown[] = [];
    const [good, poisoned, after] = [newStream(), newStream(), newStream()];
    const before = await count(good, 1);
    // What the database refuses is no other poison than what the projection does.
    const position = await count(poisoned, 2 ** 40);
    const last = await count(after, 1);
    await pool.query('delete from log.events where stream <> all($1)', [[good, poisoned, after]]);
    const running = await projector('mended', { failed: (error) => failures.push(error) });
    await until(() => failures.length >= 2);
    expect(failures[0]).toBeInstanceOf(Unprojectable);
    expect((failures[0] as Unprojectable).event).toMatchObject({ stream: poisoned, position });
    expect(await checkpoint(pool, 'mended')).toBe(before);

    await pool.query(`update log.events set data = '{"n": 2}' where stream = $1`, [poisoned]);
    await until(async () => (await checkpoint(pool, 'mended')) === last);
    const rows = [good, poisoned, after].map((stream, nth) => ({
      stream: entity(stream),
      last: nth === 1 ? 2 : 1,
    }));
    expect(await rowsIn('mended')).toEqual(expect.arrayContaining(rows));
    await running.stop();
  });

  test('a wait for what is not projected is over in time', async () => {
    await fresh('waits');
    const stop = new AbortController();
    const reached = projectionProgress(pool, 'waits', stop.signal);
    expect(await reached('99999999999999999999', 10)).toBe(false);
    stop.abort();
  });
});

const entity = (stream: string) => stream.slice(stream.indexOf('-') + 1);

async function holders(): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>(
    `select pid from pg_locks where locktype = 'advisory' and classid::bigint << 32 | objid::bigint = $1 and granted
     and database = (select oid from pg_database where datname = current_database())`,
    [PROJECTOR_LOCK],
  );
  return rows.map(({ pid }) => pid);
}

async function lastPosition(): Promise<string> {
  let last: RecordedEvent | undefined;
  for await (const batch of store.subscribe({ signal: AbortSignal.timeout(10_000) })) {
    if (batch.length === 0) break;
    last = batch.at(-1);
  }
  return last?.position ?? '';
}
