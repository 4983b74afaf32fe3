import type pg from 'pg';
import { counted, limiter } from './limiter.ts';
import { networkOf } from './user-code-limits.ts';

/** Keeps accounts from being made, and user names from being tried, by the thousand. */
export interface RegistrationLimits {
  /** Counts a try, on all nodes together; false: no more from there for now. */
  try(address: string): Promise<boolean>;
}

/** In an hour. */
const BY_ADDRESS = { points: 20, duration: 60 * 60 };

/** @param digestOf makes a key of an address, so that none is stored in clear */
export async function registrationLimits(
  pool: pg.Pool,
  digestOf: (address: string) => string,
): Promise<RegistrationLimits> {
  const byAddress = await limiter(pool, 'registration_limits', 'address', BY_ADDRESS);
  return { try: (address) => counted(byAddress.consume(digestOf(networkOf(address)))) };
}
