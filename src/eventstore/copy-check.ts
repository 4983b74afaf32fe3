import { createHash } from 'node:crypto';
import type { EventStore, Position, RecordedEvent } from './event-store.ts';
import { present } from './present.ts';

type Log = Pick<EventStore, 'subscribe'>;

/** Where two logs begin to differ; one of the two events is null where a log ends before the other. */
export interface CopyDivergence {
  /** Counted from 1. */
  readonly nth: number;
  readonly source: RecordedEvent | null;
  readonly target: RecordedEvent | null;
}

export interface Checked {
  /** Events that are the same in both, from the beginning. */
  readonly events: number;
  /** SHA-256 of them, in their order; of each log by itself. */
  readonly digests: { readonly source: string; readonly target: string };
  readonly divergence: CopyDivergence | null;
}

/**
 * Holds a copy to its source: both are read in their order, and each event of the one must be that of
 * the other, in stream, revision, id, type, data and metadata. Positions and times are the engines’ own.
 */
export class CopyCheck {
  readonly #digests = { source: createHash('sha256'), target: createHash('sha256') };
  readonly #after: { source?: Position; target?: Position } = {};
  #events = 0;
  #divergence: CopyDivergence | null = null;

  constructor(
    private readonly from: Log,
    private readonly to: Log,
  ) {}

  /**
   * Goes on where it was, to the present end of both.
   * @param until position in the source of what should be the last event of the target; its end when absent
   */
  async advance(
    options: {
      until?: Position;
      progress?: (done: { events: number; position: Position }) => void;
    } = {},
  ): Promise<Checked> {
    const { until, progress } = options;
    const source = singly(this.from, this.#after.source, until);
    const target = singly(this.to, this.#after.target);
    try {
      while (this.#divergence === null) {
        const [original, copy] = await Promise.all([nextOf(source), nextOf(target)]);
        if (!original && !copy) break;
        const texts = [original && canonical(original), copy && canonical(copy)];
        if (!original || !copy || texts[0] !== texts[1]) {
          this.#divergence = { nth: this.#events + 1, source: original, target: copy };
        }
        if (texts[0]) this.#digests.source.update(texts[0]);
        if (texts[1]) this.#digests.target.update(texts[1]);
        if (this.#divergence || !original || !copy) break;
        this.#after.source = original.position;
        this.#after.target = copy.position;
        this.#events += 1;
        if (this.#events % PAGE === 0)
          progress?.({ events: this.#events, position: original.position });
      }
    } finally {
      await Promise.all([source.return(), target.return()]);
    }
    return {
      events: this.#events,
      digests: {
        source: this.#digests.source.copy().digest('hex'),
        target: this.#digests.target.copy().digest('hex'),
      },
      divergence: this.#divergence,
    };
  }
}

const PAGE = 1_000;

/** One by one, and no further than a position where one is given. */
async function* singly(
  log: Log,
  after: Position | undefined,
  until?: Position,
): AsyncGenerator<RecordedEvent, void> {
  for await (const batch of present(log, { after, page: PAGE })) {
    for (const event of batch) {
      if (until !== undefined && event.position > until) return;
      yield event;
    }
  }
}

async function nextOf(events: AsyncGenerator<RecordedEvent, void>): Promise<RecordedEvent | null> {
  return (await events.next()).value ?? null;
}

/** An event as text, the same from every engine: none of them keeps the order of keys. */
function canonical({ stream, revision, id, type, data, metadata }: RecordedEvent): string {
  return `${JSON.stringify([stream, revision, id, type, data, metadata], sorted)}\n`;
}

function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
