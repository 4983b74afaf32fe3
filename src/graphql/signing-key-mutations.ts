import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Mutation,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import * as commands from '../commands/signing-keys.ts';
import { ProtocolReads } from '../projections/protocol-reads.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { SigningKey } from './signing-key.ts';

@InputType({ description: 'An algorithm whose next key shall sign.' })
export class SigningKeyRotateInput extends IdempotentInput {
  @Field(() => String, { description: 'JWS algorithm, one of those the server keeps keys for.' })
  readonly alg!: string;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Trust nothing that was there before: the key is a new one, and all others of the algorithm are retired at once. What they signed is no longer believed. No when absent.',
  })
  readonly emergency?: boolean | null;
}

@InputType({ description: 'A signing key that shall no longer verify.' })
export class SigningKeyRetireInput extends VersionedInput {
  @Field(() => String, { description: 'Its id in the JWK Set.' })
  readonly kid!: string;

  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@ObjectType({ description: 'The outcome of a mutation of a signing key.' })
export class SigningKeyPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The key’s id in the JWK Set.' })
  readonly kid?: string | null;
}

@Resolver(() => SigningKeyPayload)
export class SigningKeyPayloadResolver {
  @Requires('keys', 'read')
  @FieldResolver(() => SigningKey, {
    nullable: true,
    description: 'The key as it is now; null when there is none.',
  })
  signingKey(
    @Root() { kid }: SigningKeyPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return kid ? loaders.signingKeys.load(kid) : null;
  }
}

@Resolver()
export class SigningKeyMutations {
  @Requires('keys', 'write')
  @Mutation(() => SigningKeyPayload, {
    description:
      'Lets the next key of an algorithm sign from now on: the announced one, or a new one when none is. The former keys still verify, except in an emergency.',
  })
  async signingKeyRotate(
    @Arg('input', () => SigningKeyRotateInput, theInput) input: SigningKeyRotateInput,
    @Ctx() context: GraphContext,
  ): Promise<SigningKeyPayload> {
    const command = commands.rotateSigningKey(await live(context));
    return perform(context, { mutation: 'signingKeyRotate', input, command, about: {} });
  }

  @Requires('keys', 'write')
  @Mutation(() => SigningKeyPayload, {
    description:
      'Takes a key out of the JWK Set at once: what it signed is no longer believed. Not for the key that signs.',
  })
  async signingKeyRetire(
    @Arg('input', () => SigningKeyRetireInput, theInput) input: SigningKeyRetireInput,
    @Ctx() context: GraphContext,
  ): Promise<SigningKeyPayload> {
    const { kid } = input;
    const command = commands.retireSigningKey(await live(context));
    return perform(context, { mutation: 'signingKeyRetire', input, command, about: { kid } });
  }
}

/** The keys that have not been retired. */
function live({ pool }: GraphContext) {
  return new ProtocolReads(pool).signingKeys();
}
