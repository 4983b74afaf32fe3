import { gather } from './gather.ts';
import { asking, tracedBatch } from './tracing.ts';

const MAX_BATCH = 500;

interface Waiting<K, V> {
  readonly key: K;
  readonly asker: ReturnType<typeof asking>;
  resolve(value: V): void;
  reject(error: unknown): void;
}

/**
 * Makes one query of everything that is asked for in the same moment or while the one before is under
 * way: a lone caller waits a turn of the event loop, and under load many share a round trip.
 * @param load answers the keys in their order; an Error rejects that key alone
 */
export function coalesced<K, V>(
  load: (keys: readonly K[]) => Promise<readonly (V | Error)[]>,
  options: { maxBatch?: number } = {},
): (key: K) => Promise<V> {
  const { maxBatch = MAX_BATCH } = options;
  const queue: Waiting<K, V>[] = [];
  let busy = false;

  async function flush(): Promise<void> {
    const batch = queue.splice(0, maxBatch);
    try {
      const askers = () => batch.map(({ asker }) => asker);
      const answers = await tracedBatch('postgres read', askers, () =>
        load(batch.map(({ key }) => key)),
      );
      batch.forEach(({ resolve, reject }, nth) => {
        const answer = answers[nth];
        if (answer instanceof Error) reject(answer);
        else resolve(answer as V);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    busy = false;
    next();
  }

  function next(): void {
    if (busy || queue.length === 0) return;
    busy = true;
    gather(() => queue.length, flush);
  }

  return (key) =>
    new Promise((resolve, reject) => {
      queue.push({ key, asker: asking(), resolve, reject });
      next();
    });
}
