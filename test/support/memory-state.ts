import { ClaimTaken, type StateChange } from '../../src/eventstore/event-store.ts';

/** Technical rows in memory, by the rules of the `state` schema: all changes or none. */
export function memoryState(): (changes: readonly StateChange[]) => Promise<void> {
  let rows = new Map<string, { expiresAt: string | null }>();
  return async (changes) => {
    const next = new Map(rows);
    for (const change of changes) {
      const key = JSON.stringify([change.model, change.id]);
      const live = next.get(key);
      if (change.op === 'drop') {
        next.delete(key);
        continue;
      }
      const taken = live && (live.expiresAt === null || Date.parse(live.expiresAt) > Date.now());
      if (change.op === 'claim' && taken) throw new ClaimTaken(change.model, change.id);
      next.set(key, change);
    }
    rows = next;
  };
}
