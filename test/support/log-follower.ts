import type { EventStore, Position, RecordedEvent } from '../../src/eventstore/event-store.ts';

/** A subscriber that keeps what it is given, so that a test can wait for it. */
export interface LogFollower {
  /** What was delivered, in order, of the streams it looks at. */
  readonly events: readonly RecordedEvent[];
  /** Sizes of the batches as they came, of whatever streams. */
  readonly batches: readonly number[];
  /** How many of `events` were there at each word that the subscriber has caught up. */
  readonly caughtUpAt: readonly number[];
  /** Waits until the condition holds. @throws Error after 20 seconds, or when the subscription fails */
  until(condition: (follower: LogFollower) => boolean): Promise<void>;
  /** Aborts the subscription and waits for its end. */
  stop(): Promise<void>;
}

const PATIENCE = 20_000;

/** Subscribes, and looks at the given streams only: others may use the same log. */
export function followLog(
  store: EventStore,
  options: { streams: readonly string[]; after?: Position },
): LogFollower {
  const events: RecordedEvent[] = [];
  const batches: number[] = [];
  const caughtUpAt: number[] = [];
  const waiting = new Set<() => void>();
  const abort = new AbortController();
  const check = () => {
    for (const each of waiting) each();
  };
  const ended = (async () => {
    for await (const batch of store.subscribe({ after: options.after, signal: abort.signal })) {
      batches.push(batch.length);
      events.push(...batch.filter(({ stream }) => options.streams.includes(stream)));
      if (batch.length === 0) caughtUpAt.push(events.length);
      check();
    }
  })();

  const follower: LogFollower = {
    events,
    batches,
    caughtUpAt,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const done = () => {
          clearTimeout(timer);
          waiting.delete(attempt);
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(`waited in vain; delivered: ${events.map(({ id }) => id).join(' ')}`));
        }, PATIENCE);
        const attempt = () => {
          if (!condition(follower)) return;
          done();
          resolve();
        };
        waiting.add(attempt);
        ended.catch((error) => {
          done();
          reject(error);
        });
        attempt();
      }),
    async stop() {
      abort.abort();
      await ended;
    },
  };
  return follower;
}
