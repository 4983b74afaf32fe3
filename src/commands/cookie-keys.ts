import { z } from 'zod';
import { cookieKey } from '../domain/cookie-key.ts';
import type { Instant } from '../domain/ids.ts';
import { type Act, act } from '../eventstore/execute.ts';
import { randomToken, type Secrets } from '../platform/secrets.ts';
import { type Command, carryOut, parse } from './command.ts';
import { optional } from './fields.ts';

/** What cookie keys are sealed for. */
export const COOKIE_KEY = 'cookie-key';

/** A key that has not been retired. */
export interface LiveCookieKey {
  readonly key_id: string;
  /** null: it is ready, and does not sign yet. */
  readonly activated_at: Instant | null;
}

/** Makes a key of 256 random bits. */
export function generateCookieKey(
  secrets: Secrets,
  first: { readonly activateAt: Instant | null },
): { keyId: string; act: Act } {
  const keyId = randomToken(12);
  const secret = secrets.seal(COOKIE_KEY, randomToken());
  const generate = { type: 'GenerateCookieKey', data: { keyId, secret } } as const;
  const { activateAt } = first;
  const wishes = activateAt === null ? [generate] : [generate, activation(activateAt)];
  return { keyId, act: act(cookieKey, keyId, wishes, { fresh: true }) };
}

export function activateCookieKey(keyId: string, now: Instant): Act {
  return act(cookieKey, keyId, [activation(now)]);
}

export function endCookieKey(keyId: string, now: Instant, reason: string): Act {
  return act(cookieKey, keyId, [{ type: 'RetireCookieKey', data: { now, reason } }]);
}

function activation(now: Instant) {
  return { type: 'ActivateCookieKey', data: { now } } as const;
}

const rotation = z.object({ emergency: optional(z.boolean(), false) });

/**
 * Lets the key that is ready sign cookies at once, and makes the next one ready. Cookies of the former
 * keys are still believed; in an emergency they are not, and everybody has to sign in again.
 * @param live the keys that have not been retired
 */
export function rotateCookieKey(
  live: readonly LiveCookieKey[],
): Command<z.input<typeof rotation>, { keyId: string }> {
  return async (context, raw, envelope) => {
    const { emergency } = parse(rotation, raw);
    const { secrets } = context;
    const next = generateCookieKey(secrets, { activateAt: null });
    const ready = live.find(({ activated_at }) => activated_at === null);
    if (ready && !emergency) {
      const acts = [activateCookieKey(ready.key_id, envelope.at), next.act];
      return carryOut(context, acts, envelope, { keyId: ready.key_id });
    }
    const key = generateCookieKey(secrets, { activateAt: envelope.at });
    const former = emergency ? live : [];
    const ends = former.map(({ key_id }) => endCookieKey(key_id, envelope.at, 'emergency'));
    return carryOut(context, [key.act, next.act, ...ends], envelope, { keyId: key.keyId });
  };
}
