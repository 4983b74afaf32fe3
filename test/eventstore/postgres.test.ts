import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type EventStore, LogUnavailable } from '../../src/eventstore/event-store.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { eventually } from '../support/eventually.ts';
import { newEvent, newEvents, newStream } from '../support/log-events.ts';
import { createDatabase } from '../support/postgres.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { eventStoreContract } from './contract.ts';

async function startLog() {
  const database = await createDatabase();
  const { host, port = 5432, ...connection } = new pg.Client(database.connection);
  const proxy = await startTcpProxy(
    host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port },
  );
  const pools: pg.Pool[] = [];
  const stores: EventStore[] = [];
  const open = async (options: { answerWithin?: number } = {}) => {
    const { user, password, database: name } = connection;
    const pool = connectPostgres({
      host: '127.0.0.1',
      port: proxy.port,
      user,
      password,
      database: name,
      connectionTimeoutMillis: 1_000,
    });
    pools.push(pool);
    await migrateLog(pool);
    const store = postgresEventStore({ pool, ...options });
    stores.push(store);
    return store;
  };
  return {
    pools,
    proxy,
    store: await open(),
    anotherNode: () => open(),
    open,
    interrupt: () => proxy.interrupt(),
    async stop() {
      await Promise.all(stores.map((store) => store.close()));
      await Promise.all(pools.map((pool) => pool.end()));
      await proxy.stop();
      await database.drop();
    },
  };
}

eventStoreContract('Postgres', startLog, { atomicAcrossStreams: true });

describe('the log on Postgres', () => {
  let log: Awaited<ReturnType<typeof startLog>>;
  let pool: pg.Pool;

  beforeAll(async () => {
    log = await startLog();
    pool = log.pools[0] as pg.Pool;
  });

  afterAll(() => log.stop());

  test('numbers positions without a gap, in the order of commits, whoever appends', async () => {
    const nodes = [log.store, await log.anotherNode()];
    const guarded = newStream();
    const attempts = Array.from({ length: 200 }, (_, nth) =>
      (nodes[nth % 2] as EventStore).append({
        // Every fifth loses: what it would have written leaves no hole.
        streams: [
          nth % 5 === 0
            ? { stream: guarded, expectedRevision: 7, events: newEvents(2) }
            : { stream: newStream(), expectedRevision: 'none', events: newEvents(2) },
        ],
      }),
    );
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(40);

    const { rows } = await pool.query<{ position: number; created: string }>(
      'select position, created from log.events order by position',
    );
    expect(rows.map(({ position }) => position)).toEqual(rows.map((_, nth) => nth + 1));
    expect(rows.map(({ created }) => created)).toEqual(rows.map(({ created }) => created).sort());
  });

  test('one request that cannot be stored fails alone', async () => {
    const good = () => ({
      stream: newStream(),
      expectedRevision: 'none' as const,
      events: newEvents(1),
    });
    const bad = { ...good(), events: [{ ...newEvent(), data: { text: '\0' } }] };
    const outcomes = await Promise.allSettled(
      [good(), bad, good()].map((write) => log.store.append({ streams: [write] })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await log.store.read(bad.stream)).toEqual([]);
  });

  test('read models are written in the transaction of the append, but for refused requests', async () => {
    await pool.query('create table inlined (stream text, revision int)');
    await pool.query(`create or replace function log.project(_changes jsonb, _refused integer[])
      returns boolean language sql as $$
        insert into inlined select c.stream, c.revision
        from jsonb_to_recordset(_changes->'inlined') as c(request int, stream text, revision int)
        where c.request <> all(_refused)
        returning true $$`);
    const store = postgresEventStore({
      pool,
      inline(request, events, changes) {
        changes.inlined = events.map(({ stream, revision }) => ({ request, stream, revision }));
      },
    });
    const stream = newStream();
    const write = (expectedRevision: 'none' | number) =>
      store.append({ streams: [{ stream, expectedRevision, events: newEvents(2) }] });
    await write('none');
    await expect(write(5)).rejects.toThrow('moved on');
    await write(1);

    const { rows } = await pool.query('select revision from inlined where stream = $1', [stream]);
    expect(rows.map(({ revision }) => revision)).toEqual([0, 1, 2, 3]);
    await store.close();
  });

  test('an append that finds no connection fails alone, whatever the reason', async () => {
    const connect = pool.connect.bind(pool);
    const refused = { connect: () => Promise.reject(new Error('not with this password')) };
    const once = Object.assign(Object.create(pool), refused);
    const store = postgresEventStore({ pool: once });
    const append = () =>
      store.append({
        streams: [{ stream: newStream(), expectedRevision: 'none', events: newEvents(1) }],
      });
    await expect(append()).rejects.toThrow('not with this password');
    Object.assign(once, { connect });
    await append();
    await store.close();
  });

  describe('when the way to PostgreSQL is silent,', () => {
    const write = (stream = newStream()) => ({
      streams: [{ stream, expectedRevision: 'any' as const, events: newEvents(1) }],
    });

    test('an append is tried once more, and all that wait are told that it cannot be', async () => {
      const store = postgresEventStore({ pool, answerWithin: 200 });
      await store.append(write());
      log.proxy.hold();
      const first = store.append(write());
      await new Promise(setImmediate);
      const outcomes = await Promise.allSettled([first, store.append(write())]);
      log.proxy.release();
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ reason: { name: 'LogUnavailable' } });
      }
      await store.append(write());
      await store.close();
    });

    test('an append that was tried again is in the log once, whatever arrives late', async () => {
      // Of connections of its own, so that it does not take another that is silent.
      const store = await log.open({ answerWithin: 200 });
      const stream = newStream();
      await store.append(write());
      const sessions = async (where: string) =>
        (
          await pool.query<{ pid: number }>(
            `select pid from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and ${where}`,
          )
        ).rows;
      const [silent] = await sessions("query ~ 'log.append' order by query_start desc limit 1");
      log.proxy.holdOpen();
      await store.append(write(stream));
      log.proxy.release();
      await eventually('what was held has arrived', async () => {
        return (await sessions(`pid = ${silent?.pid}`)).length === 0;
      });
      expect(await store.read(stream)).toHaveLength(1);
    });
  });

  test('appends that wait together share a transaction', async () => {
    const batches: number[] = [];
    const store = postgresEventStore({
      pool,
      observe: ({ requests }) => batches.push(requests),
    });
    const appends = Array.from({ length: 50 }, () =>
      store.append({
        streams: [{ stream: newStream(), expectedRevision: 'none', events: newEvents(1) }],
      }),
    );
    await Promise.all(appends);
    expect(batches).toEqual([50]);
    await store.close();
  });

  test('says that it is unavailable once it is closed', async () => {
    const store = postgresEventStore({ pool });
    await store.close();
    const append = store.append({
      streams: [{ stream: newStream(), expectedRevision: 'none', events: newEvents(1) }],
    });
    await expect(append).rejects.toThrow(LogUnavailable);
  });
});
