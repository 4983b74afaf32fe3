import {
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
import { type NoticeRow, noticeStatus, notices, noticesOf } from '../projections/notices.ts';
import { type Condition, equal, type Revised } from '../projections/page.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { noticeChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersOf } from './time-travel/past.ts';
import { within } from './times.ts';

export const NoticeStatus = {
  DELIVERED: 'delivered',
  DROPPED: 'dropped',
  FAILED: 'failed',
  RETRYING: 'retrying',
} as const;
type NoticeStatus = (typeof NoticeStatus)[keyof typeof NoticeStatus];

registerEnumType(NoticeStatus, {
  name: 'NoticeStatus',
  description: 'What has become of a notice.',
  valuesConfig: {
    DELIVERED: { description: 'The client took it.' },
    DROPPED: { description: 'There was nobody to be told any more.' },
    FAILED: { description: 'It was tried often enough, in vain.' },
    RETRYING: { description: 'The last attempt failed; there will be another.' },
  },
});

@ObjectType({
  implements: Node,
  description:
    'A message to a client, such as a logout token. It is shown from the first attempt to deliver it.',
})
export class Notice extends Node {
  @Field(() => String, { name: 'noticeId', description: 'Its id; of a logout token, the `jti`.' })
  readonly notice_id!: string;

  @Field(() => String, { description: 'What kind of message it is, such as backchannel_logout.' })
  readonly kind!: string;

  @Field(() => String, { name: 'clientId', description: 'The client’s client_id.' })
  readonly client_id!: string;

  @Field(() => String, { description: 'Id of what it is about: of a logout, the session’s uid.' })
  readonly about!: string;

  @Field(() => Int, { description: 'How often it was tried.' })
  readonly attempts!: number;

  @Field(() => String, { nullable: true, description: 'Why the last attempt failed.' })
  readonly error!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it was dropped.' })
  readonly dropped!: string | null;

  @Field(() => DateTimeScalar, { name: 'triedAt', description: 'When the last attempt was.' })
  readonly tried_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'retryAt',
    nullable: true,
    description: 'When the next attempt is; null when there is none.',
  })
  readonly retry_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'deliveredAt',
    nullable: true,
    description: 'When the client took it; null when it has not.',
  })
  readonly delivered_at!: string | null;
}

export const NoticeConnection = connectionOf(Notice, 'Notice', 'notices');

@InputType({ description: 'Which notices: those that meet every condition given.' })
export class NoticeFilter {
  @Field(() => String, { nullable: true, description: 'Only those to this client.' })
  readonly clientId?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those of this kind.' })
  readonly kind?: string | null;

  @Field(() => NoticeStatus, { nullable: true, description: 'Only those of this status.' })
  readonly status?: NoticeStatus | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those tried from then on.' })
  readonly since?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those tried up to then.' })
  readonly until?: string | null;
}

@ArgsType()
class NoticesArgs extends PageArgs {
  @Field(() => NoticeFilter, { nullable: true, description: 'Which notices; all when absent.' })
  readonly filter?: NoticeFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

/** Notices, those tried last first. */
export const noticeListing = {
  projection: notices,
  where: [] as Condition[],
  orderBy: 'tried_at',
  descending: true,
};

@Resolver(() => Notice)
export class NoticeResolver {
  @Requires('sessions', 'read')
  @Query(() => NoticeConnection, {
    complexity: pageComplexity,
    description: 'What clients were told, or could not be told, page by page, the latest first.',
  })
  async notices(
    @Args(() => NoticesArgs) { filter, minPosition, asOf, ...page }: NoticesArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<NoticeRow>>> {
    const moment = await reach(context, minPosition, asOf);
    return list(context, { ...noticeListing, where: conditions(filter ?? {}) }, page, moment);
  }

  @FieldResolver(() => NoticeStatus, { description: 'What has become of it.' })
  status(@Root() row: NoticeRow): NoticeStatus {
    return noticeStatus(row);
  }

  @Requires('clients', 'read')
  @FieldResolver(() => Client, { nullable: true, description: 'The client; null once removed.' })
  client(@Root() row: NoticeRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).clients.load(row.client_id);
  }

  @Requires('sessions', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'Its attempts, latest first.',
  })
  history(
    @Root() row: NoticeRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, noticeChronicle, row.notice_id, args, momentOf(row));
  }
}

function conditions({ clientId, kind, status, since, until }: NoticeFilter): Condition[] {
  const where = within('tried_at', since, until);
  if (clientId) where.push(equal('client_id', searchable(clientId, 'filter.clientId')));
  if (kind) where.push(equal('kind', searchable(kind, 'filter.kind')));
  if (status) where.push(noticesOf(status));
  return where;
}
