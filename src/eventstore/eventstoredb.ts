import { addAbortSignal } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type AllStreamRecordedEvent,
  BACKWARDS,
  END,
  ErrorType,
  EventStoreDBClient,
  excludeSystemEvents,
  FORWARDS,
  isCommandError,
  START,
  type RecordedEvent as StoredEvent,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import type { Instant } from '../domain/ids.ts';
import {
  type Envelope,
  type EventStore,
  type From,
  LogUnavailable,
  type Position,
  type RecordedEvent,
  type StateChange,
  type StreamWrite,
  toPosition,
  WrongExpectedRevision,
} from './event-store.ts';
import { appendOnce } from './eventstoredb-append.ts';

export interface EventStoreDbOptions {
  /** Connection string: `esdb://…`, `esdb+discover://…`. Servers 23.10 and later. */
  readonly url: string;
  /** Writes technical rows, all or none. @throws ClaimTaken */
  readonly writeState: (changes: readonly StateChange[]) => Promise<void>;
  /** Resolves once the read models show a position; false when a bounded wait is over. Never rejects. */
  readonly projected: (position: Position) => Promise<boolean>;
  /** Milliseconds within which an append or a read is answered, retries included: 10,000. */
  readonly defaultDeadline?: number;
}

/** Events in one batch of a subscription, and events it holds that nobody has asked for yet. */
const BATCH = 500;

/** A stream that was given up may never tell the client that it has ended. */
const DISPOSAL_MS = 500;

/** Part of the deadline after which one attempt counts as unanswered. */
const ATTEMPT = 1 / 3;

/** Metadata of an event that was copied from another log: this one has no clock but its own. */
export interface CopiedEnvelope extends Envelope {
  /** When the other log took it. */
  readonly created?: Instant;
}

/** Takes its place among the events where the server says that what follows is live. */
const CAUGHT_UP = Symbol('caught up');

/** The server has decided: asking again would get the same answer. */
const FINAL: ReadonlySet<ErrorType> = new Set([
  ErrorType.WRONG_EXPECTED_VERSION,
  ErrorType.STREAM_NOT_FOUND,
  ErrorType.STREAM_DELETED,
  ErrorType.ACCESS_DENIED,
  ErrorType.INVALID_ARGUMENT,
  ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED,
  ErrorType.UNSUPPORTED,
]);

/**
 * The log in EventStoreDB (KurrentDB), with technical rows and read models in Postgres.
 *
 * A commit is written in this order: the technical rows, then each stream, as given. Every stream is
 * atomic; the commit is not. Where a stream has moved on before anything is written, nothing stays
 * but rows that were put or dropped (claims are let go). Where a later stream moves on while the
 * first ones are being written, these stay, and a caller that decides anew meets its own facts there:
 * so the first stream should be the one that others write to, and the rest new ones.
 *
 * An append that gets no answer is repeated with the same ids and the same expected revision, by
 * which the server knows it again. With `any` it does so only from memory: if the server restarts in
 * just that moment, the events may be there twice.
 */
export function eventStoreDb(options: EventStoreDbOptions): EventStore {
  const { writeState, projected, defaultDeadline = 10_000 } = options;
  const closing = new AbortController();
  const client = EventStoreDBClient.connectionString(options.url);
  const append = appendOnce(client);

  const read: EventStore['read'] = (stream, { from, backwards = false, limit } = {}) => {
    const fromRevision = from === undefined ? (backwards ? END : START) : BigInt(from);
    return persist(defaultDeadline, closing.signal, async (signal) => {
      const found = client.readStream(stream, {
        fromRevision,
        direction: backwards ? BACKWARDS : FORWARDS,
        maxCount: limit,
        requiresLeader: true,
      });
      found.on('error', () => {});
      addAbortSignal(signal, found);
      try {
        const events: RecordedEvent[] = [];
        for await (const { event } of found) events.push(recorded(event));
        return events;
      } catch (error) {
        if (error instanceof StreamNotFoundError) return [];
        throw error;
      } finally {
        found.cancel().catch(() => {});
      }
    });
  };

  const last: EventStore['last'] = () =>
    persist(defaultDeadline, closing.signal, async (signal) => {
      const found = client.readAll({
        direction: BACKWARDS,
        fromPosition: END,
        requiresLeader: true,
      });
      found.on('error', () => {});
      addAbortSignal(signal, found);
      try {
        for await (const { event } of found) {
          if (event && !event.type.startsWith('$')) return recorded(event);
        }
        return undefined;
      } finally {
        found.cancel().catch(() => {});
      }
    });

  async function write(streamWrite: StreamWrite): Promise<Position> {
    try {
      return await persist(defaultDeadline, closing.signal, (signal) =>
        append(streamWrite, signal),
      );
    } catch (error) {
      if (!(error instanceof WrongExpectedVersionError)) throw error;
      throw new WrongExpectedRevision(streamWrite.stream);
    }
  }

  /** Before the first stream is written: a conflict on a later one would come too late. */
  async function assertUnmoved({ stream, expectedRevision, events }: StreamWrite): Promise<void> {
    if (expectedRevision === 'any') return;
    const from = expectedRevision === 'none' ? 0 : expectedRevision + 1;
    const [next] = await read(stream, { from, limit: 1 });
    if (next && next.id !== events[0]?.id) throw new WrongExpectedRevision(stream);
  }

  async function* follow(
    after: Position | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<RecordedEvent[]> {
    const subscription = client.subscribeToAll(
      { fromPosition: after ? positionFor(after) : START, filter: excludeSystemEvents() },
      { highWaterMark: BATCH },
    );
    // Errors reach the loop below; one that comes after it must not end the process.
    subscription.on('error', () => {});
    subscription.on('caughtUp', () => subscription.push(CAUGHT_UP));
    addAbortSignal(signal, subscription);
    try {
      for await (const first of subscription) {
        let batch: RecordedEvent[] = [];
        for (let next: unknown = first; next !== null; next = subscription.read()) {
          if (next !== CAUGHT_UP) batch.push(recorded((next as typeof first).event));
          if (next === CAUGHT_UP || batch.length === BATCH) {
            if (batch.length > 0) yield batch;
            if (next === CAUGHT_UP) yield [];
            batch = [];
          }
        }
        if (batch.length > 0) yield batch;
      }
    } finally {
      subscription.unsubscribe().catch(() => {});
    }
  }

  async function* subscribe({ after, signal }: From): AsyncGenerator<RecordedEvent[], void> {
    const ended = AbortSignal.any([signal, closing.signal]);
    let delivered = after;
    for (let failures = 0; !ended.aborted; failures++) {
      try {
        for await (const batch of follow(delivered, ended)) {
          failures = 0;
          delivered = batch.at(-1)?.position ?? delivered;
          yield batch;
        }
      } catch (error) {
        if (isFinal(error)) throw error;
      }
      await delay(pause(failures), undefined, { signal: ended }).catch(() => {});
    }
  }

  return {
    read,
    last,

    async append({ streams, state = [] }) {
      if (state.length > 0) await writeState(state);
      let position: Position | null = null;
      try {
        await Promise.all(streams.slice(1).map(assertUnmoved));
        for (const each of streams) position = await write(each);
      } catch (error) {
        const claims = state.filter(({ op }) => op === 'claim');
        if (error instanceof WrongExpectedRevision && claims.length > 0) {
          await writeState(claims.map(({ model, id }) => ({ op: 'drop', model, id })));
        }
        throw error;
      }
      return { position, shown: position === null || (await projected(position)) };
    },

    subscribe,
    facts: subscribe,

    async close() {
      closing.abort();
      const disposed = new AbortController();
      const late = delay(DISPOSAL_MS, undefined, { signal: disposed.signal }).catch(() => {});
      await Promise.race([client.dispose(), late]);
      disposed.abort();
    },
  };
}

/**
 * Asks until the server answers, with growing pauses in between, and gives up at the deadline.
 * @param ask its signal aborts when the attempt has taken too long, whatever it waits for
 * @throws LogUnavailable, or what the server decided
 */
async function persist<T>(
  deadline: number,
  closed: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const end = performance.now() + deadline;
  for (let failures = 0; ; failures++) {
    if (closed.aborted) throw new LogUnavailable('the log has been closed');
    const attempt = new AbortController();
    const timer = setTimeout(
      () => attempt.abort(new Error('no answer in time')),
      Math.min(deadline * ATTEMPT, end - performance.now()),
    );
    try {
      return await Promise.race([ask(attempt.signal), abortion(attempt.signal)]);
    } catch (error) {
      if (isFinal(error)) throw error;
      const wait = pause(failures);
      if (performance.now() + wait >= end) {
        throw new LogUnavailable('EventStoreDB does not answer', { cause: error });
      }
      await delay(wait);
    } finally {
      clearTimeout(timer);
    }
  }
}

function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Milliseconds to wait after so many failures: doubling up to two seconds, and never in step. */
function pause(failures: number): number {
  return Math.min(2_000, 25 * 2 ** failures) * (0.5 + Math.random() / 2);
}

/** Faults of this code are final too: no answer will mend them. */
function isFinal(error: unknown): boolean {
  if (error instanceof Error && isCommandError(error)) return FINAL.has(error.type);
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

function positionFor(position: Position) {
  return { commit: BigInt(position), prepare: BigInt(position) };
}

function recorded(event: StoredEvent | AllStreamRecordedEvent | undefined): RecordedEvent {
  if (!event?.position) throw new TypeError('the server does not tell positions');
  const { created = event.created.toISOString(), ...metadata } =
    event.metadata as unknown as CopiedEnvelope;
  return {
    id: event.id,
    type: event.type,
    data: event.data as object,
    metadata,
    stream: event.streamId,
    revision: Number(event.revision),
    position: toPosition(event.position.commit),
    created,
  };
}
