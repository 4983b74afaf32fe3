import type { Digest, Instant, Sealed } from '../domain/ids.ts';

/** A place in the log: opaque, ordered as text, comparable only with positions of the same log. */
export type Position = string;

/** Writes a log offset as a Position. */
export function toPosition(offset: bigint | number | string): Position {
  return String(offset).padStart(20, '0');
}

/** Who did it, by what proof, from where, as part of what. Travels as the metadata of every event. */
export interface Envelope {
  readonly at: Instant;
  readonly actor: {
    readonly type: 'user' | 'client' | 'operator' | 'system';
    readonly id: string;
  };
  /** How the actor was authenticated: `password`, `client_secret_basic`, `bearer`, `none` … */
  readonly authentication: string;
  /** Sealed source address and user agent; null where there is no network peer. */
  readonly source: Sealed | null;
  /** The person whose own key seals `source`; absent: the server's key does. */
  readonly subject?: string;
  readonly requestId: string;
  /** EventStoreDB's reserved names: everything one request or command caused shares the first. */
  readonly $correlationId: string;
  readonly $causationId: string;
  /** Version of the shapes of facts; upcast.ts brings older ones up to date. */
  readonly schema: number;
}

export interface NewEvent {
  /** A UUID, random for each attempt and kept for its retries: it is what makes a retry idempotent. */
  readonly id: string;
  readonly type: string;
  readonly data: object;
  readonly metadata: Envelope;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  /** Place in the stream, from 0. */
  readonly revision: number;
  readonly position: Position;
  /** When the log took it. For display: order is the position, never a clock. */
  readonly created: Instant;
}

/** As much of an event as read models are made of: what it says, and when that was. */
export interface Fact
  extends Pick<RecordedEvent, 'stream' | 'revision' | 'position' | 'type' | 'data'> {
  readonly metadata: Pick<Envelope, 'at' | 'schema'>;
}

/** The last revision a stream must have: a number, `none` for a stream not begun, `any` for no check. */
export type ExpectedRevision = number | 'none' | 'any';

export interface StreamWrite {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  readonly events: readonly NewEvent[];
}

/**
 * A technical row beside the log, in the `state` schema: what expires and is nobody's history
 * (interactions, session cookies, replay caches). `claim` writes a row only if no live one of
 * another owner has the id, and otherwise refuses the commit. Payloads are sealed by the caller.
 */
export type StateChange =
  | {
      readonly op: 'put' | 'claim';
      readonly model: string;
      readonly id: Digest | string;
      /** A second way to find a row; of a claim, its owner, who may claim it again; or null. */
      readonly lookup: string | null;
      readonly payload: Sealed | null;
      /** null: never. */
      readonly expiresAt: Instant | null;
    }
  | { readonly op: 'drop'; readonly model: string; readonly id: Digest | string };

/** Everything one request wants written: all of it or nothing. */
export interface Commit {
  /** At most one write a stream. The stream that can lose a race comes first. */
  readonly streams: readonly StreamWrite[];
  readonly state?: readonly StateChange[];
}

export interface Appended {
  /** Position of the commit's last event; null when the commit held technical rows only. */
  readonly position: Position | null;
  /** Whether the read models show the commit, on every node; false where that took too long. */
  readonly shown: boolean;
}

/** A stream was not at the revision it was expected to have; nothing was written. */
export class WrongExpectedRevision extends Error {
  override readonly name = 'WrongExpectedRevision';

  constructor(readonly stream: string) {
    super(`stream ${stream} has moved on`);
  }
}

/** A `claim` met a live row with its id; nothing was written. */
export class ClaimTaken extends Error {
  override readonly name = 'ClaimTaken';

  constructor(
    readonly model: string,
    readonly id: string,
  ) {
    super(`${model} has been claimed before`);
  }
}

/** The log cannot be reached, or did not answer in time. Edges answer 503 with Retry-After. */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}

/** Where a reading of the whole log begins. */
export interface From {
  /** Exclusive; from the beginning when absent. */
  readonly after?: Position;
  /** About how many events are asked for at once, where that can be said: 500. */
  readonly page?: number;
  readonly signal: AbortSignal;
}

/**
 * The log. Five verbs, and the end of its life.
 *
 * Read models: on Postgres they are written in the append's own transaction; elsewhere `append`
 * resolves once the projector has reached the commit's position (or a bounded wait is over, which it
 * says), so that a read after a write sees it, on every node.
 */
export interface EventStore {
  /**
   * Events of one stream in order of revision; empty for a stream that was never begun.
   * @param options.from first revision to return (inclusive); 0, or the end when backwards
   * @param options.limit at most so many
   */
  read(
    stream: string,
    options?: { from?: number; backwards?: boolean; limit?: number },
  ): Promise<RecordedEvent[]>;

  /** The event at the end of the whole log; undefined before the first. */
  last(): Promise<RecordedEvent | undefined>;

  /**
   * Appends atomically. Retrying a commit whose outcome is unknown, with the same event ids, is safe.
   * @throws WrongExpectedRevision, ClaimTaken, LogUnavailable
   */
  append(commit: Commit): Promise<Appended>;

  /**
   * Every event after a position, in order, in batches, and then live, until the signal aborts.
   * Survives the log going away: it reconnects and resumes. An empty batch says "caught up".
   */
  subscribe(from: From): AsyncIterable<RecordedEvent[]>;

  /** As {@link EventStore.subscribe}, for those who read much: what they do not need may be missing. */
  facts(from: From): AsyncIterable<Fact[]>;

  close(): Promise<void>;
}
