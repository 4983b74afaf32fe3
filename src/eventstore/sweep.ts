import type pg from 'pg';

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
  const timer = setInterval(() => sweep().catch(options.failed), options.periodMs ?? PERIOD_MS);
  timer.unref();
  options.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** @returns how many rows went */
export async function sweepBatch(pool: pg.Pool): Promise<number> {
  const { rowCount } = await pool.query(
    `delete from state.entries where ctid = any(array(
       select ctid from state.entries where expires_at < now() - interval '1 minute'
       limit ${BATCH} for update skip locked))`,
  );
  return rowCount ?? 0;
}
