import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { DomainError } from '../domain/errors.ts';
import type { SigningAlgorithm } from '../domain/signing-key.ts';
import type { Envelope, EventStore, Position, StateChange } from '../eventstore/event-store.ts';
import type { Act, Execute } from '../eventstore/execute.ts';
import { SCHEMA_VERSION } from '../eventstore/upcast.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';

/** What commands work with. Their clock is the envelope's `at`. */
export interface CommandContext {
  readonly execute: Execute;
  readonly store: Pick<EventStore, 'read'>;
  readonly secrets: Secrets;
  readonly subjectKeys: Pick<SubjectKeys, 'seal' | 'open' | 'destroy'>;
  /** Those that keys are kept for. */
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  /** Technical rows for the command's own commit: an idempotency key claims one. */
  readonly alongside?: (result: object, acts: readonly Act[]) => readonly StateChange[];
}

/** The position at which the command is done; null when there was nothing to record. */
export interface Done {
  readonly position: Position | null;
}

/**
 * One wish from outside: the input is checked, the wish decided, the facts appended.
 * @throws DomainError `invalid` (detail.field, detail.issues) or what the entity refuses
 */
export type Command<Input, Result extends object> = (
  context: CommandContext,
  input: Input,
  envelope: Envelope,
) => Promise<Result & Done>;

/** One thing that is wrong with an input. */
export interface Issue {
  /** Dotted path inside the input: `permissions.grantTypes.0`. */
  readonly field: string;
  readonly message: string;
}

/** @throws DomainError `invalid`, with every issue in detail.issues and the first in detail.field */
export function parse<Output, Input>(schema: z.ZodType<Output, Input>, input: Input): Output {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issues = result.error.issues.map(
    ({ path, message }): Issue => ({ field: path.map(String).join('.'), message }),
  );
  throw new DomainError('invalid', issues[0]?.message ?? 'the input is invalid', {
    field: issues[0]?.field,
    issues,
  });
}

/** Executes the acts, with the rows that go alongside, in one commit. */
export async function carryOut<Result extends object>(
  context: CommandContext,
  acts: readonly Act[],
  envelope: Envelope,
  result: Result,
): Promise<Result & Done> {
  const rows = context.alongside?.(result, acts) ?? [];
  const { position } = await context.execute(acts, envelope, rows);
  return { ...result, position };
}

/** The version an entity must have for the wish to be decided; absent or null for any. */
export const expectedVersion = z
  .int()
  .min(0)
  .nullish()
  .transform((version) => version ?? undefined);

/** The envelope of what the server does of its own accord. */
export function systemEnvelope(): Envelope {
  const requestId = randomUUID();
  return {
    at: new Date().toISOString(),
    actor: { type: 'system', id: 'muniment' },
    authentication: 'none',
    source: null,
    requestId,
    $correlationId: requestId,
    $causationId: requestId,
    schema: SCHEMA_VERSION,
  };
}
