import { isIPv6 } from 'node:net';
import type pg from 'pg';
import { counted, limiter } from './limiter.ts';

/**
 * Keeps user codes from being guessed (RFC 8628 §5.1): so many wrong ones from an address, on all
 * nodes together.
 */
export interface UserCodeLimits {
  /** Counts a try before its outcome is known, so that many at once gain nothing; false: no more. */
  try(address: string): Promise<boolean>;
  /** The try was not wrong, and is not counted. */
  forgive(address: string): Promise<void>;
}

/** Of 20^8 codes, so many may be tried in a quarter of an hour. */
const BY_ADDRESS = { points: 20, duration: 15 * 60 };

/** @param digestOf makes a key of an address, so that none is stored in clear */
export async function userCodeLimits(
  pool: pg.Pool,
  digestOf: (address: string) => string,
): Promise<UserCodeLimits> {
  const byAddress = await limiter(pool, 'user_code_limits', 'address', BY_ADDRESS);
  const key = (address: string) => digestOf(networkOf(address));
  return {
    try: (address) => counted(byAddress.consume(key(address))),
    async forgive(address) {
      await byAddress.reward(key(address));
    },
  };
}

/** Whoever has one IPv6 address has the other 2^64 of its network too: they count as one. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const after = tail?.split(':').filter(Boolean) ?? [];
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...after];
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
