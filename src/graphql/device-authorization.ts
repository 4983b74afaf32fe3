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
} from 'type-graphql';
import {
  type DeviceAuthorizationRow,
  deviceAuthorizations,
} from '../projections/device-authorizations.ts';
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
import { deviceAuthorizationChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { User } from './user.ts';

@ObjectType({
  implements: Node,
  description: 'What a device asked for (RFC 8628), and what became of it.',
})
export class DeviceAuthorization extends Node {
  @Field(() => String, {
    name: 'requestId',
    description: 'Stands for its device code, which cannot be read.',
  })
  readonly digest!: string;

  @Field(() => String, { name: 'clientId', description: 'The client_id of the device.' })
  readonly client_id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Subject of the person who said yes; null: nobody has.',
  })
  readonly sub!: string | null;

  @Field(() => [String], { description: 'What is asked for; once approved, what was given.' })
  readonly scopes!: string[];

  @Field(() => DateTimeScalar, { name: 'requestedAt', description: 'When it was asked.' })
  readonly requested_at!: string;

  @Field(() => DateTimeScalar, { name: 'expiresAt', description: 'Until when it can be decided.' })
  readonly expires_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'enteredAt',
    nullable: true,
    description: 'When a person said that the code is on their device.',
  })
  readonly entered_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'approvedAt',
    nullable: true,
    description: 'When the person said yes.',
  })
  readonly approved_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'deniedAt',
    nullable: true,
    description: 'When it was refused.',
  })
  readonly denied_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'redeemedAt',
    nullable: true,
    description: 'When the device fetched its tokens.',
  })
  readonly redeemed_at!: string | null;

  @Field(() => String, {
    name: 'grantId',
    nullable: true,
    description: 'The grant that came of it.',
  })
  readonly grant_id!: string | null;
}

export const DeviceAuthorizationConnection = connectionOf(
  DeviceAuthorization,
  'DeviceAuthorization',
  'device authorizations',
);

@ArgsType()
class DeviceAuthorizationsArgs extends PageArgs {
  @Field(() => AuthorizationFilter, {
    nullable: true,
    description: 'Which of them; all when absent.',
  })
  readonly filter?: AuthorizationFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => DeviceAuthorization)
export class DeviceAuthorizationResolver {
  @Requires('requests', 'read')
  @Query(() => DeviceAuthorizationConnection, {
    complexity: pageComplexity,
    description: 'What devices asked for, page by page, the latest first.',
  })
  async deviceAuthorizations(
    @Args(() => DeviceAuthorizationsArgs)
    { filter, minPosition, asOf, ...page }: DeviceAuthorizationsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<DeviceAuthorizationRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: deviceAuthorizations,
      where: conditions(filter ?? {}, moment?.time ?? undefined),
      orderBy: 'requested_at',
      descending: true,
    };
    return list(context, listing, page, moment);
  }

  @Requires('requests', 'read')
  @Query(() => DeviceAuthorization, {
    nullable: true,
    description: 'What one device asked for; null when there is no such request.',
  })
  async deviceAuthorization(
    @Arg('requestId', () => String, { description: 'What stands for its device code.' })
    requestId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<DeviceAuthorizationRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).deviceAuthorizations.load(requestId);
  }

  @FieldResolver(() => AuthorizationStatus, { description: 'Where it is in its life.' })
  status(@Root() row: DeviceAuthorizationRow): AuthorizationStatus {
    return statusOf(row, momentOf(row)?.time ?? undefined);
  }

  @Requires('clients', 'read')
  @FieldResolver(() => Client, { nullable: true, description: 'The device; null: removed since.' })
  client(
    @Root() row: DeviceAuthorizationRow,
    @Ctx() context: GraphContext,
  ): Promise<object | null> {
    return loadersOf(context, row).clients.load(row.client_id);
  }

  @Requires('users', 'read')
  @FieldResolver(() => User, { nullable: true, description: 'The person who said yes.' })
  user(
    @Root() row: DeviceAuthorizationRow,
    @Ctx() context: GraphContext,
  ): Promise<object | null> | null {
    return row.sub === null ? null : loadersOf(context, row).users.load(row.sub);
  }

  @FieldResolver(() => Int, { description: 'Goes up by one with every event.' })
  version(@Root() { revision }: Revised<DeviceAuthorizationRow>): number {
    return revision + 1;
  }

  @Requires('requests', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: DeviceAuthorizationRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, deviceAuthorizationChronicle, row.digest, args, momentOf(row));
  }
}
