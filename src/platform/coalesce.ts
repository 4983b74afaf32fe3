import DataLoader from 'dataloader';

/**
 * Makes one query of everything that is asked for while the one before is under way: a lone caller
 * waits a turn of the event loop, and under load many share a round trip.
 * @param load answers the keys in their order; an Error rejects that key alone
 */
export function coalesced<K, V>(
  load: (keys: readonly K[]) => Promise<readonly (V | Error)[]>,
  options: { maxBatch?: number } = {},
): (key: K) => Promise<V> {
  const waiting: (() => void)[] = [];
  let busy = false;

  const loader = new DataLoader<K, V>(
    async (keys) => {
      try {
        return await load(keys);
      } finally {
        busy = false;
        schedule(waiting.shift());
      }
    },
    {
      cache: false,
      maxBatchSize: options.maxBatch ?? 500,
      batchScheduleFn: (dispatch) => (busy ? waiting.push(dispatch) : schedule(dispatch)),
    },
  );

  function schedule(dispatch: (() => void) | undefined): void {
    if (!dispatch) return;
    busy = true;
    setImmediate(dispatch);
  }

  return (key) => loader.load(key);
}
