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
import * as commands from '../commands/backchannel-requests.ts';
import { demand, Requires, scopesHandedOut } from './authorize.ts';
import { BackchannelRequest } from './backchannel-request.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';

@InputType({ description: 'A request to which the person has said yes.' })
export class BackchannelRequestApproveInput extends IdempotentInput {
  @Field(() => String, { description: 'What stands for its auth_req_id.' })
  readonly requestId!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'How the person proved who they are (RFC 8176); nothing is told when absent.',
  })
  readonly amr?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'How sure that is (OpenID Connect Core §2); nothing is told when absent.',
  })
  readonly acr?: string | null;
}

@InputType({ description: 'A request to which the person has said no.' })
export class BackchannelRequestDenyInput extends IdempotentInput {
  @Field(() => String, { description: 'What stands for its auth_req_id.' })
  readonly requestId!: string;
}

@ObjectType({ description: 'The outcome of a decision about a request by the back channel.' })
export class BackchannelRequestPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'What stands for its auth_req_id.' })
  readonly requestId?: string | null;
}

@Resolver(() => BackchannelRequestPayload)
export class BackchannelRequestPayloadResolver {
  @Requires('requests', 'read')
  @FieldResolver(() => BackchannelRequest, {
    nullable: true,
    description: 'The request as it is now; null when there is none.',
  })
  backchannelRequest(
    @Root() { requestId }: BackchannelRequestPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return requestId ? loaders.backchannelRequests.load(requestId) : null;
  }
}

@Resolver()
export class BackchannelRequestMutations {
  @Requires('requests', 'write')
  @Mutation(() => BackchannelRequestPayload, {
    description:
      'Tells that a person has said yes to a client, where something else than this server asked them: it is trusted with it. What is asked for of this API one must hold oneself.',
  })
  async backchannelRequestApprove(
    @Arg('input', () => BackchannelRequestApproveInput, theInput)
    input: BackchannelRequestApproveInput,
    @Ctx() context: GraphContext,
  ): Promise<BackchannelRequestPayload> {
    const { requestId } = input;
    const known = await context.loaders.backchannelRequests.load(requestId);
    demand(context.principal.scopes, scopesHandedOut(known?.scopes ?? []));
    const command = commands.approveBackchannelRequest;
    const mutation = 'backchannelRequestApprove';
    return perform(context, { mutation, input, command, about: { requestId } });
  }

  @Requires('requests', 'write')
  @Mutation(() => BackchannelRequestPayload, {
    description: 'Tells that a person has said no to a client.',
  })
  backchannelRequestDeny(
    @Arg('input', () => BackchannelRequestDenyInput, theInput) input: BackchannelRequestDenyInput,
    @Ctx() context: GraphContext,
  ): Promise<BackchannelRequestPayload> {
    const command = commands.denyBackchannelRequest;
    const about = { requestId: input.requestId };
    return perform(context, { mutation: 'backchannelRequestDeny', input, command, about });
  }
}
