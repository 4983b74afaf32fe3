import { Arg, Ctx, Field, InputType, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { rotateCookieKey } from '../commands/cookie-keys.ts';
import type { CookieKeyRow } from '../projections/cookie-keys.ts';
import { ProtocolReads } from '../projections/protocol-reads.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { DateTimeScalar } from './scalars.ts';

@ObjectType({ description: 'A key with which cookies are signed. Its secret cannot be read.' })
export class CookieKey {
  @Field(() => String, { name: 'keyId', description: 'Tells it from the others.' })
  readonly key_id!: string;

  @Field(() => DateTimeScalar, {
    name: 'generatedAt',
    description: 'Since when cookies that it signed are believed.',
  })
  readonly generated_at!: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    name: 'activatedAt',
    description: 'When it began to sign; null when it has not. The one that began last signs.',
  })
  readonly activated_at!: string | null;
}

@InputType({ description: 'The next key of cookies shall sign.' })
export class CookieKeyRotateInput extends IdempotentInput {
  @Field(() => Boolean, {
    nullable: true,
    description:
      'Believe no cookie that was signed before: everybody has to sign in again. No when absent.',
  })
  readonly emergency?: boolean | null;
}

@ObjectType({ description: 'The outcome of a mutation of a key of cookies.' })
export class CookieKeyPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The key that signs from now on.' })
  readonly keyId?: string | null;
}

@Resolver()
export class CookieKeyResolver {
  @Requires('keys', 'read')
  @Query(() => [CookieKey], {
    complexity: ({ childComplexity }) => 1 + 5 * childComplexity,
    description: 'The keys whose cookies are believed, the one that signs first.',
  })
  cookieKeys(@Ctx() { pool }: GraphContext): Promise<CookieKeyRow[]> {
    return new ProtocolReads(pool).cookieKeys();
  }

  @Requires('keys', 'write')
  @Mutation(() => CookieKeyPayload, {
    description:
      'Lets the next key sign cookies from now on. Those signed before are still believed, except in an emergency.',
  })
  async cookieKeyRotate(
    @Arg('input', () => CookieKeyRotateInput, theInput) input: CookieKeyRotateInput,
    @Ctx() context: GraphContext,
  ): Promise<CookieKeyPayload> {
    const command = rotateCookieKey(await new ProtocolReads(context.pool).cookieKeys());
    return perform(context, { mutation: 'cookieKeyRotate', input, command, about: {} });
  }
}
