import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { DecidedBy } from '../domain/backchannel-request.ts';
import {
  type BackchannelRequestRow,
  backchannelRequests,
} from '../projections/backchannel-requests.ts';
import type { Revised } from '../projections/page.ts';
import { AuthorizationFilter, conditions } from './authorization-filter.ts';
import { AuthorizationStatus, statusOf } from './authorization-status.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import type { GraphContext } from './context.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { backchannelRequestChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { User } from './user.ts';

export const BackchannelDecider = {
  USER: 'user',
  ADMINISTRATOR: 'administrator',
} as const satisfies Record<string, DecidedBy>;

registerEnumType(BackchannelDecider, {
  name: 'BackchannelDecider',
  description: 'Who decided about a request by the back channel.',
  valuesConfig: {
    USER: { description: 'The person, on their own page.' },
    ADMINISTRATOR: { description: 'Whoever asked the person, by this API.' },
  },
});

@ObjectType({
  implements: Node,
  description:
    'What a client asked a person for who was elsewhere (OpenID Connect CIBA), and what became of it.',
})
export class BackchannelRequest extends Node {
  @Field(() => String, {
    name: 'requestId',
    description: 'Stands for its auth_req_id, which cannot be read.',
  })
  readonly digest!: string;

  @Field(() => String, { name: 'clientId', description: 'The client_id of who asks.' })
  readonly client_id!: string;

  @Field(() => String, { description: 'Subject of the person.' })
  readonly sub!: string;

  @Field(() => [String], { description: 'What is asked for.' })
  readonly scopes!: string[];

  @Field(() => Int, { name: 'interval', description: 'Seconds the client waits between polls.' })
  readonly poll_interval!: number;

  @Field(() => DateTimeScalar, { name: 'requestedAt', description: 'When it was asked.' })
  readonly requested_at!: string;

  @Field(() => DateTimeScalar, { name: 'expiresAt', description: 'Until when it can be decided.' })
  readonly expires_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'approvedAt',
    nullable: true,
    description: 'When the person said yes.',
  })
  readonly approved_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'deniedAt',
    nullable: true,
    description: 'When the person said no.',
  })
  readonly denied_at!: string | null;

  @Field(() => BackchannelDecider, {
    name: 'decidedBy',
    nullable: true,
    description: 'Who decided; null: nobody has.',
  })
  readonly decided_by!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'redeemedAt',
    nullable: true,
    description: 'When the client fetched its tokens.',
  })
  readonly redeemed_at!: string | null;

  @Field(() => String, {
    name: 'grantId',
    nullable: true,
    description: 'The grant that came of it.',
  })
  readonly grant_id!: string | null;
}

export const BackchannelRequestConnection = connectionOf(
  BackchannelRequest,
  'BackchannelRequest',
  'requests',
);

@ArgsType()
class BackchannelRequestsArgs extends PageArgs {
  @Field(() => AuthorizationFilter, {
    nullable: true,
    description: 'Which requests; all when absent.',
  })
  readonly filter?: AuthorizationFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => BackchannelRequest)
export class BackchannelRequestResolver {
  @Requires('requests', 'read')
  @Query(() => BackchannelRequestConnection, {
    complexity: pageComplexity,
    description: 'The requests by the back channel, page by page, the latest first.',
  })
  async backchannelRequests(
    @Args(() => BackchannelRequestsArgs)
    { filter, minPosition, asOf, ...page }: BackchannelRequestsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<BackchannelRequestRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: backchannelRequests,
      where: conditions(filter ?? {}, moment?.time ?? undefined),
      orderBy: 'requested_at',
      descending: true,
    };
    return list(context, listing, page, moment);
  }

  @Requires('requests', 'read')
  @Query(() => BackchannelRequest, {
    nullable: true,
    description: 'One request by the back channel; null when there is none.',
  })
  async backchannelRequest(
    @Arg('requestId', () => String, { description: 'What stands for its auth_req_id.' })
    requestId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<BackchannelRequestRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).backchannelRequests.load(requestId);
  }

  @FieldResolver(() => AuthorizationStatus, { description: 'Where it is in its life.' })
  status(@Root() row: BackchannelRequestRow): AuthorizationStatus {
    return statusOf(row, momentOf(row)?.time ?? undefined);
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'What client and person see on both devices; null: nothing, or the person was erased.',
  })
  bindingMessage(
    @Root() { sub, binding_message }: BackchannelRequestRow,
    @Ctx() { subjectKeys }: GraphContext,
  ): Promise<string | null> | null {
    return binding_message === null ? null : subjectKeys.open(sub, binding_message);
  }

  @Requires('clients', 'read')
  @FieldResolver(() => Client, { nullable: true, description: 'Who asks; null: removed since.' })
  client(@Root() row: BackchannelRequestRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).clients.load(row.client_id);
  }

  @Requires('users', 'read')
  @FieldResolver(() => User, { nullable: true, description: 'The person.' })
  user(@Root() row: BackchannelRequestRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).users.load(row.sub);
  }

  @FieldResolver(() => Int, { description: 'Goes up by one with every event.' })
  version(@Root() { revision }: Revised<BackchannelRequestRow>): number {
    return revision + 1;
  }

  @Requires('requests', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: BackchannelRequestRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, backchannelRequestChronicle, row.digest, args, momentOf(row));
  }
}
