import {
  ANY,
  BACKWARDS,
  END,
  EventStoreDBClient,
  eventTypeFilter,
  jsonEvent,
  NO_STREAM,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  streamNameFilter,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newStream } from '../log-events.ts';
import { type EventStoreDouble, startEventStoreDouble } from './double.ts';

/** The vendor's client against the double: what the server promises, the double keeps. */
describe('the EventStoreDB double', () => {
  let server: EventStoreDouble;
  let client: EventStoreDBClient;

  beforeAll(async () => {
    server = await startEventStoreDouble();
    client = EventStoreDBClient.connectionString(server.url);
  });

  afterAll(async () => {
    await client.dispose();
    await server.stop();
  });

  const events = (count: number, type = 'Probed') =>
    Array.from({ length: count }, (_, number) => jsonEvent({ type, data: { number } }));

  const begun = async (count: number) => {
    const [stream, written] = [newStream(), events(count)];
    await client.appendToStream(stream, written, { expectedRevision: NO_STREAM });
    return { stream, written };
  };

  const read = async (stream: string) => {
    const found: string[] = [];
    for await (const { event } of client.readStream(stream)) if (event) found.push(event.id);
    return found;
  };

  /** With credentials the client uses a call for each append; without, one call for all of them. */
  describe.each([
    ['BatchAppend', {}],
    ['Append', { credentials: { username: 'admin', password: 'changeit' } }],
  ])('%s', (_, how) => {
    test('writes at the expected revision, and says where', async () => {
      const { stream } = await begun(2);

      const result = await client.appendToStream(stream, events(2), {
        expectedRevision: 1n,
        ...how,
      });

      expect(result).toMatchObject({ success: true, nextExpectedRevision: 3n });
      expect(result.position?.commit).toBe(BigInt(server.log.all.at(-1)?.position ?? 0));
    });

    test.each([
      { expectedRevision: NO_STREAM, current: 0n },
      { expectedRevision: 7n, current: 0n },
    ] as const)(
      'conflicts at another: $expectedRevision',
      async ({ expectedRevision, current }) => {
        const { stream } = await begun(1);

        const refused = client.appendToStream(stream, events(1), { expectedRevision, ...how });

        await expect(refused).rejects.toThrow(WrongExpectedVersionError);
        await expect(refused).rejects.toMatchObject({
          streamName: stream,
          expectedVersion: expectedRevision,
          actualVersion: current,
        });
      },
    );

    test('conflicts on a stream that is not there', async () => {
      const refused = client.appendToStream(newStream(), events(1), {
        expectedRevision: STREAM_EXISTS,
        ...how,
      });

      await expect(refused).rejects.toMatchObject({
        expectedVersion: STREAM_EXISTS,
        actualVersion: NO_STREAM,
      });
    });

    test('refuses a stream that was tombstoned, whatever is expected', async () => {
      const { stream } = await begun(1);
      await client.tombstoneStream(stream);

      const refused = client.appendToStream(stream, events(1), { expectedRevision: ANY, ...how });

      await expect(refused).rejects.toThrow(StreamDeletedError);
    });
  });

  describe('a repeated append', () => {
    test('is known by its ids at the expected revision, for ever', async () => {
      const { stream, written } = await begun(2);
      await client.appendToStream(stream, events(1), { expectedRevision: 1n });
      await server.restart();

      const again = await untilConnected(() =>
        client.appendToStream(stream, written, { expectedRevision: NO_STREAM }),
      );

      expect(again).toMatchObject({ success: true, nextExpectedRevision: 1n });
      expect(await read(stream)).toHaveLength(3);
    });

    test('at another revision is a conflict', async () => {
      const { stream, written } = await begun(2);

      const refused = client.appendToStream(stream, written, { expectedRevision: 0n });

      await expect(refused).rejects.toThrow(WrongExpectedVersionError);
    });

    test('in part is a conflict', async () => {
      const { stream, written } = await begun(2);

      const refused = client.appendToStream(stream, [...written.slice(0, 1), ...events(1)], {
        expectedRevision: NO_STREAM,
      });

      await expect(refused).rejects.toThrow(WrongExpectedVersionError);
    });

    test('at any revision is known until the server restarts', async () => {
      const [stream, written] = [newStream(), events(1)];
      await client.appendToStream(stream, written, { expectedRevision: ANY });
      await client.appendToStream(stream, written, { expectedRevision: ANY });
      expect(await read(stream)).toHaveLength(1);

      await server.restart();
      await untilConnected(() => client.appendToStream(stream, written, { expectedRevision: ANY }));

      expect(await read(stream)).toHaveLength(2);
    });
  });

  describe('a deleted stream', () => {
    test('reads as absent, and goes on counting when it is begun again', async () => {
      const { stream } = await begun(3);
      await client.deleteStream(stream);
      await expect(read(stream)).rejects.toThrow(StreamNotFoundError);

      const result = await client.appendToStream(stream, events(1), {
        expectedRevision: NO_STREAM,
      });

      expect(result.nextExpectedRevision).toBe(3n);
      expect(await read(stream)).toHaveLength(1);
    });

    test('is deleted at the expected revision only', async () => {
      const { stream } = await begun(2);

      await expect(client.deleteStream(stream, { expectedRevision: 0n })).rejects.toMatchObject({
        type: 'wrong-expected-version',
        streamName: stream,
        expectedVersion: 0n,
        actualVersion: 1n,
      });
    });

    test('that was tombstoned cannot be read', async () => {
      const { stream } = await begun(1);
      await client.tombstoneStream(stream);

      await expect(read(stream)).rejects.toThrow(StreamDeletedError);
    });
  });

  describe('$all', () => {
    test('has positions that rise, with gaps', async () => {
      await begun(3);

      const positions = server.log.all.map(({ position }) => position);

      const steps = positions.slice(1).map((position, at) => position - (positions[at] ?? 0));
      expect(Math.min(...steps)).toBeGreaterThan(1);
    });

    test('is read backwards from its end', async () => {
      const { written } = await begun(2);

      const found: (string | undefined)[] = [];
      const options = { direction: BACKWARDS, fromPosition: END, maxCount: 2 } as const;
      for await (const { event } of client.readAll(options)) found.push(event?.id);

      expect(found).toEqual(written.map(({ id }) => id).reverse());
    });

    test.each([
      ['a prefix of the stream', (stream: string) => streamNameFilter({ prefixes: [stream] })],
      ['a pattern for the stream', (stream: string) => streamNameFilter({ regex: `^${stream}$` })],
      ['a prefix of the type', () => eventTypeFilter({ prefixes: ['Rare'] })],
    ])('can be subscribed to by %s', async (_, filter) => {
      const stream = newStream();
      await begun(1);
      await client.appendToStream(stream, events(1, 'RareThing'), { expectedRevision: NO_STREAM });

      const subscription = client.subscribeToAll({ filter: filter(stream) });
      const found: string[] = [];
      subscription.on('data', ({ event }) => event && found.push(event.type));
      await new Promise((resolve) => subscription.on('caughtUp', resolve));
      await subscription.unsubscribe();

      expect(new Set(found)).toEqual(new Set(['RareThing']));
    });
  });

  test('can be subscribed to by the stream, after a revision', async () => {
    const { stream, written } = await begun(3);

    const found: string[] = [];
    const subscription = client.subscribeToStream(stream, { fromRevision: 0n });
    for await (const { event } of subscription) {
      if (event) found.push(event.id);
      if (found.length === 2) break;
    }
    await subscription.unsubscribe();

    expect(found).toEqual(written.slice(1).map(({ id }) => id));
  });
});

/** The client does not connect again by itself: the first calls after a restart may fail. */
async function untilConnected<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof WrongExpectedVersionError) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
