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
import * as commands from '../commands/revocation.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { Token } from './token.ts';

@InputType({ description: 'A token that shall no longer be good.' })
export class TokenRevokeInput extends IdempotentInput {
  @Field(() => String, { description: 'SHA-256 of its value, or of the `jti` of a JWT, in hex.' })
  readonly tokenId!: string;
}

@ObjectType({ description: 'The outcome of a mutation of a token.' })
export class TokenPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The token’s id.' })
  readonly tokenId?: string | null;
}

@Resolver(() => TokenPayload)
export class TokenPayloadResolver {
  @Requires('tokens', 'read')
  @FieldResolver(() => Token, {
    nullable: true,
    description: 'The token as it is now; null when there is none.',
  })
  token(
    @Root() { tokenId }: TokenPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return tokenId ? loaders.tokens.load(tokenId) : null;
  }
}

@Resolver()
export class TokenMutations {
  @Requires('tokens', 'write')
  @Mutation(() => TokenPayload, {
    description: 'Revokes one token; with a refresh token its whole grant (RFC 7009 §2.1).',
  })
  async tokenRevoke(
    @Arg('input', () => TokenRevokeInput, theInput) input: TokenRevokeInput,
    @Ctx() context: GraphContext,
  ): Promise<TokenPayload> {
    const { tokenId } = input;
    const command = commands.revokeToken((await context.loaders.tokens.load(tokenId)) ?? undefined);
    return perform(context, { mutation: 'tokenRevoke', input, command, about: { tokenId } });
  }
}
