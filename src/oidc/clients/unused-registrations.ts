import type pg from 'pg';
import { systemEnvelope } from '../../commands/command.ts';
import { removeSelf } from '../../commands/registrations.ts';
import type { Execute } from '../../eventstore/execute.ts';
import { exclusively } from '../../eventstore/postgres-schema.ts';
import { LOCKS } from '../../platform/locks.ts';
import { periodically } from '../../platform/periodically.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** Clients at a time: the lock is not held for long. */
const BATCH = 100;
const PERIOD_MS = 60 * 60 * 1_000;

export interface UnusedRegistrations {
  readonly pool: pg.Pool;
  readonly reads: Pick<ProtocolReads, 'unusedRegistrations'>;
  readonly execute: Execute;
  /** A client that had no token for so many days, and was not changed, is not used. */
  readonly days: number;
}

/**
 * Removes clients that registered themselves and are not used.
 * @returns how many; there may be more when it is as many as are removed at a time
 */
export function removeUnusedRegistrations(context: UnusedRegistrations): Promise<number> {
  const { pool, reads, execute, days } = context;
  return exclusively(pool, LOCKS.removeUnusedClients, async () => {
    const since = new Date(Date.now() - days * DAY_MS).toISOString();
    const unused = await reads.unusedRegistrations(since, BATCH);
    for (const clientId of unused) await execute([removeSelf(clientId)], systemEnvelope());
    return unused.length;
  });
}

/** Removes them now and then, until the signal aborts. */
export function keepRemovingUnusedRegistrations(
  context: UnusedRegistrations,
  options: { signal: AbortSignal; failed: (error: unknown) => void; periodMs?: number },
): void {
  const cleanUp = async () => {
    let removed: number;
    do removed = await removeUnusedRegistrations(context);
    while (removed === BATCH && !options.signal.aborted);
  };
  periodically(cleanUp, { periodMs: PERIOD_MS, ...options });
}
