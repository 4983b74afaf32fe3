import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import type { GRANT_TYPES } from '../commands/client-fields.ts';
import * as commands from '../commands/initial-access-tokens.ts';
import type { RegistrationPolicy } from '../domain/registration-policy.ts';
import { Requires } from './authorize.ts';
import { ConsentType } from './client/client-enums.ts';
import { ClientRequirementsInput } from './client/client-part-inputs.ts';
import type { GraphContext } from './context.ts';
import { InitialAccessToken } from './initial-access-token.ts';
import { IdempotentInput, Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { DateTimeScalar } from './scalars.ts';

@InputType({ description: 'What clients that register themselves may make of themselves.' })
export class RegistrationPolicyInput {
  @Field(() => [String], {
    nullable: true,
    description:
      'Values of grant_type they may use; authorization_code, refresh_token when absent.',
  })
  readonly grantTypes?: (typeof GRANT_TYPES)[number][] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Scopes they may ask for, none of this API; openid when absent.',
  })
  readonly scopes?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Hosts of their redirect URIs, `*.` in front for all below; any when absent.',
  })
  readonly redirectHosts?: string[] | null;

  @Field(() => ClientRequirementsInput, {
    nullable: true,
    description: 'What they must do, whatever they say; PKCE when absent.',
  })
  readonly requirements?: ClientRequirementsInput | null;

  @Field(() => ConsentType, {
    nullable: true,
    description: 'Who agrees that they may act; EXPLICIT when absent, and never IMPLICIT.',
  })
  readonly consentType?: RegistrationPolicy['consentType'] | null;
}

@InputType({ description: 'An initial access token to create.' })
export class InitialAccessTokenCreateInput extends IdempotentInput {
  @Field(() => String, { description: 'What it is for.' })
  readonly description!: string;

  @Field(() => RegistrationPolicyInput, {
    nullable: true,
    description: 'What clients may be registered with it.',
  })
  readonly policy?: RegistrationPolicyInput | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many clients may be registered with it, 1 to 10000; one when absent.',
  })
  readonly quota?: number | null;

  @Field(() => DateTimeScalar, { description: 'When it expires: within a year.' })
  readonly expiresAt!: string;
}

@InputType({ description: 'An initial access token that shall be of no use any more.' })
export class InitialAccessTokenRevokeInput extends VersionedInput {
  @Field(() => String, { description: 'Its id, not its value.' })
  readonly tokenId!: string;

  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@ObjectType({ description: 'The outcome of a mutation of an initial access token.' })
export class InitialAccessTokenPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The token’s id, not its value.' })
  readonly tokenId?: string | null;
}

@ObjectType({ description: 'A new initial access token.' })
export class InitialAccessTokenCreatePayload extends InitialAccessTokenPayload {
  @Field(() => String, {
    nullable: true,
    description: 'Its value. It is shown here and never again.',
  })
  readonly token?: string | null;
}

@Resolver(() => InitialAccessTokenPayload)
export class InitialAccessTokenPayloadResolver {
  @Requires('clients', 'read')
  @FieldResolver(() => InitialAccessToken, {
    nullable: true,
    description: 'The token as it is now; null when there is none.',
  })
  initialAccessToken(
    @Root() { tokenId }: InitialAccessTokenPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return tokenId ? loaders.initialAccessTokens.load(tokenId) : null;
  }
}

@Resolver()
export class InitialAccessTokenMutations {
  @Requires('clients', 'write')
  @Mutation(() => InitialAccessTokenCreatePayload, {
    description: 'Creates a token by which whoever has it can register clients within its policy.',
  })
  initialAccessTokenCreate(
    @Arg('input', () => InitialAccessTokenCreateInput, theInput)
    input: InitialAccessTokenCreateInput,
    @Ctx() context: GraphContext,
  ): Promise<InitialAccessTokenCreatePayload> {
    const command = commands.createInitialAccessToken;
    return perform(context, { mutation: 'initialAccessTokenCreate', input, command, about: {} });
  }

  @Requires('clients', 'write')
  @Mutation(() => InitialAccessTokenPayload, {
    description: 'Has an initial access token refused; the clients registered with it stay.',
  })
  initialAccessTokenRevoke(
    @Arg('input', () => InitialAccessTokenRevokeInput, theInput)
    input: InitialAccessTokenRevokeInput,
    @Ctx() context: GraphContext,
  ): Promise<InitialAccessTokenPayload> {
    const { tokenId } = input;
    const command = commands.revokeInitialAccessToken;
    return perform(context, {
      mutation: 'initialAccessTokenRevoke',
      input,
      command,
      about: { tokenId },
    });
  }
}
