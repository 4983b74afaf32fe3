import cluster from 'node:cluster';
import { AggregatorRegistry, type Registry } from 'prom-client';

/** What a worker asks the process that watches over it, and what it is told. */
const ASK = 'what do all count?';
interface Gathered {
  readonly gathered: string | null;
}

/** For the process that watches over workers: puts together what they count when one of them asks. */
export function gatherMetrics(): void {
  const all = new AggregatorRegistry();
  cluster.on('message', async (worker, said) => {
    if (said !== ASK) return;
    const gathered = await all.clusterMetrics().catch(() => null);
    if (worker.isConnected()) worker.send({ gathered } satisfies Gathered);
  });
}

/** For a worker: what it counts is given to that process when it is asked for. */
export function offerMetrics(registry: Registry): void {
  AggregatorRegistry.setRegistries([registry]);
  new AggregatorRegistry();
}

/** For a worker: what all of them count. Whoever is asked, the answer is the same. */
export function gatheredMetrics(): Promise<string> {
  return new Promise((resolve, reject) => {
    const hear = (said: Partial<Gathered> | string) => {
      if (typeof said === 'string' || said.gathered === undefined) return;
      process.off('message', hear);
      if (said.gathered === null) reject(new Error('a worker did not tell what it counts'));
      else resolve(said.gathered);
    };
    process.on('message', hear);
    process.send?.(ASK);
  });
}
