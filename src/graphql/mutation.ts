import { Field, InputType, Int, ObjectType } from 'type-graphql';
import type { Command, Done } from '../commands/command.ts';
import { DomainError } from '../domain/errors.ts';
import type { Position } from '../eventstore/event-store.ts';
import { envelopeOf, type GraphContext } from './context.ts';
import { UserError, userErrors } from './errors.ts';
import { onceOnly } from './idempotency.ts';
import { loadersFor } from './loaders.ts';
import { PositionScalar } from './scalars.ts';

@InputType()
export abstract class IdempotentInput {
  @Field(() => String, {
    nullable: true,
    description:
      'Makes repeating safe: for 24 hours a mutation with the same key, arguments and caller happens once and is answered alike. 1 to 255 characters.',
  })
  readonly idempotencyKey?: string | null;
}

@InputType()
export abstract class VersionedInput extends IdempotentInput {
  @Field(() => Int, {
    nullable: true,
    description: 'Refuse with STALE_VERSION unless the entity is at this version.',
  })
  readonly expectedVersion?: number | null;
}

@ObjectType()
export abstract class Payload {
  @Field(() => PositionScalar, {
    nullable: true,
    description:
      'Where the log stood when it was done, for `minPosition`; null when there was nothing to record.',
  })
  readonly position!: Position | null;

  @Field(() => [UserError], {
    description: 'Why it was not done; empty when it was. A repeated wish is no error.',
  })
  readonly userErrors!: UserError[];
}

/** A wish that came through the API. */
export interface Wished<Input extends IdempotentInput, Result extends object> {
  /** The mutation's name. */
  readonly mutation: string;
  readonly input: Input;
  readonly command: Command<Input, Result>;
  /** Which entity it is about, as far as the input tells: a refusal shows that entity as it is. */
  readonly about: Partial<Result>;
  /** What a repetition, answered from memory, must still see to. */
  readonly again?: (result: Result) => Promise<void>;
}

/**
 * Puts a wish and answers with the command's result, or with what is to blame. With an idempotency
 * key, the answer is remembered in the same commit as the facts: a repetition finds both or neither.
 */
export async function perform<Input extends IdempotentInput, Result extends object>(
  context: GraphContext,
  wished: Wished<Input, Result>,
): Promise<Partial<Result> & Payload> {
  try {
    const done = await granted(context, wished);
    return { ...done, userErrors: [] };
  } catch (error) {
    return { ...wished.about, position: null, userErrors: userErrors(error) };
  } finally {
    context.loaders = loadersFor(context);
    context.moments.clear();
  }
}

async function granted<Input extends IdempotentInput, Result extends object>(
  context: GraphContext,
  { mutation, input, command, again }: Wished<Input, Result>,
): Promise<Result & Done> {
  const { execute, store, secrets, subjectKeys, signingAlgorithms } = context;
  const once = onceOnly(context, mutation, input);

  async function recalled(): Promise<(Result & Done) | undefined> {
    const known = await once?.recall();
    if (!known) return undefined;
    await again?.(known.result as Result);
    const [last] = await store.read(known.stream, { backwards: true, limit: 1 });
    return { ...(known.result as Result), position: last?.position ?? null };
  }

  const known = await recalled();
  if (known) return known;
  try {
    return await command(
      { execute, store, secrets, subjectKeys, signingAlgorithms, alongside: once?.claim },
      input,
      envelopeOf(context),
    );
  } catch (error) {
    // Was another request with this key quicker by a moment? Then its answer is ours.
    const quicker = error instanceof DomainError ? await recalled() : undefined;
    if (quicker) return quicker;
    throw error;
  }
}

/** Options of the one argument every mutation takes. */
export const theInput = { description: 'What is wished.' };
