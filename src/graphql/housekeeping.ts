import { Ctx, Field, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { READ_SCHEMA } from '../projections/apply.ts';
import { type HousekeepingPolicy, keepHouse } from '../projections/housekeeping.ts';
import { type Pruned, readPruning } from '../projections/prune.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { DateTimeScalar } from './scalars.ts';

/** Milliseconds a caller waits; what is left over goes the next time. */
const RUN_MS = 5_000;

@ObjectType({ description: 'Rows that were taken away from one read model.' })
export class PrunedRows {
  @Field(() => String, { description: 'The read model.' })
  readonly table!: string;

  @Field(() => Int, { description: 'So many.' })
  readonly rows!: number;
}

@ObjectType({
  description: 'How what is over is taken away from the read models. The log keeps everything.',
})
export class Housekeeping {
  @Field(() => Boolean, {
    description: 'Whether it is done at all, other than by housekeepingRun.',
  })
  readonly enabled!: boolean;

  @Field(() => Int, { description: 'Seconds from one time to the next.' })
  readonly period!: number;

  @Field(() => Boolean, { description: 'Whether expired tokens go.' })
  readonly tokens!: boolean;

  @Field(() => Boolean, {
    description: 'Whether grants, consents and sessions go that are over.',
  })
  readonly authorizations!: boolean;

  @Field(() => Int, { description: 'Seconds that a token is kept after it expired.' })
  readonly minimumTokenLifespan!: number;

  @Field(() => Int, { description: 'Seconds that an authorization is kept at least.' })
  readonly minimumAuthorizationLifespan!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it was done last; null for never.',
  })
  readonly ranAt!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Tokens that expired before are gone; null: none are.',
  })
  readonly tokensBefore!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Authorizations that were over before are gone; null: none are.',
  })
  readonly authorizationsBefore!: string | null;

  @Field(() => [PrunedRows], { description: 'What went the last time.' })
  readonly pruned!: PrunedRows[];
}

@ObjectType({ description: 'The outcome of taking away what is over.' })
export class HousekeepingPayload {
  @Field(() => Boolean, {
    description: 'Whether it was done; false when a node of the server was just doing it.',
  })
  readonly ran!: boolean;

  @Field(() => [PrunedRows], { description: 'What went.' })
  readonly pruned!: PrunedRows[];
}

@Resolver()
export class HousekeepingResolver {
  @Requires('housekeeping', 'read')
  @Query(() => Housekeeping, {
    description: 'How what is over is taken away from the read models, and what went last.',
  })
  async housekeeping(@Ctx() { pool, housekeeping }: GraphContext): Promise<Housekeeping> {
    const last = await readPruning(pool, READ_SCHEMA);
    return {
      ...(housekeeping satisfies HousekeepingPolicy),
      ranAt: last.ran_at,
      tokensBefore: last.tokens,
      authorizationsBefore: last.authorizations,
      pruned: listed(last.pruned),
    };
  }

  @Requires('housekeeping', 'write')
  @Mutation(() => HousekeepingPayload, {
    description: 'Takes away what is over now, for at most five seconds.',
  })
  async housekeepingRun(@Ctx() { pool, housekeeping }: GraphContext): Promise<HousekeepingPayload> {
    const signal = AbortSignal.timeout(RUN_MS);
    const pruned = await keepHouse({ pool, policy: housekeeping }, { force: true, signal });
    return { ran: pruned !== null, pruned: listed(pruned ?? {}) };
  }
}

function listed(pruned: Pruned): PrunedRows[] {
  return Object.entries(pruned).map(([table, rows]) => ({ table, rows }));
}
