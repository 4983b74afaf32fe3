import { EventEmitter, once } from 'node:events';

/** An event as a client proposes it. */
export interface ProposedEvent {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

/** An event as the server keeps it. */
export interface StoredEvent extends ProposedEvent {
  readonly stream: string;
  readonly revision: number;
  /** Commit and prepare position; they are equal for everything written over gRPC. */
  readonly position: number;
  readonly created: Date;
}

export type Expected = number | 'none' | 'any' | 'exists';

export type Outcome =
  | { readonly is: 'written'; readonly revision: number; readonly position: number }
  | { readonly is: 'conflict'; readonly current: number | null }
  | { readonly is: 'deleted' };

interface History {
  readonly events: StoredEvent[];
  /** A soft delete hides what is before it, and keeps counting revisions. */
  hiddenBefore: number;
  tombstoned: boolean;
}

/** Bytes a record costs beside its texts; all that matters is that positions have gaps. */
const RECORD_OVERHEAD = 90;

/**
 * What an EventStoreDB node keeps, by the node's rules for expected revisions, idempotency and
 * deletion. Lives as long as the test, whatever happens to the connections above it.
 */
export class ServerLog {
  readonly #all: StoredEvent[] = [];
  readonly #streams = new Map<string, History>();
  readonly #growth = new EventEmitter().setMaxListeners(0);
  /** Ids of recent commits, by which the node recognises a repetition when nothing was expected. */
  readonly #recent = new Map<string, StoredEvent>();
  #position = 0;

  /** All events of all streams in the order of their commit: `$all`. */
  get all(): readonly StoredEvent[] {
    return this.#all;
  }

  /** What can be read of a stream; null when there is none, or it was deleted. */
  events(stream: string): readonly StoredEvent[] | null {
    const history = this.#streams.get(stream);
    const visible = history?.events.slice(history.hiddenBefore);
    return visible?.length ? visible : null;
  }

  tombstoned(stream: string): boolean {
    return this.#streams.get(stream)?.tombstoned ?? false;
  }

  append(stream: string, expected: Expected, events: readonly ProposedEvent[]): Outcome {
    if (this.tombstoned(stream)) return { is: 'deleted' };
    const current = this.#lastRevision(stream);
    if (expected === 'exists' && current < 0) return { is: 'conflict', current: null };
    const repeated =
      expected === 'any' || expected === 'exists'
        ? this.#repeatedRecently(stream, events)
        : this.#repeatedAt(expected === 'none' ? 0 : expected + 1, stream, events);
    if (repeated === 'partly') return conflict(current);
    if (repeated) return { is: 'written', ...repeated };
    if (!this.#holds(stream, expected, current)) return conflict(current);

    for (const event of events) this.#store(stream, event);
    this.#growth.emit('grown');
    return { is: 'written', revision: this.#lastRevision(stream), position: this.#position };
  }

  /** Soft delete: the stream reads as absent, and may be begun again at the next revision. */
  delete(stream: string, expected: Expected): Outcome {
    return this.#end(stream, expected, (history) => {
      history.hiddenBefore = history.events.length;
      this.#store(`$$${stream}`, systemEvent('$metadata', { $tb: history.hiddenBefore }));
    });
  }

  /** Hard delete: the stream can never be written again. */
  tombstone(stream: string, expected: Expected): Outcome {
    return this.#end(stream, expected, (history) => {
      history.hiddenBefore = Number.POSITIVE_INFINITY;
      history.tombstoned = true;
      this.#store(stream, systemEvent('$streamDeleted', {}));
    });
  }

  /** Resolves at the next commit. @throws AbortError */
  async grown(signal: AbortSignal): Promise<void> {
    await once(this.#growth, 'grown', { signal });
  }

  /** What a node no longer knows once its process has ended. */
  forget(): void {
    this.#recent.clear();
  }

  #end(stream: string, expected: Expected, how: (history: History) => void): Outcome {
    if (this.tombstoned(stream)) return { is: 'deleted' };
    const current = this.#lastRevision(stream);
    if (!this.#holds(stream, expected, current)) return conflict(current);
    how(this.#history(stream));
    this.#growth.emit('grown');
    return { is: 'written', revision: current, position: this.#position };
  }

  #holds(stream: string, expected: Expected, current: number): boolean {
    if (expected === 'any') return true;
    if (expected === 'exists') return current >= 0;
    if (expected === 'none') return this.events(stream) === null;
    return expected === current;
  }

  /** With a revision expected, the node compares ids at the very place: for ever, and exactly. */
  #repeatedAt(
    first: number,
    stream: string,
    events: readonly ProposedEvent[],
  ): StoredEvent | 'partly' | null {
    const stored = this.#history(stream).events.slice(first, first + events.length);
    if (events.length === 0 || stored[0]?.id !== events[0]?.id) return null;
    const same = events.every(({ id }, index) => stored[index]?.id === id);
    return same ? (stored.at(-1) as StoredEvent) : 'partly';
  }

  /** With none expected, it only has its memory of recent commits. */
  #repeatedRecently(
    stream: string,
    events: readonly ProposedEvent[],
  ): StoredEvent | 'partly' | null {
    const known = events.map(({ id }) => this.#recent.get(id));
    if (known[0]?.stream !== stream) return null;
    return known.every((each) => each?.stream === stream) ? (known.at(-1) ?? null) : 'partly';
  }

  #store(stream: string, event: ProposedEvent): void {
    const history = this.#history(stream);
    this.#position += RECORD_OVERHEAD + stream.length + event.type.length + event.data.length;
    const stored: StoredEvent = {
      ...event,
      stream,
      revision: history.events.length,
      position: this.#position,
      created: new Date(),
    };
    history.events.push(stored);
    this.#all.push(stored);
    this.#recent.set(event.id, stored);
  }

  #history(stream: string): History {
    const known = this.#streams.get(stream);
    if (known) return known;
    const begun: History = { events: [], hiddenBefore: 0, tombstoned: false };
    this.#streams.set(stream, begun);
    return begun;
  }

  #lastRevision(stream: string): number {
    return (this.#streams.get(stream)?.events.length ?? 0) - 1;
  }
}

function conflict(current: number): Outcome {
  return { is: 'conflict', current: current < 0 ? null : current };
}

function systemEvent(type: string, data: object): ProposedEvent {
  return {
    id: crypto.randomUUID(),
    type,
    contentType: 'application/json',
    data: Buffer.from(JSON.stringify(data)),
    metadata: new Uint8Array(),
  };
}
