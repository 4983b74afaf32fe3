import type pg from 'pg';
import { counted, limiter } from './limiter.ts';
import { networkOf } from './user-code-limits.ts';

/** Keeps the log from being filled by who may register clients without being known. */
export interface ClientRegistrationLimits {
  /** Counts a registration from an address; false: no more. */
  try(address: string): Promise<boolean>;
}

const BY_ADDRESS = { points: 30, duration: 60 * 60 };

/** @param digestOf makes a key of an address, so that none is stored in clear */
export async function clientRegistrationLimits(
  pool: pg.Pool,
  digestOf: (address: string) => string,
): Promise<ClientRegistrationLimits> {
  const byAddress = await limiter(pool, 'client_registration_limits', 'address', BY_ADDRESS);
  return { try: (address) => counted(byAddress.consume(digestOf(networkOf(address)))) };
}
