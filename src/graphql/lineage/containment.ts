import {
  Arg,
  Ctx,
  Extensions,
  Field,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
} from 'type-graphql';
import * as commands from '../../commands/revocation.ts';
import type { Leak } from '../../domain/leak.ts';
import { readContainable } from '../../projections/blast-radius.ts';
import { adminScope, Requires } from '../authorize.ts';
import type { GraphContext } from '../context.ts';
import { IdempotentInput, Payload, perform, theInput } from '../mutation.ts';
import { DateTimeScalar } from '../scalars.ts';
import { COUNTED, leakOf, MAX_ITEMS, recordLook, Suspect, TouchedItems } from './blast-radius.ts';

@ObjectType({ description: 'What would end if a leak was contained now.' })
export class LeakPreview {
  @Field(() => DateTimeScalar, { description: 'From when on it is counted.' })
  readonly since!: string;

  @Field(() => DateTimeScalar, { description: 'Until when it is counted.' })
  readonly until!: string;

  @Field(() => String, { description: 'What is counted, and what cannot be told apart.' })
  readonly counted!: string;

  @Field(() => TouchedItems, { description: 'Grants, each with all its codes and tokens.' })
  readonly grants!: TouchedItems;

  @Field(() => TouchedItems, {
    description: 'Sessions: of an address only. All grants opened in them are among the grants.',
  })
  readonly sessions!: TouchedItems;

  @Field(() => TouchedItems, { description: 'Tokens of clients for themselves.' })
  readonly clientTokens!: TouchedItems;
}

@InputType({ description: 'A leak, all that came of which shall end.' })
export class LeakContainInput extends IdempotentInput {
  @Field(() => Suspect, { description: 'What may have fallen into the wrong hands.' })
  readonly of!: Suspect;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Only what was touched from then on; as for `blastRadius` when absent.',
  })
  readonly since?: string | null;

  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@ObjectType({ description: 'How much was touched by what was asked to end.' })
export class Contained {
  @Field(() => DateTimeScalar, { description: 'From when on it was counted.' })
  readonly since!: string;

  @Field(() => DateTimeScalar, { description: 'Until when it was counted.' })
  readonly until!: string;

  @Field(() => Int, { description: 'How many grants ended.' })
  readonly grants!: number;

  @Field(() => Int, { description: 'How many sessions ended.' })
  readonly sessions!: number;

  @Field(() => Int, { description: 'How many tokens of clients for themselves ended.' })
  readonly clientTokens!: number;
}

@ObjectType({ description: 'The outcome of containing a leak.' })
export class LeakPayload extends Payload {
  @Field(() => Contained, { nullable: true, description: 'What ended; null when refused.' })
  readonly touched?: Contained | null;
}

/** Whoever contains a leak sees what it touched, and ends all of its kinds. */
const CONTAINS = [
  adminScope('audit', 'read'),
  adminScope('grants', 'write'),
  adminScope('sessions', 'write'),
  adminScope('tokens', 'write'),
];

@Resolver()
export class ContainmentResolver {
  @Requires('audit', 'read')
  @Query(() => LeakPreview, {
    nullable: true,
    complexity: ({ childComplexity }) => 20 + childComplexity,
    description:
      'What `leakContain` would end now, with nothing recorded but that somebody looked. Null for a secret or key that never was.',
  })
  async leakPreview(
    @Arg('of', () => Suspect, { description: 'What may have fallen into the wrong hands.' })
    of: Suspect,
    @Arg('since', () => DateTimeScalar, {
      nullable: true,
      description: 'Only what was touched from then on; as for `blastRadius` when absent.',
    })
    from: string | null,
    @Ctx() context: GraphContext,
  ): Promise<LeakPreview | null> {
    const leak = await leakOf(context, of, from);
    await recordLook(context, of);
    if (!leak) return null;
    const { since, until } = leak;
    const found = await readContainable(context.pool, leak, MAX_ITEMS);
    return { since, until, counted: COUNTED[leak.of], ...found };
  }

  @Extensions({ requiredScopes: CONTAINS })
  @Mutation(() => LeakPayload, {
    complexity: 100,
    description:
      'Ends, by one act, all that a leak touched and that can still be used: the grants with their tokens, tokens of clients for themselves and, of an address, the sessions. What `leakPreview` tells beforehand.',
  })
  async leakContain(
    @Arg('input', () => LeakContainInput, theInput) input: LeakContainInput,
    @Ctx() context: GraphContext,
  ): Promise<LeakPayload> {
    const leak = await leakOf(context, input.of, input.since);
    const command = commands.containLeak(leak && (await touchedBy(context, leak)));
    return perform(context, { mutation: 'leakContain', input, command, about: {} });
  }
}

async function touchedBy({ pool }: GraphContext, leak: Leak): Promise<commands.Touched> {
  const { grants, sessions, clientTokens } = await readContainable(pool, leak, 1);
  return {
    ...leak,
    grants: grants.total,
    sessions: sessions.total,
    clientTokens: clientTokens.total,
  };
}
