import type { From } from './event-store.ts';

/**
 * What a log holds after a position, in batches, to where it ends at present. Ends early, and without
 * an error, when the signal aborts or nobody asks for more.
 */
export async function* present<E>(
  log: { subscribe(from: From): AsyncIterable<E[]> },
  options: Partial<From> = {},
): AsyncGenerator<readonly [E, ...E[]], void> {
  const enough = new AbortController();
  const signal = AbortSignal.any([enough.signal, ...(options.signal ? [options.signal] : [])]);
  try {
    for await (const [first, ...others] of log.subscribe({ ...options, signal })) {
      if (!first) return;
      yield [first, ...others];
    }
  } finally {
    enough.abort();
  }
}
