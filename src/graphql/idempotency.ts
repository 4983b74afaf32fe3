import { DomainError } from '../domain/errors.ts';
import type { StateChange } from '../eventstore/event-store.ts';
import type { Act } from '../eventstore/execute.ts';
import { readTechnicalRow } from '../projections/technical-row.ts';
import type { GraphContext } from './context.ts';

/** Model of the technical rows that remember keys. */
const MODEL = 'IdempotencyKey';
const REMEMBERED_MS = 24 * 60 * 60 * 1000;

/** What is remembered of a mutation that was granted under a key; sealed, for it may hold a new secret. */
interface Memory {
  /** Keyed digest of the mutation's name and arguments. */
  readonly asked: string;
  readonly result: object;
  /** The stream of the entity it was about. */
  readonly stream: string;
}

/** One key of one caller. */
export interface OnceOnly {
  /** The row that the command writes in its own commit. It is refused when the key is taken. */
  readonly claim: (result: object, acts: readonly Act[]) => readonly StateChange[];
  /** What was answered under this key. @throws DomainError `idempotency_key_mismatch` */
  readonly recall: () => Promise<Memory | undefined>;
}

/**
 * Sees to it that a mutation happens once for each key; undefined when the input has none.
 * @throws DomainError `invalid` for a key that is none
 */
export function onceOnly(
  { pool, secrets, principal }: GraphContext,
  mutation: string,
  input: { readonly idempotencyKey?: string | null },
): OnceOnly | undefined {
  const { idempotencyKey, ...given } = input;
  if (idempotencyKey === undefined || idempotencyKey === null) return undefined;
  if (!/^[\x20-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw new DomainError('invalid', 'must be 1 to 255 printable ASCII characters', {
      field: 'idempotencyKey',
    });
  }
  const { type, id } = principal.actor;
  const key = secrets.keyedDigest('idempotency', stableJson([type, id, idempotencyKey]));
  const asked = secrets.keyedDigest('idempotency', stableJson([mutation, given]));

  return {
    claim(result, acts) {
      const memory: Memory = { asked, result, stream: acts.at(-1)?.stream ?? '' };
      return [
        {
          op: 'claim',
          model: MODEL,
          id: key,
          lookup: null,
          payload: secrets.seal('idempotency', JSON.stringify(memory)),
          expiresAt: new Date(Date.now() + REMEMBERED_MS).toISOString(),
        },
      ];
    },

    async recall() {
      const payload = await readTechnicalRow(pool, MODEL, key);
      if (payload === undefined) return undefined;
      const memory = JSON.parse(secrets.open('idempotency', payload)) as Memory;
      if (memory.asked === asked) return memory;
      throw new DomainError(
        'idempotency_key_mismatch',
        'this idempotency key was used for something else',
        { field: 'idempotencyKey' },
      );
    },
  };
}

/** JSON that does not depend on the order in which an object got its members. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
