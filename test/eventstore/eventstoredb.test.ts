import { EventStoreDBClient } from '@eventstore/db-client';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import {
  type Commit,
  type EventStore,
  LogUnavailable,
  type NewEvent,
  toPosition,
  WrongExpectedRevision,
} from '../../src/eventstore/event-store.ts';
import { type EventStoreDbOptions, eventStoreDb } from '../../src/eventstore/eventstoredb.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../support/eventstoredb/double.ts';
import type { StoredEvent } from '../support/eventstoredb/server-log.ts';
import { newEvent, newEvents, newStream } from '../support/log-events.ts';
import { followLog } from '../support/log-follower.ts';
import { memoryState } from '../support/memory-state.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { eventStoreContract, type LogUnderTest } from './contract.ts';

eventStoreContract(
  'EventStoreDB, the double',
  async () => {
    const double = await startEventStoreDouble();
    return logAt(double.url, { interrupt: double.restart, stop: double.stop });
  },
  { atomicAcrossStreams: false },
);

/** A single node, as `esdb://host:port?tls=false`. */
const realServer = process.env.EVENTSTORE_TEST_URL;
if (realServer) {
  eventStoreContract(
    'EventStoreDB, a real server',
    async () => {
      const { hostname, port, search } = new URL(realServer);
      const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
      return logAt(`esdb://127.0.0.1:${proxy.port}${search}`, proxy);
    },
    { atomicAcrossStreams: false },
  );
}

function logAt(url: string, server: Pick<LogUnderTest, 'interrupt' | 'stop'>): LogUnderTest {
  const writeState = memoryState();
  const nodes: EventStore[] = [];
  const open = (): EventStore => {
    const node = eventStoreDb({ url, writeState, projected: async () => true });
    nodes.push(node);
    return node;
  };
  return {
    store: open(),
    anotherNode: async () => open(),
    interrupt: () => server.interrupt(),
    async stop() {
      await Promise.all(nodes.map((node) => node.close()));
      await server.stop();
    },
  };
}

describe('on EventStoreDB', () => {
  let server: EventStoreDouble;
  let nodes: EventStore[];

  const open = (options: Partial<EventStoreDbOptions> = {}): EventStore => {
    const node = eventStoreDb({
      url: server.url,
      writeState: memoryState(),
      projected: async () => true,
      ...options,
    });
    nodes.push(node);
    return node;
  };

  beforeEach(async () => {
    server = await startEventStoreDouble();
    nodes = [];
  });

  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await server.stop();
  });

  describe('an append whose outcome is unknown is made exactly once', () => {
    test.each(['lostRequests', 'lostReplies', 'brokenReplies'] as const)('%s', async (fault) => {
      const store = open({ defaultDeadline: 1_800 });
      const [stream, events] = [newStream(), newEvents(2)];
      server.faults[fault] = 1;

      const { position } = await store.append(commitOf(stream, 'none', events));

      const recorded = await store.read(stream);
      expect(recorded.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      expect(recorded.at(-1)?.position).toBe(position);
      expect(server.faults[fault]).toBe(0);
    });

    test('at once when the connection breaks', async () => {
      const store = open({ defaultDeadline: 30_000 });
      server.faults.brokenReplies = 1;
      const begin = performance.now();

      await store.append(commitOf(newStream(), 'none', newEvents(1)));

      expect(performance.now() - begin).toBeLessThan(5_000);
      expect(server.log.all).toHaveLength(1);
    });

    test('whatever is appended behind it in the meantime', async () => {
      const store = open({ defaultDeadline: 1_800 });
      const [stream, mine] = [newStream(), newEvents(1)];
      server.faults.lostReplies = 1;

      const appending = store.append(commitOf(stream, 'none', mine));
      await until(() => server.log.events(stream)?.length === 1);
      await open().append(commitOf(stream, 0, newEvents(1)));
      const { position } = await appending;

      const [first, ...rest] = await store.read(stream);
      expect(first).toMatchObject({ id: mine[0]?.id, position });
      expect(rest).toHaveLength(1);
    });

    test('and is a conflict when somebody else had the revision', async () => {
      const store = open({ defaultDeadline: 1_800 });
      const stream = newStream();
      server.faults.lostRequests = 1;

      const appending = store.append(commitOf(stream, 'none', newEvents(1)));
      await until(() => server.faults.lostRequests === 0);
      const theirs = newEvents(1);
      await open().append(commitOf(stream, 'none', theirs));

      await expect(appending).rejects.toThrow(WrongExpectedRevision);
      expect((await store.read(stream)).map(({ id }) => id)).toEqual([theirs[0]?.id]);
    });

    test('at any revision too, while the server remembers it', async () => {
      const store = open({ defaultDeadline: 1_800 });
      const stream = newStream();
      server.faults.lostReplies = 1;

      await store.append(commitOf(stream, 'any', newEvents(1)));

      expect(await store.read(stream)).toHaveLength(1);
    });

    test('when the server dies under load and comes back', async () => {
      const store = open({ defaultDeadline: 10_000 });
      const other = open({ defaultDeadline: 10_000 });
      server.faults.appendTime = 20;
      const commits = newEvents(80).map((event) => commitOf(newStream(), 'none', [event]));

      const appending = commits.map((commit, number) =>
        (number % 2 ? store : other).append(commit),
      );
      await until(() => server.log.all.length > 0);
      await server.stop();
      await server.restart();
      await Promise.all(appending);

      expect(server.log.all.map(({ stream }) => stream).sort()).toEqual(
        commits.map(({ streams: [write] }) => write?.stream).sort(),
      );
    });
  });

  describe('a server that does not answer', () => {
    test.each<[string, () => Promise<void> | void]>([
      ['is gone', () => server.stop()],
      [
        'is stuck',
        () => {
          server.faults.lostRequests = Number.POSITIVE_INFINITY;
        },
      ],
    ])('%s: an append gives up at its deadline', async (_, ail) => {
      const store = open({ defaultDeadline: 400 });
      await ail();
      const begin = performance.now();

      const appending = store.append(commitOf(newStream(), 'none', newEvents(1)));

      await expect(appending).rejects.toThrow(LogUnavailable);
      expect(performance.now() - begin).toBeLessThan(2_000);
    });

    test('is gone: a read gives up at its deadline', async () => {
      const store = open({ defaultDeadline: 400 });
      await server.stop();

      await expect(store.read(newStream())).rejects.toThrow(LogUnavailable);
    });

    test('was gone at the start: all is well once it is there', async () => {
      await server.stop();
      const store = open({ defaultDeadline: 10_000 });
      const stream = newStream();
      const follower = followLog(store, { streams: [stream] });
      const appending = store.append(commitOf(stream, 'none', newEvents(1)));

      await server.restart();

      await appending;
      await follower.until(({ events }) => events.length === 1);
      await follower.stop();
    });

    test('in time: answers that come late disturb nobody', async () => {
      const store = open({ defaultDeadline: 300 });
      const commit = commitOf(newStream(), 'none', newEvents(1));
      server.faults.appendTime = 150;
      await expect(store.append(commit)).rejects.toThrow(LogUnavailable);
      await until(() => server.log.all.length === 1);
      server.faults.appendTime = 0;

      const { position } = await store.append(commit);

      expect(position).toBe(toPosition(server.log.all[0]?.position ?? 0));
      expect(server.log.all).toHaveLength(1);
    });

    test('a commit given up may be tried again and is there once', async () => {
      const store = open({ defaultDeadline: 300 });
      const commit = commitOf(newStream(), 'none', newEvents(2));
      server.faults.lostReplies = Number.POSITIVE_INFINITY;
      await expect(store.append(commit)).rejects.toThrow(LogUnavailable);
      server.faults.lostReplies = 0;

      await store.append(commit);

      expect(server.log.all).toHaveLength(2);
    });
  });

  test('a commit of several megabytes is one append', async () => {
    const store = open();
    const stream = newStream();
    const events = ['a', 'b', 'c', 'd'].map((letter) => newEvent({ text: letter.repeat(700_000) }));

    await store.append(commitOf(stream, 'none', events));

    const recorded = await store.read(stream);
    expect(recorded.map(({ data }) => data)).toEqual(events.map(({ data }) => data));
  });

  test('waits for the read models to show the commit, and for its last event only', async () => {
    const projected = jest.fn(async () => true);
    const store = open({ projected });

    const { position } = await store.append({
      streams: [
        ...commitOf(newStream(), 'none', newEvents(2)).streams,
        ...commitOf(newStream(), 'none', newEvents(1)).streams,
      ],
    });

    expect(projected.mock.calls).toEqual([[position]]);
  });

  test('keeps what was written when a later stream moves on meanwhile', async () => {
    const store = open();
    const [first, raced] = [newStream(), newStream()];
    const somebodyElse = server.log
      .grown(AbortSignal.timeout(10_000))
      .then(() => server.log.append(raced, 'none', [server.log.all[0] as StoredEvent]));

    const refused = store.append({
      streams: [
        { stream: first, expectedRevision: 'none', events: newEvents(1) },
        { stream: raced, expectedRevision: 'none', events: newEvents(1) },
      ],
    });

    await expect(refused).rejects.toMatchObject({ stream: raced });
    expect(await somebodyElse).toMatchObject({ is: 'written' });
    expect(await store.read(first)).toHaveLength(1);
  });

  test('conflicts are conflicts even when the connection string asks for silence', async () => {
    const store = open({ url: `${server.url}&throwOnAppendFailure=false` });
    const stream = newStream();
    await store.append(commitOf(stream, 'none', newEvents(1)));

    await expect(store.append(commitOf(stream, 'none', newEvents(1)))).rejects.toThrow(
      WrongExpectedRevision,
    );
  });

  test('finds the node of a cluster by gossip', async () => {
    const host = new URL(server.url).host;
    const store = open({ url: `esdb://${host},${host}?tls=false` });
    const stream = newStream();

    await store.append(commitOf(stream, 'none', newEvents(1)));

    expect(await store.read(stream)).toHaveLength(1);
  });

  test('a deleted stream reads as one never begun, and what the server notes is not delivered', async () => {
    const store = open();
    const stream = newStream();
    await store.append(commitOf(stream, 'none', newEvents(1)));
    const client = EventStoreDBClient.connectionString(server.url);
    await client.deleteStream(stream);
    await client.dispose();

    const follower = followLog(store, { streams: [stream, `$$${stream}`] });
    await follower.until(({ caughtUpAt }) => caughtUpAt.length > 0);
    await follower.stop();

    expect(await store.read(stream)).toEqual([]);
    expect(follower.events.map(({ type }) => type)).toEqual(['Probed']);
    expect(server.log.all.map(({ type }) => type)).toEqual(['Probed', '$metadata']);
  });

  test('gives up what is under way when it is closed', async () => {
    const store = open();
    server.faults.lostRequests = 1;
    const appending = store.append(commitOf(newStream(), 'none', newEvents(1)));
    await until(() => server.faults.lostRequests === 0);
    const begin = performance.now();

    await store.close();

    await expect(appending).rejects.toThrow(LogUnavailable);
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect(server.log.all).toEqual([]);
  });

  describe('a subscription', () => {
    test('delivers what came meanwhile in one batch, and bounds it', async () => {
      const store = open();
      const [stream, events] = [newStream(), newEvents(1_200)];
      await store.append(commitOf(stream, 'none', events));
      const batches: string[][] = [];

      for await (const batch of store.subscribe({ signal: AbortSignal.timeout(20_000) })) {
        batches.push(batch.map(({ id }) => id));
        if (batch.length === 0) break;
        for (let turn = 0; turn < 50; turn++) await nextTurn();
      }

      expect(batches.flat()).toEqual(events.map(({ id }) => id));
      expect(batches.length).toBeLessThan(600);
      for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(500);
    });

    test('loses nothing on a subscriber that is interrupted between two batches', async () => {
      const store = open();
      const [stream, events] = [newStream(), newEvents(600)];
      await store.append(commitOf(stream, 'none', events));
      const delivered: string[] = [];
      let breaks = 5;

      for await (const batch of store.subscribe({ signal: AbortSignal.timeout(20_000) })) {
        delivered.push(...batch.map(({ id }) => id));
        if (breaks-- > 0) server.faults.breakConnections();
        if (delivered.length >= 600) break;
      }

      expect(delivered).toEqual(events.map(({ id }) => id));
    });

    test('says again that it has caught up when it had to reconnect', async () => {
      const store = open();
      const follower = followLog(store, { streams: [] });
      await follower.until(({ caughtUpAt }) => caughtUpAt.length === 1);

      server.faults.breakConnections();

      await follower.until(({ caughtUpAt }) => caughtUpAt.length === 2);
      await follower.stop();
    });

    test('ends when the store is closed', async () => {
      const store = open();
      const signal = AbortSignal.timeout(20_000);

      for await (const batch of store.subscribe({ signal })) {
        if (batch.length === 0) await store.close();
      }

      expect(signal.aborted).toBe(false);
    });
  });
});

function commitOf(
  stream: string,
  expectedRevision: 'none' | 'any' | number,
  events: readonly NewEvent[],
): Commit {
  return { streams: [{ stream, expectedRevision, events }] };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
