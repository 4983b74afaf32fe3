import { setTimeout as delay } from 'node:timers/promises';
import { isTransient } from '../platform/postgres.ts';
import {
  type EventStore,
  LogUnavailable,
  type Position,
  type RecordedEvent,
} from './event-store.ts';
import { foreign, type LogEnd } from './log-end.ts';
import { present } from './present.ts';

/** Events that are copied at once. */
const PAGE = 1_000;
const RETRY_MS = 1_000;

export interface CopyOptions {
  readonly from: Pick<EventStore, 'read' | 'last' | 'subscribe'>;
  readonly to: LogEnd;
  /** Ends the copy, between two batches. */
  readonly signal?: AbortSignal;
  /** Goes on with what is appended meanwhile, until the signal aborts or nothing has come for so long. */
  readonly follow?: { readonly untilIdleMs?: number };
  readonly progress?: (progress: CopyProgress) => void;
  /** Everything that the source held is copied; nothing is until this resolves. */
  readonly caughtUp?: (last: RecordedEvent | undefined) => Promise<void>;
}

export interface CopyProgress {
  /** Since this copy began or was resumed. */
  readonly events: number;
  readonly eventsPerSecond: number;
  /** In the source. */
  readonly position: Position;
}

export interface Copied {
  readonly events: number;
  /** The last event that both logs hold, as the source tells it. */
  readonly last: RecordedEvent | undefined;
}

/**
 * Copies a log to another one, in its order, or goes on where it was interrupted: what the target
 * holds must be the beginning of the source. Nobody else may write to the target.
 * @throws DomainError `conflict` when the target holds anything else; LogUnavailable when one of the
 *   two cannot be reached at the start. Later it is waited for.
 */
export async function copyLog(options: CopyOptions): Promise<Copied> {
  const { from, to, follow, progress, caughtUp } = options;
  const start = performance.now();
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, ...(options.signal ? [options.signal] : [])]);
  let last = await lastCopied(from, to.store);
  let events = 0;

  async function pass(): Promise<void> {
    let idle: NodeJS.Timeout | undefined;
    try {
      for await (const batch of from.subscribe({ after: last?.position, page: PAGE, signal })) {
        clearTimeout(idle);
        if (batch.length > 0) {
          await to.take(batch, last);
          last = batch.at(-1) as RecordedEvent;
          events += batch.length;
          const eventsPerSecond = Math.round(events / ((performance.now() - start) / 1_000));
          progress?.({ events, eventsPerSecond, position: last.position });
        } else {
          await caughtUp?.(last);
          if (!follow) return;
        }
        if (follow?.untilIdleMs !== undefined) {
          idle = setTimeout(() => ended.abort(), follow.untilIdleMs);
        }
        if (signal.aborted) return;
      }
    } finally {
      clearTimeout(idle);
    }
  }

  for (let lost = false; ; lost = true) {
    try {
      // Nobody knows what of the last batch is there: it is looked up, as after an interruption.
      if (lost) last = await lastCopied(from, to.store);
      await pass();
      return { events, last };
    } catch (error) {
      if (signal.aborted || !(error instanceof LogUnavailable || isTransient(error))) throw error;
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/**
 * Where a copy stands: the last event of the target, as the source tells it.
 * @throws DomainError `conflict` when the target does not begin or end with events of the source
 */
async function lastCopied(
  from: CopyOptions['from'],
  to: LogEnd['store'],
): Promise<RecordedEvent | undefined> {
  const end = await to.last();
  if (!end) return undefined;
  const begin = await first(to);
  let original: RecordedEvent | undefined;
  for (const { id, stream, revision } of begin ? [begin, end] : [end]) {
    [original] = await from.read(stream, { from: revision, limit: 1 });
    if (original?.id !== id) throw foreign(stream);
  }
  return original;
}

async function first(store: LogEnd['store']): Promise<RecordedEvent | undefined> {
  for await (const [event] of present(store, { page: 1 })) return event;
  return undefined;
}
