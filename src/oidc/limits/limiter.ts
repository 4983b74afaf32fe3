import type pg from 'pg';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';

/** So many points in so many seconds. */
export interface Limit {
  readonly points: number;
  readonly duration: number;
}

/** A counter that all nodes share, in the `state` schema. */
export function limiter(
  pool: pg.Pool,
  tableName: string,
  keyPrefix: string,
  limit: Limit,
): Promise<RateLimiterPostgres> {
  return new Promise((resolve, reject) => {
    const made = new RateLimiterPostgres(
      {
        storeClient: pool,
        schemaName: 'state',
        tableName,
        keyPrefix,
        clearExpiredByTimeout: true,
        ...limit,
      },
      (error) => (error ? reject(error) : resolve(made)),
    );
  });
}

/** Counts one; false when that was one too many. */
export async function counted(consuming: Promise<RateLimiterRes>): Promise<boolean> {
  try {
    await consuming;
    return true;
  } catch (reason) {
    // The library rejects with the count when the limit is passed; anything else is a fault.
    if (!(reason instanceof RateLimiterRes)) throw reason;
    return false;
  }
}
