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
import { EndAllInput } from './end-all.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { Session } from './session.ts';
import { UserPayload } from './user-mutations.ts';

@InputType({ description: 'A session that shall end.' })
export class SessionEndInput extends IdempotentInput {
  @Field(() => String, { description: 'The session’s uid.' })
  readonly uid!: string;
}

@InputType({ description: 'A person whose sessions shall end.' })
export class UserSessionsEndInput extends EndAllInput {
  @Field(() => String, { description: 'The person’s subject.' })
  readonly sub!: string;
}

@ObjectType({ description: 'The outcome of a mutation of a session.' })
export class SessionPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The session’s uid.' })
  readonly uid?: string | null;
}

@Resolver(() => SessionPayload)
export class SessionPayloadResolver {
  @Requires('sessions', 'read')
  @FieldResolver(() => Session, {
    nullable: true,
    description: 'The session as it is now; null when there is none.',
  })
  session(
    @Root() { uid }: SessionPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return uid ? loaders.sessions.load(uid) : null;
  }
}

@Resolver()
export class SessionMutations {
  @Requires('sessions', 'write')
  @Mutation(() => SessionPayload, {
    description:
      'Ends a session everywhere: all grants opened in it end, and its clients are told.',
  })
  sessionEnd(
    @Arg('input', () => SessionEndInput, theInput) input: SessionEndInput,
    @Ctx() context: GraphContext,
  ): Promise<SessionPayload> {
    const about = { uid: input.uid };
    const command = commands.endSession;
    return perform(context, { mutation: 'sessionEnd', input, command, about });
  }

  @Requires('sessions', 'write')
  @Mutation(() => UserPayload, {
    complexity: 100,
    description: 'Ends all sessions of a person, each of them everywhere.',
  })
  userSessionsEnd(
    @Arg('input', () => UserSessionsEndInput, theInput) input: UserSessionsEndInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    const about = { sub: input.sub };
    const command = commands.endUserSessions;
    return perform(context, { mutation: 'userSessionsEnd', input, command, about });
  }
}
