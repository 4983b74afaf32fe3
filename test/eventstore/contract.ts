import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type Appended,
  ClaimTaken,
  type Commit,
  type EventStore,
  type ExpectedRevision,
  type Fact,
  LogUnavailable,
  type NewEvent,
  type Position,
  type StateChange,
  WrongExpectedRevision,
} from '../../src/eventstore/event-store.ts';
import { envelope, newEvent, newEvents, newStream } from '../support/log-events.ts';
import { followLog } from '../support/log-follower.ts';

export interface LogUnderTest {
  readonly store: EventStore;
  /** Another process's view of the same log; closed with the rest by `stop`. */
  anotherNode(): Promise<EventStore>;
  /** The server goes away, with all connections, and comes back with its data. */
  interrupt(): Promise<void>;
  stop(): Promise<void>;
}

export interface Capabilities {
  /** A commit to several streams is written as a whole or not at all. */
  readonly atomicAcrossStreams: boolean;
}

/**
 * What every engine of the log must do; the log may hold other events before and meanwhile.
 * @param start begins a log (or opens one) and is called once
 */
export function eventStoreContract(
  name: string,
  start: () => Promise<LogUnderTest>,
  capabilities: Capabilities,
): void {
  describe(`the log: ${name}`, () => {
    let log: LogUnderTest;
    let store: EventStore;
    let otherNode: EventStore;

    beforeAll(async () => {
      log = await start();
      store = log.store;
      otherNode = await log.anotherNode();
    });

    afterAll(() => log?.stop());

    const write = (
      stream: string,
      expectedRevision: ExpectedRevision,
      events: readonly NewEvent[],
      state?: readonly StateChange[],
    ): Promise<Appended> =>
      store.append({ streams: [{ stream, expectedRevision, events }], state });

    const ids = async (stream: string) => (await store.read(stream)).map(({ id }) => id);

    /** The stream after so many events. */
    const begun = async (events: readonly NewEvent[]): Promise<string> => {
      const stream = newStream();
      await write(stream, 'none', events);
      return stream;
    };

    describe('append', () => {
      test('begins a stream', async () => {
        const [first, second] = newEvents(2) as [NewEvent, NewEvent];
        const stream = newStream();

        const { position } = await write(stream, 'none', [first, second]);

        expect(await store.read(stream)).toEqual([
          { ...first, stream, revision: 0, position: expect.any(String), created: instant },
          { ...second, stream, revision: 1, position, created: instant },
        ]);
      });

      test('continues a stream at the revision it is known to have', async () => {
        const events = newEvents(3);
        const stream = await begun(events.slice(0, 2));

        await write(stream, 1, events.slice(2));

        const recorded = await store.read(stream);
        expect(recorded.map(({ revision }) => revision)).toEqual([0, 1, 2]);
        expect(recorded.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      });

      test('takes any revision, of a stream begun or not', async () => {
        const events = newEvents(2);
        const stream = newStream();

        for (const event of events) await write(stream, 'any', [event]);

        expect(await ids(stream)).toEqual(events.map(({ id }) => id));
      });

      test.each<{ expected: ExpectedRevision; present: number }>([
        { expected: 'none', present: 1 },
        { expected: 0, present: 2 },
        { expected: 2, present: 2 },
        { expected: 0, present: 0 },
      ])(
        'refuses $expected when $present events are there, and writes nothing',
        async ({ expected, present }) => {
          const events = newEvents(present);
          const stream = newStream();
          if (present > 0) await write(stream, 'none', events);

          const refused = write(stream, expected, newEvents(1));

          await expect(refused).rejects.toThrow(WrongExpectedRevision);
          await expect(refused).rejects.toMatchObject({ stream });
          expect(await ids(stream)).toEqual(events.map(({ id }) => id));
        },
      );

      test('lets exactly one of 20 racers from two nodes have a revision', async () => {
        const stream = await begun(newEvents(1));

        const results = await Promise.allSettled(
          newEvents(20).map((event, racer) =>
            (racer % 2 ? store : otherNode).append({
              streams: [{ stream, expectedRevision: 0, events: [event] }],
            }),
          ),
        );

        const lost = results.filter((result) => result.status === 'rejected');
        expect(lost).toHaveLength(19);
        for (const { reason } of lost) expect(reason).toBeInstanceOf(WrongExpectedRevision);
        expect(await store.read(stream)).toHaveLength(2);
      });

      test('takes parallel appends to streams of their own', async () => {
        const positions = await Promise.all(
          newEvents(50).map(async (event) => (await write(newStream(), 'none', [event])).position),
        );

        expect(new Set(positions).size).toBe(50);
      });

      test('is read at once on another node', async () => {
        const stream = await begun(newEvents(1));

        expect(await otherNode.read(stream)).toHaveLength(1);
      });

      test('keeps data and envelope as they were given', async () => {
        const event = {
          ...newEvent(everyKindOfJson),
          metadata: envelope({
            actor: { type: 'client', id: 'Käse & Brot' },
            source: 'c2VhbGVk_-',
          }),
        };
        const stream = await begun([event]);

        const [recorded] = await store.read(stream);

        expect(recorded?.data).toEqual(everyKindOfJson);
        expect(recorded?.metadata).toEqual(event.metadata);
      });
    });

    describe('append to several streams', () => {
      test('writes them all, in the order given', async () => {
        const [one, two] = [newStream(), newStream()];
        const commit: Commit = {
          streams: [
            { stream: one, expectedRevision: 'none', events: newEvents(2) },
            { stream: two, expectedRevision: 'none', events: newEvents(2) },
          ],
        };

        const { position } = await store.append(commit);

        const recorded = [...(await store.read(one)), ...(await store.read(two))];
        expect(recorded.map(({ id }) => id)).toEqual(
          commit.streams.flatMap(({ events }) => events).map(({ id }) => id),
        );
        expectAscending(recorded.map((each) => each.position));
        expect(recorded.at(-1)?.position).toBe(position);
      });

      test('writes nothing when the first has moved on', async () => {
        const [guard, other] = [await begun(newEvents(1)), newStream()];

        const refused = store.append({
          streams: [
            { stream: guard, expectedRevision: 'none', events: newEvents(1) },
            { stream: other, expectedRevision: 'none', events: newEvents(1) },
          ],
        });

        await expect(refused).rejects.toMatchObject({
          name: 'WrongExpectedRevision',
          stream: guard,
        });
        expect(await store.read(guard)).toHaveLength(1);
        expect(await store.read(other)).toEqual([]);
      });

      test('writes nothing when a later one has moved on', async () => {
        const [first, moved] = [newStream(), await begun(newEvents(1))];

        const refused = store.append({
          streams: [
            { stream: first, expectedRevision: 'none', events: newEvents(1) },
            { stream: moved, expectedRevision: 'none', events: newEvents(1) },
          ],
        });

        await expect(refused).rejects.toMatchObject({ stream: moved });
        expect(await store.read(first)).toEqual([]);
      });

      if (capabilities.atomicAcrossStreams) {
        test('writes nothing of those who lose the race for a later one', async () => {
          const raced = await begun(newEvents(1));
          const streams = Array.from({ length: 10 }, newStream);

          const results = await Promise.allSettled(
            streams.map((stream, racer) =>
              (racer % 2 ? store : otherNode).append({
                streams: [
                  { stream, expectedRevision: 'none', events: newEvents(1) },
                  { stream: raced, expectedRevision: 0, events: newEvents(1) },
                ],
              }),
            ),
          );

          const won = results.map(({ status }) => status === 'fulfilled');
          expect(won.filter(Boolean)).toHaveLength(1);
          const written = await Promise.all(streams.map((stream) => store.read(stream)));
          expect(written.map(({ length }) => length === 1)).toEqual(won);
        });
      }
    });

    describe('append again, with the same ids', () => {
      test('changes nothing and answers as before', async () => {
        const stream = newStream();
        const events = newEvents(2);
        const first = await write(stream, 'none', events);

        expect(await write(stream, 'none', events)).toEqual(first);
        expect(await ids(stream)).toEqual(events.map(({ id }) => id));
      });

      test('is known when the stream has gone on since', async () => {
        const stream = await begun(newEvents(1));
        const events = newEvents(2);
        const first = await write(stream, 0, events);
        await write(stream, 2, newEvents(1));

        expect(await otherNode.append(commitOf(stream, 0, events))).toEqual(first);
        expect(await store.read(stream)).toHaveLength(4);
      });

      test('holds for several streams', async () => {
        const streams = [newStream(), newStream()];
        const commit: Commit = {
          streams: streams.map((stream) => ({
            stream,
            expectedRevision: 'none' as const,
            events: newEvents(2),
          })),
        };
        const first = await store.append(commit);

        expect(await store.append(commit)).toEqual(first);
        for (const stream of streams) expect(await store.read(stream)).toHaveLength(2);
      });
    });

    describe('read', () => {
      let stream: string;
      const numbers = async (options: Parameters<EventStore['read']>[1]) =>
        (await store.read(stream, options)).map(({ revision }) => revision);

      beforeAll(async () => {
        stream = await begun(newEvents(5));
      });

      test.each<{ options: Parameters<EventStore['read']>[1]; revisions: number[] }>([
        { options: {}, revisions: [0, 1, 2, 3, 4] },
        { options: { from: 3 }, revisions: [3, 4] },
        { options: { limit: 2 }, revisions: [0, 1] },
        { options: { from: 1, limit: 2 }, revisions: [1, 2] },
        { options: { from: 5 }, revisions: [] },
        { options: { backwards: true }, revisions: [4, 3, 2, 1, 0] },
        { options: { backwards: true, limit: 1 }, revisions: [4] },
        { options: { backwards: true, from: 2 }, revisions: [2, 1, 0] },
        { options: { backwards: true, from: 2, limit: 2 }, revisions: [2, 1] },
        { options: { backwards: true, from: 0 }, revisions: [0] },
      ])('with $options', async ({ options, revisions }) => {
        expect(await numbers(options)).toEqual(revisions);
      });

      test('finds nothing in a stream that was never begun', async () => {
        expect(await store.read(newStream())).toEqual([]);
        expect(await store.read(newStream(), { from: 7 })).toEqual([]);
        expect(await store.read(newStream(), { backwards: true, limit: 1 })).toEqual([]);
      });
    });

    test('gives an event one position, which orders it as text', async () => {
      const [one, two] = [newStream(), newStream()];
      const appended: (Position | null)[] = [];
      for (const stream of [one, two, one, two, one]) {
        appended.push((await write(stream, 'any', newEvents(1))).position);
      }
      const follower = followLog(store, { streams: [one, two] });
      await follower.until(({ events }) => events.length === 5);
      await follower.stop();

      const delivered = follower.events.map(({ position }) => position);
      const read = [...(await store.read(one)), ...(await store.read(two))].map(
        ({ position }) => position,
      );
      expect(delivered).toEqual(appended);
      expect(read.sort()).toEqual(appended);
      expectAscending(delivered);
    });

    test('last is the event at the end of the whole log, whoever appended it', async () => {
      const stream = await begun(newEvents(2));
      const own = await store.last();
      expect(own).toEqual((await store.read(stream)).at(-1));
      await otherNode.append({
        streams: [{ stream: newStream(), expectedRevision: 'none', events: newEvents(1) }],
      });
      const then = await store.last();
      expect(then && own && then.position > own.position).toBe(true);
    });

    describe('subscribe', () => {
      test('delivers what was there, says so, and goes on live', async () => {
        const events = newEvents(4);
        const stream = await begun(events.slice(0, 3));
        const follower = followLog(store, { streams: [stream] });

        await follower.until(({ caughtUpAt }) => caughtUpAt.length > 0);
        const before = follower.caughtUpAt[0];
        await write(stream, 2, events.slice(3));
        await follower.until((each) => each.events.length >= 4);
        await follower.stop();

        expect(before).toBe(3);
        expect(follower.events).toEqual(await store.read(stream));
      });

      test('begins after a position, not with it', async () => {
        const stream = await begun(newEvents(4));
        const [, second] = await store.read(stream);

        const follower = followLog(store, { streams: [stream], after: second?.position });
        await follower.until(({ caughtUpAt }) => caughtUpAt.length > 0);
        await follower.stop();

        expect(follower.events.map(({ revision }) => revision)).toEqual([2, 3]);
      });

      test('and facts tell the same of events, as far as they go', async () => {
        const stream = await begun(newEvents(4));
        const [first] = await store.read(stream);
        const enough = new AbortController();
        const told: Fact[] = [];
        for await (const batch of store.facts({ after: first?.position, signal: enough.signal })) {
          if (batch.length === 0) enough.abort();
          told.push(...batch.filter((fact) => fact.stream === stream));
        }
        expect(told).toMatchObject(
          (await store.read(stream))
            .slice(1)
            .map(({ position, revision, type, data, metadata }) => ({
              ...{ position, revision, type, data },
              metadata: { at: metadata.at, schema: metadata.schema },
            })),
        );
        expect(told).toHaveLength(3);
      });

      test('says at once that there is nothing after the end', async () => {
        const stream = newStream();
        const { position } = await write(stream, 'none', newEvents(1));

        const follower = followLog(store, { streams: [stream], after: position as Position });
        await follower.until(({ caughtUpAt }) => caughtUpAt.length > 0);
        await follower.stop();

        expect(follower.events).toEqual([]);
      });

      test('delivers to every subscriber, on every node, in one order', async () => {
        const streams = Array.from({ length: 4 }, newStream);
        const followers = [store, store, otherNode].map((each) => followLog(each, { streams }));

        await Promise.all(
          Array.from({ length: 40 }, (_, number) =>
            (number % 2 ? store : otherNode).append(
              commitOf(streams[number % 4] as string, 'any', newEvents(2)),
            ),
          ),
        );
        await Promise.all(followers.map((each) => each.until(({ events }) => events.length >= 80)));
        await Promise.all(followers.map((each) => each.stop()));

        const [first, second, third] = followers.map(({ events }) => events.map(({ id }) => id));
        expect(new Set(first).size).toBe(80);
        expect(second).toEqual(first);
        expect(third).toEqual(first);
        expectAscending(followers[0]?.events.map(({ position }) => position) ?? []);
      });

      test('ends when its signal aborts', async () => {
        const follower = followLog(store, { streams: [] });
        await follower.until(({ caughtUpAt }) => caughtUpAt.length > 0);

        await expect(follower.stop()).resolves.toBeUndefined();
      });

      test('does not begin when its signal has aborted before', async () => {
        const batches = [];
        for await (const batch of store.subscribe({ signal: AbortSignal.abort() })) {
          batches.push(batch);
        }
        expect(batches).toEqual([]);
      });

      test('resumes when the server comes back, with nothing lost and nothing twice', async () => {
        const stream = newStream();
        const events = newEvents(30);
        const followers = [store, otherNode].map((each) => followLog(each, { streams: [stream] }));
        await write(stream, 'none', events.slice(0, 1));
        await Promise.all(followers.map((each) => each.until((it) => it.events.length === 1)));

        const interrupted = log.interrupt();
        for (const [revision, event] of events.slice(1).entries()) {
          await untilAvailable(() => write(stream, revision, [event]));
        }
        await interrupted;
        await Promise.all(followers.map((each) => each.until((it) => it.events.length >= 30)));
        await Promise.all(followers.map((each) => each.stop()));

        const expected = events.map(({ id }) => id);
        expect(await ids(stream)).toEqual(expected);
        for (const each of followers) expect(each.events.map(({ id }) => id)).toEqual(expected);
      });
    });

    describe('technical rows', () => {
      const claim = (
        id: string,
        options: { expiresAt?: string | null; owner?: string } = {},
      ): StateChange => ({
        op: 'claim',
        model: 'Probe',
        id,
        lookup: options.owner ?? null,
        payload: null,
        expiresAt: options.expiresAt === undefined ? inAnHour() : options.expiresAt,
      });
      const put = (id: string): StateChange => ({
        op: 'put',
        model: 'Probe',
        id,
        lookup: `lookup-${id}`,
        payload: 'c2VhbGVk',
        expiresAt: inAnHour(),
      });
      const drop = (id: string): StateChange => ({ op: 'drop', model: 'Probe', id });
      const only = (...state: StateChange[]) => store.append({ streams: [], state });

      test('are written without an event, and then have no position', async () => {
        expect(await only(put(randomUUID()))).toMatchObject({ position: null });
      });

      test('go with the events of their commit', async () => {
        const id = randomUUID();
        const stream = newStream();

        await write(stream, 'none', newEvents(1), [claim(id), put(randomUUID())]);

        expect(await store.read(stream)).toHaveLength(1);
        await expect(only(claim(id))).rejects.toThrow(ClaimTaken);
      });

      test('a claim is had once, and the second commit writes nothing', async () => {
        const [id, other] = [randomUUID(), randomUUID()];
        const stream = newStream();
        await only(claim(id));

        const refused = write(stream, 'none', newEvents(1), [put(other), claim(id)]);

        await expect(refused).rejects.toThrow(ClaimTaken);
        await expect(refused).rejects.toMatchObject({ model: 'Probe', id });
        expect(await store.read(stream)).toEqual([]);
        await expect(only(claim(other))).resolves.toMatchObject({ position: null });
      });

      test('a claim can be had again when it has expired, or been dropped', async () => {
        const [expired, dropped] = [randomUUID(), randomUUID()];
        await only(claim(expired, { expiresAt: aMinuteAgo() }), claim(dropped));
        await only(drop(dropped));

        await only(claim(expired), claim(dropped));

        await expect(only(claim(expired))).rejects.toThrow(ClaimTaken);
        await expect(only(claim(dropped))).rejects.toThrow(ClaimTaken);
      });

      test('a claim can be had again by its owner, and by nobody else', async () => {
        const id = randomUUID();
        await only(claim(id, { owner: 'first' }));

        await only(claim(id, { owner: 'first' }));

        await expect(only(claim(id, { owner: 'second' }))).rejects.toThrow(ClaimTaken);
        await expect(only(claim(id))).rejects.toThrow(ClaimTaken);
      });

      test('a commit with a claim of its own is repeated like any other', async () => {
        const commit = {
          ...commitOf(newStream(), 'none', newEvents(1)),
          state: [claim(randomUUID(), { owner: 'repeated' })],
        };
        const first = await store.append(commit);

        expect(await store.append(commit)).toEqual(first);
      });

      test('a claim without an expiry holds', async () => {
        const id = randomUUID();
        await only(claim(id, { expiresAt: null }));

        await expect(only(claim(id))).rejects.toThrow(ClaimTaken);
      });

      test('claims of different models do not meet', async () => {
        const id = randomUUID();
        await only(claim(id));

        await expect(only({ ...claim(id), model: 'Other' } as StateChange)).resolves.toBeDefined();
      });

      test('a row that was put is replaced by a put, and refuses a claim', async () => {
        const id = randomUUID();
        await only(put(id));
        await only(put(id));

        await expect(only(claim(id))).rejects.toThrow(ClaimTaken);
      });

      test('20 claims from two nodes: one is had', async () => {
        const id = randomUUID();

        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, racer) =>
            (racer % 2 ? store : otherNode).append({
              ...commitOf(newStream(), 'none', newEvents(1)),
              state: [claim(id)],
            }),
          ),
        );

        const refused = results.filter((result) => result.status === 'rejected');
        expect(refused).toHaveLength(19);
        for (const { reason } of refused) expect(reason).toBeInstanceOf(ClaimTaken);
      });

      test('a commit that lost its race has not used its claim up', async () => {
        const id = randomUUID();
        const stream = await begun(newEvents(1));
        await expect(write(stream, 'none', newEvents(1), [claim(id)])).rejects.toThrow(
          WrongExpectedRevision,
        );

        await write(stream, 0, newEvents(1), [claim(id)]);

        await expect(only(claim(id))).rejects.toThrow(ClaimTaken);
      });
    });

    test('reads streams of more than a thousand events whole', async () => {
      const long = await begun(newEvents(1_200));

      const recorded = await store.read(long);

      expect(recorded.map(({ data }) => data)).toEqual(newEvents(1_200).map(({ data }) => data));
    });
  });
}

const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const everyKindOfJson = {
  text: 'Grüße, 你好, שלום, 👩‍👩‍👧 — "quoted" \\ \n\t',
  empty: '',
  numbers: [0, -1, 0.1, 1e21, 5e-324, Number.MAX_SAFE_INTEGER],
  nothing: null,
  yes: true,
  nested: { list: [[], {}, [{ deep: [null, { deeper: false }] }]] },
  'a key: with "signs"': { '': 'no name' },
};

function commitOf(
  stream: string,
  expectedRevision: ExpectedRevision,
  events: readonly NewEvent[],
): Commit {
  return { streams: [{ stream, expectedRevision, events }] };
}

function expectAscending(positions: readonly Position[]): void {
  expect(positions.length).toBeGreaterThan(1);
  for (const [index, position] of positions.entries()) {
    if (index > 0) expect(position > (positions[index - 1] as Position)).toBe(true);
  }
}

/** Repeats a commit whose outcome is unknown, as a caller may. */
async function untilAvailable(append: () => Promise<Appended>): Promise<Appended> {
  for (;;) {
    try {
      return await append();
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
    }
  }
}

function inAnHour(): string {
  return new Date(Date.now() + 3_600_000).toISOString();
}

function aMinuteAgo(): string {
  return new Date(Date.now() - 60_000).toISOString();
}
