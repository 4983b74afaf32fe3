import { systemEnvelope } from '../../commands/command.ts';
import {
  activateCookieKey,
  COOKIE_KEY,
  endCookieKey,
  generateCookieKey,
} from '../../commands/cookie-keys.ts';
import { exclusively } from '../../eventstore/postgres-schema.ts';
import { LOCKS } from '../../platform/locks.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { CookieKeyRow } from '../../projections/cookie-keys.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { SESSION_LIFETIME } from '../people/own-session.ts';
import { type KeyPolicy, type KeyRotation, keysDue } from './key-rotation.ts';

const COOKIES = 'cookies';
const DAY = 24 * 60 * 60;

/** The keys of the library's cookies: the first signs, and all are believed. */
export function cookieSecrets(rows: readonly CookieKeyRow[], secrets: Secrets): string[] {
  return rows.map(({ secret }) => secrets.open(COOKIE_KEY, secret));
}

/**
 * Keys of cookies live as signing keys do, but that the next one is ready all the time, for nobody
 * outside has to learn of it, and that the last ones are believed for as long as a cookie lives.
 */
export function cookieKeyPolicy({ rotation, retention }: KeyPolicy): KeyPolicy {
  return {
    algorithms: [COOKIES],
    rotation,
    announcement: rotation,
    retention: Math.max(retention, Math.ceil(SESSION_LIFETIME / DAY)),
  };
}

export interface CookieKeyRotation extends Omit<KeyRotation, 'reads'> {
  readonly reads: Pick<ProtocolReads, 'cookieKeys'>;
}

/** Does what is due now. When several nodes do, each sees what those before it have done. */
export async function rotateCookieKeys(rotation: CookieKeyRotation): Promise<void> {
  const { pool, reads, execute, secrets } = rotation;
  const policy = cookieKeyPolicy(rotation.policy);
  await exclusively(pool, LOCKS.rotateKeys, async (lock) => {
    const now = new Date().toISOString();
    const keys = (await reads.cookieKeys()).map((row) => ({
      ...row,
      kid: row.key_id,
      alg: COOKIES,
    }));
    for (const due of keysDue(keys, now, policy)) {
      await lock.query('select');
      if ('activate' in due)
        await execute([activateCookieKey(due.activate, now)], systemEnvelope());
      else if ('retire' in due) {
        await execute([endCookieKey(due.retire, now, 'superseded')], systemEnvelope());
      } else {
        const first = due.active ? [generateCookieKey(secrets, { activateAt: now }).act] : [];
        const next = generateCookieKey(secrets, { activateAt: null }).act;
        await execute([...first, next], systemEnvelope());
      }
    }
  });
}
