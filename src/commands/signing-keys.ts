import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { z } from 'zod';
import { DomainError } from '../domain/errors.ts';
import type { Instant } from '../domain/ids.ts';
import { signingKey } from '../domain/signing-key.ts';
import { type Act, act } from '../eventstore/execute.ts';
import type { Secrets } from '../platform/secrets.ts';
import { assertKept, signingAlgorithm } from './algorithms.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import { name, optional, reason } from './fields.ts';

/** What private keys are sealed for. */
export const SIGNING_KEY = 'signing-key';

/** A key that has not been retired, as far as a decision about its siblings needs it. */
export interface LiveKey {
  readonly kid: string;
  readonly alg: string;
  /** null: it is announced, and does not sign yet. */
  readonly activated_at: Instant | null;
}

/** The key of an algorithm that signs: the one activated last. */
export function signingKeyOf<K extends LiveKey>(alg: string, keys: readonly K[]): K | undefined {
  return keys
    .filter((key) => key.alg === alg && key.activated_at !== null)
    .reduce<K | undefined>((last, key) => {
      return last && String(last.activated_at) >= String(key.activated_at) ? last : key;
    }, undefined);
}

/** Makes a key pair; its `kid` is the thumbprint of the public key (RFC 7638). */
export async function generateSigningKey(
  alg: string,
  secrets: Secrets,
  first: { readonly activateAt: Instant | null },
): Promise<{ kid: string; act: Act }> {
  const { publicKey, privateKey } = await generateKeyPair(alg, {
    extractable: true,
    modulusLength: 2048,
  });
  const publicJwk = { ...(await exportJWK(publicKey)) };
  const kid = await calculateJwkThumbprint(publicJwk);
  const privateJwk = secrets.seal(SIGNING_KEY, JSON.stringify(await exportJWK(privateKey)));
  const generate = {
    type: 'GenerateSigningKey',
    data: { kid, alg, publicJwk, privateJwk },
  } as const;
  const { activateAt } = first;
  const wishes = activateAt === null ? [generate] : [generate, activation(activateAt)];
  return { kid, act: act(signingKey, kid, wishes, { fresh: true }) };
}

export function activateSigningKey(kid: string, now: Instant): Act {
  return act(signingKey, kid, [activation(now)]);
}

export function endSigningKey(
  kid: string,
  now: Instant,
  reason: string,
  options: { expectedVersion?: number } = {},
): Act {
  return act(signingKey, kid, [{ type: 'RetireSigningKey', data: { now, reason } }], options);
}

function activation(now: Instant) {
  return { type: 'ActivateSigningKey', data: { now } } as const;
}

const rotation = z.object({
  alg: z.string().pipe(signingAlgorithm),
  emergency: optional(z.boolean(), false),
});

/**
 * Lets the next key of an algorithm sign at once: the one that is announced, or else a new one. The
 * former keys still verify. In an emergency nothing that was there before is trusted any more: the
 * key is a new one in any case, and all others are retired.
 * @param live the keys that have not been retired
 */
export function rotateSigningKey(
  live: readonly LiveKey[],
): Command<z.input<typeof rotation>, { kid: string }> {
  return async (context, raw, envelope) => {
    const { alg, emergency } = parse(rotation, raw);
    assertKept(context, { alg });
    const former = live.filter((key) => key.alg === alg);
    const announced = former.find(({ activated_at }) => activated_at === null);
    if (announced && !emergency) {
      const acts = [activateSigningKey(announced.kid, envelope.at)];
      return carryOut(context, acts, envelope, { kid: announced.kid });
    }
    const key = await generateSigningKey(alg, context.secrets, { activateAt: envelope.at });
    if (!emergency || former.length === 0) {
      return carryOut(context, [key.act], envelope, { kid: key.kid });
    }
    // In a commit of its own, and first: an engine without transactions over streams would otherwise
    // show everyone the moment in which no key signs.
    const { position } = await context.execute([key.act], envelope);
    const ends = former.map(({ kid }) => endSigningKey(kid, envelope.at, 'emergency'));
    const done = await carryOut(context, ends, envelope, { kid: key.kid });
    return { ...done, position: done.position ?? position };
  };
}

const retirement = z.object({ kid: name(100), reason, expectedVersion });

/**
 * Retires a key at once: what it signed is no longer believed.
 * @param live the keys that have not been retired
 * @throws DomainError `conflict` for the key that signs
 */
export function retireSigningKey(
  live: readonly LiveKey[],
): Command<z.input<typeof retirement>, { kid: string }> {
  return async (context, raw, envelope) => {
    const { kid, reason, ...options } = parse(retirement, raw);
    const key = live.find((each) => each.kid === kid);
    if (key && signingKeyOf(key.alg, live) === key) {
      throw new DomainError('conflict', 'it is the key that signs; rotate it instead', {
        field: 'kid',
      });
    }
    return carryOut(context, [endSigningKey(kid, envelope.at, reason, options)], envelope, { kid });
  };
}
