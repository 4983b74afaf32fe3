import type pg from 'pg';
import { counted, limiter } from './limiter.ts';

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

const TABLE = 'sign_in_limits';
/** Failures in a quarter of an hour. */
const BY_ACCOUNT = { points: 10, duration: 15 * 60 };
const BY_ADDRESS = { points: 100, duration: 15 * 60 };

/** @param digestOf makes a key of an address, so that none is stored in clear */
export async function signInLimits(
  pool: pg.Pool,
  digestOf: (address: string) => string,
): Promise<SignInLimits> {
  const byAccount = await limiter(pool, TABLE, 'account', BY_ACCOUNT);
  const byAddress = await limiter(pool, TABLE, 'address', BY_ADDRESS);

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
