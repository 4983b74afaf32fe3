import type pg from 'pg';
import { systemEnvelope } from '../../commands/command.ts';
import {
  activateSigningKey,
  endSigningKey,
  generateSigningKey,
  type LiveKey,
} from '../../commands/signing-keys.ts';
import type { Instant } from '../../domain/ids.ts';
import type { Execute } from '../../eventstore/execute.ts';
import { exclusively } from '../../eventstore/postgres-schema.ts';
import { LOCKS } from '../../platform/locks.ts';
import { periodically } from '../../platform/periodically.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';

export interface KeyPolicy {
  /** Those that keys are kept for. */
  readonly algorithms: readonly string[];
  /** Days that a key signs. */
  readonly rotation: number;
  /** Days that it is in the JWK Set before that. */
  readonly announcement: number;
  /** Days that it verifies after that; longer than any token lives. */
  readonly retention: number;
}

export interface KnownKey extends LiveKey {
  readonly generated_at: Instant;
}

/** A step in the life of a key that is due; a new key is active at once, or announced. */
export type KeyDue =
  | { readonly generate: string; readonly active: boolean }
  | { readonly activate: string }
  | { readonly retire: string };

const DAY_MS = 24 * 60 * 60 * 1_000;
const PERIOD_MS = 60_000;

/**
 * What is due for the keys that have not been retired. An algorithm without an active key gets one at
 * once; otherwise a key is announced so early that it can take over when its predecessor has signed
 * for the time the policy gives it, and the predecessor goes when the last token it signed has. Keys
 * of an algorithm that is not kept any more go when their successors would have let them.
 */
export function keysDue(keys: readonly KnownKey[], now: Instant, policy: KeyPolicy): KeyDue[] {
  const passed = (since: Instant, days: number) =>
    Date.parse(now) >= Date.parse(since) + days * DAY_MS;

  const abandoned = keys
    .filter(({ alg }) => !policy.algorithms.includes(alg))
    .filter(({ activated_at, generated_at }) =>
      passed(activated_at ?? generated_at, policy.rotation + policy.retention),
    )
    .map(({ kid }): KeyDue => ({ retire: kid }));

  const kept = policy.algorithms.flatMap((alg): KeyDue[] => {
    const ofAlg = keys.filter((key) => key.alg === alg);
    const active = ofAlg
      .flatMap(({ kid, activated_at }) => (activated_at ? [{ kid, since: activated_at }] : []))
      .sort((a, b) => Date.parse(b.since) - Date.parse(a.since));
    const [next] = ofAlg
      .filter(({ activated_at }) => activated_at === null)
      .sort((a, b) => Date.parse(a.generated_at) - Date.parse(b.generated_at));
    const [signing] = active;
    if (!signing) return [next ? { activate: next.kid } : { generate: alg, active: true }];

    const due: KeyDue[] = [];
    if (next) {
      if (passed(next.generated_at, policy.announcement)) due.push({ activate: next.kid });
    } else if (passed(signing.since, policy.rotation - policy.announcement)) {
      due.push({ generate: alg, active: policy.announcement === 0 });
    }
    active.forEach(({ kid }, nth) => {
      const successor = active[nth - 1];
      if (successor && passed(successor.since, policy.retention)) due.push({ retire: kid });
    });
    return due;
  });
  return [...kept, ...abandoned];
}

export interface KeyRotation {
  readonly pool: pg.Pool;
  readonly reads: Pick<ProtocolReads, 'signingKeys'>;
  readonly execute: Execute;
  readonly secrets: Secrets;
  readonly policy: KeyPolicy;
}

/** Does what is due now. When several nodes do, each sees what those before it have done. */
export async function rotateSigningKeys(rotation: KeyRotation): Promise<void> {
  const { pool, reads, execute, secrets, policy } = rotation;
  await exclusively(pool, LOCKS.rotateKeys, async (lock) => {
    const now = new Date().toISOString();
    for (const due of keysDue(await reads.signingKeys(), now, policy)) {
      const act =
        'generate' in due
          ? (
              await generateSigningKey(due.generate, secrets, {
                activateAt: due.active ? now : null,
              })
            ).act
          : 'activate' in due
            ? activateSigningKey(due.activate, now)
            : endSigningKey(due.retire, now, 'superseded');
      // Of a process that was held meanwhile, the lock is another's.
      await lock.query('select');
      await execute([act], systemEnvelope());
    }
  });
}

/** Has keys rotated as it is due once a minute, until the signal aborts. */
export function keepKeys(
  rotateKeys: () => Promise<void>,
  options: { signal: AbortSignal; failed: (error: unknown) => void; periodMs?: number },
): void {
  periodically(rotateKeys, { periodMs: PERIOD_MS, ...options });
}
