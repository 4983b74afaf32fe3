import type pg from 'pg';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';

/**
 * Slows down guessing, on all nodes together: by account wherever it is tried from, and by address
 * whichever accounts it tries. Only failures count.
 */
export interface SignInLimits {
  /** Whether another attempt is allowed now. */
  allows(usernameDigest: string, address: string): Promise<boolean>;
  failed(usernameDigest: string, address: string): Promise<void>;
  succeeded(usernameDigest: string): Promise<void>;
}

/** Failures in a quarter of an hour. */
const BY_ACCOUNT = { points: 10, duration: 15 * 60 };
const BY_ADDRESS = { points: 100, duration: 15 * 60 };

/** @param digestOf makes a key of an address, so that none is stored in clear */
export async function signInLimits(
  pool: pg.Pool,
  digestOf: (address: string) => string,
): Promise<SignInLimits> {
  const limiter = (keyPrefix: string, limit: { points: number; duration: number }) =>
    new Promise<RateLimiterPostgres>((resolve, reject) => {
      const made = new RateLimiterPostgres(
        {
          storeClient: pool,
          schemaName: 'state',
          tableName: 'sign_in_limits',
          keyPrefix,
          clearExpiredByTimeout: false,
          ...limit,
        },
        (error) => (error ? reject(error) : resolve(made)),
      );
    });
  const byAccount = await limiter('account', BY_ACCOUNT);
  const byAddress = await limiter('address', BY_ADDRESS);

  return {
    async allows(usernameDigest, address) {
      const [account, source] = await Promise.all([
        byAccount.get(usernameDigest),
        byAddress.get(digestOf(address)),
      ]);
      return [account, source].every((used) => used === null || used.remainingPoints > 0);
    },
    async failed(usernameDigest, address) {
      await Promise.all([
        counted(byAccount.consume(usernameDigest)),
        counted(byAddress.consume(digestOf(address))),
      ]);
    },
    async succeeded(usernameDigest) {
      await byAccount.delete(usernameDigest);
    },
  };
}

/** The library rejects with the count when the limit is passed; that is no fault here. */
async function counted(consuming: Promise<RateLimiterRes>): Promise<void> {
  try {
    await consuming;
  } catch (reason) {
    if (!(reason instanceof RateLimiterRes)) throw reason;
  }
}
