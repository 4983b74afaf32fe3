import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { SessionEnd } from '../domain/session.ts';
import { type Condition, equal, isSet, type Revised } from '../projections/page.ts';
import { type SessionClientRow, type SessionRow, sessions } from '../projections/sessions.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { sessionChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { within } from './times.ts';
import { User } from './user.ts';

export const SessionEndReason = {
  ADMINISTRATOR: 'administrator',
  EXPIRED: 'expired',
  PASSWORD_CHANGED: 'password_changed',
  REPLACED: 'replaced',
  SIGNED_OUT: 'signed_out',
  USER_DISABLED: 'user_disabled',
} as const satisfies { [R in SessionEnd as Uppercase<R>]: R };

registerEnumType(SessionEndReason, {
  name: 'SessionEndReason',
  description: 'Why a session ended.',
  valuesConfig: {
    ADMINISTRATOR: { description: 'An administrator ended it.' },
    EXPIRED: { description: 'Nobody can come back to it any more.' },
    PASSWORD_CHANGED: { description: 'The person got a new password.' },
    REPLACED: { description: 'Another person signed in, in the same browser.' },
    SIGNED_OUT: { description: 'The person signed out.' },
    USER_DISABLED: { description: 'The person was disabled, or erased.' },
  },
});

@ObjectType({
  implements: Node,
  description: 'A person signed in, in one browser. It holds from sign-in to sign-out.',
})
export class Session extends Node {
  @Field(() => String, { description: 'Tells it from others. It is not the cookie’s value.' })
  readonly uid!: string;

  @Field(() => DateTimeScalar, {
    name: 'authTime',
    description: 'When the person last proved who they are.',
  })
  readonly auth_time!: string;

  @Field(() => String, { nullable: true, description: 'The class of that proof, if it has one.' })
  readonly acr!: string | null;

  @Field(() => [String], { description: 'Methods of that proof (RFC 8176).' })
  readonly amr!: string[];

  @Field(() => DateTimeScalar, { name: 'startedAt', description: 'When it began.' })
  readonly started_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'endedAt',
    nullable: true,
    description: 'When it ended; null when it has not.',
  })
  readonly ended_at!: string | null;

  @Field(() => SessionEndReason, {
    name: 'endReason',
    nullable: true,
    description: 'Why it ended; null when it has not.',
  })
  readonly end_reason!: SessionEnd | null;
}

@ObjectType({ description: 'A client that a person signed in to within a session.' })
export class SessionClient {
  @Field(() => String, { name: 'clientId', description: 'The client’s client_id.' })
  readonly client_id!: string;

  @Field(() => String, { description: 'By which the client knows the session.' })
  readonly sid!: string;

  @Field(() => DateTimeScalar, { name: 'joinedAt', description: 'When it came into the session.' })
  readonly joined_at!: string;
}

export const SessionConnection = connectionOf(Session, 'Session', 'sessions');

@InputType({ description: 'Which sessions: those that meet every condition given.' })
export class SessionFilter {
  @Field(() => String, { nullable: true, description: 'Only those of this person.' })
  readonly sub?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Only the ended, or only the others.' })
  readonly ended?: boolean | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Only those that began from then on.',
  })
  readonly since?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those that began up to then.' })
  readonly until?: string | null;
}

@ArgsType()
class SessionsArgs extends PageArgs {
  @Field(() => SessionFilter, { nullable: true, description: 'Which sessions; all when absent.' })
  readonly filter?: SessionFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

/** Sessions, latest first. */
export const sessionListing = {
  projection: sessions,
  where: [] as Condition[],
  orderBy: 'started_at',
  descending: true,
};

@Resolver(() => Session)
export class SessionResolver {
  @Requires('sessions', 'read')
  @Query(() => SessionConnection, {
    complexity: pageComplexity,
    description: 'The sessions, page by page, the latest first.',
  })
  async sessions(
    @Args(() => SessionsArgs) { filter, minPosition, asOf, ...page }: SessionsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<SessionRow>>> {
    const moment = await reach(context, minPosition, asOf);
    return list(context, { ...sessionListing, where: conditions(filter ?? {}) }, page, moment);
  }

  @Requires('sessions', 'read')
  @Query(() => Session, { nullable: true, description: 'One session; null when there is none.' })
  async session(
    @Arg('uid', () => String, { description: 'Its uid.' }) uid: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<SessionRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).sessions.load(uid);
  }

  @FieldResolver(() => Int, { description: 'Goes up by one with every event.' })
  version(@Root() { revision }: Revised<SessionRow>): number {
    return revision + 1;
  }

  @Requires('users', 'read')
  @FieldResolver(() => User, { nullable: true, description: 'Whose session it is.' })
  user(@Root() row: SessionRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).users.load(row.sub);
  }

  @FieldResolver(() => [SessionClient], {
    complexity: ({ childComplexity }) => 1 + 5 * childComplexity,
    description: 'The clients that the person signed in to within it.',
  })
  clients(@Root() row: SessionRow, @Ctx() context: GraphContext): Promise<SessionClientRow[]> {
    return loadersOf(context, row).sessionClients.load(row.uid);
  }

  @Requires('sessions', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: SessionRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, sessionChronicle, row.uid, args, momentOf(row));
  }
}

@Resolver(() => SessionClient)
export class SessionClientResolver {
  @Requires('clients', 'read')
  @FieldResolver(() => Client, { nullable: true, description: 'The client; null once removed.' })
  client(@Root() row: SessionClientRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).clients.load(row.client_id);
  }
}

function conditions({ sub, ended, since, until }: SessionFilter): Condition[] {
  const where = within('started_at', since, until);
  if (sub) where.push(equal('sub', searchable(sub, 'filter.sub')));
  if (typeof ended === 'boolean') where.push(isSet('ended_at', ended));
  return where;
}
