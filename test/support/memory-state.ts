import { ClaimTaken, type StateChange } from '../../src/eventstore/event-store.ts';

/** Technical rows in memory, by the rules of the `state` schema: all changes or none. */
export function memoryState(): (changes: readonly StateChange[]) => Promise<void> {
  let rows = new Map<string, Pick<Row, 'expiresAt' | 'lookup'>>();
  return async (changes) => {
    const next = new Map(rows);
    for (const change of changes) {
      const key = JSON.stringify([change.model, change.id]);
      const live = next.get(key);
      if (change.op === 'drop') {
        next.delete(key);
        continue;
      }
      if (change.op === 'claim' && live && isTaken(live, change.lookup)) {
        throw new ClaimTaken(change.model, change.id);
      }
      next.set(key, change);
    }
    rows = next;
  };
}

type Row = Exclude<StateChange, { op: 'drop' }>;

function isTaken(row: Pick<Row, 'expiresAt' | 'lookup'>, by: string | null): boolean {
  const live = row.expiresAt === null || Date.parse(row.expiresAt) > Date.now();
  return live && (row.lookup === null || row.lookup !== by);
}
