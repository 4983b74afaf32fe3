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
import { ClientPayload } from './client/client-mutations.ts';
import type { GraphContext } from './context.ts';
import { EndAllInput } from './end-all.ts';
import { Grant } from './grant.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { UserPayload } from './user-mutations.ts';

@InputType({ description: 'A grant that shall end.' })
export class GrantRevokeInput extends IdempotentInput {
  @Field(() => String, { description: 'The grant’s id.' })
  readonly grantId!: string;
}

@InputType({ description: 'A person whose grants shall end.' })
export class UserGrantsRevokeInput extends EndAllInput {
  @Field(() => String, { description: 'The person’s subject.' })
  readonly sub!: string;
}

@InputType({ description: 'A client whose grants shall end.' })
export class ClientGrantsRevokeInput extends EndAllInput {
  @Field(() => String, { description: 'The client’s client_id.' })
  readonly clientId!: string;
}

@ObjectType({ description: 'The outcome of a mutation of a grant.' })
export class GrantPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The grant’s id.' })
  readonly grantId?: string | null;
}

@Resolver(() => GrantPayload)
export class GrantPayloadResolver {
  @Requires('grants', 'read')
  @FieldResolver(() => Grant, {
    nullable: true,
    description: 'The grant as it is now; null when there is none.',
  })
  grant(
    @Root() { grantId }: GrantPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return grantId ? loaders.grants.load(grantId) : null;
  }
}

@Resolver()
export class GrantMutations {
  @Requires('grants', 'write')
  @Mutation(() => GrantPayload, {
    description: 'Ends a grant, and with it all codes and tokens that were issued under it.',
  })
  grantRevoke(
    @Arg('input', () => GrantRevokeInput, theInput) input: GrantRevokeInput,
    @Ctx() context: GraphContext,
  ): Promise<GrantPayload> {
    const about = { grantId: input.grantId };
    const command = commands.revokeGrant;
    return perform(context, { mutation: 'grantRevoke', input, command, about });
  }

  @Requires('grants', 'write')
  @Mutation(() => UserPayload, {
    complexity: 100,
    description: 'Ends all grants of a person, those with offline access as well.',
  })
  userGrantsRevoke(
    @Arg('input', () => UserGrantsRevokeInput, theInput) input: UserGrantsRevokeInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    const about = { sub: input.sub };
    const command = commands.revokeUserGrants;
    return perform(context, { mutation: 'userGrantsRevoke', input, command, about });
  }

  @Requires('grants', 'write')
  @Mutation(() => ClientPayload, {
    complexity: 100,
    description: 'Ends all grants of a client, whoever gave them.',
  })
  clientGrantsRevoke(
    @Arg('input', () => ClientGrantsRevokeInput, theInput) input: ClientGrantsRevokeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const about = { clientId: input.clientId };
    const command = commands.revokeClientGrants;
    return perform(context, { mutation: 'clientGrantsRevoke', input, command, about });
  }
}
