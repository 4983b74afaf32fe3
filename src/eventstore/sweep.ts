import type pg from 'pg';
import { periodically } from '../platform/periodically.ts';

const PERIOD_MS = 60_000;
const BATCH = 500;

/**
 * Takes expired technical rows away, once a minute until the signal aborts: in small batches that
 * hold no request up, and past rows that another node is taking away.
 */
export function sweepState(
  pool: pg.Pool,
  options: { signal: AbortSignal; failed: (error: unknown) => void; periodMs?: number },
): void {
  const sweep = async () => {
    let swept: number;
    do swept = await sweepBatch(pool);
    while (swept === BATCH && !options.signal.aborted);
  };
  periodically(sweep, { periodMs: PERIOD_MS, ...options });
}

/** @returns how many rows went */
export async function sweepBatch(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ swept: number }>('select state.sweep($1) as swept', [BATCH]);
  return rows[0]?.swept ?? 0;
}
