import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { Envelope, RecordedEvent } from '../../eventstore/event-store.ts';
import { upcast } from '../../eventstore/upcast.ts';
import { type AuditRow, openSource } from '../../projections/audit-log.ts';
import { auditEvents } from '../../projections/audit-search.ts';
import { Requires } from '../authorize.ts';
import { envelopeOf, type GraphContext } from '../context.ts';
import { Actor, Outcome, outcomeOf, Source } from '../history.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from '../page.ts';
import { minPosition } from '../position.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from '../scalars.ts';
import { audited } from '../time-travel/moment.ts';
import { disclosed, personal } from './disclosure.ts';
import { AuditFilter, auditConditions, recordable } from './filter.ts';

@ObjectType({ description: 'An event: who, what, when, on which entity.' })
export class AuditEvent {
  @Field(() => PositionScalar, { description: 'Its place in the log.' })
  readonly position!: string;

  @Field(() => DateTimeScalar, { description: 'When it was decided.' })
  readonly at!: string;

  @Field(() => String, { description: 'What happened, such as ClientSecretAdded.' })
  readonly type!: string;

  @Field(() => String, { description: 'What kind of entity it is about: client, grant, session …' })
  readonly category!: string;

  @Field(() => String, { name: 'entity', description: 'The entity’s id within its category.' })
  readonly entity_id!: string;

  @Field(() => String, {
    name: 'clientId',
    nullable: true,
    description: 'The client it is about; null for none.',
  })
  readonly client_id!: string | null;

  @Field(() => String, {
    name: 'subject',
    nullable: true,
    description: 'The `sub` of the person it is about; null for none.',
  })
  readonly sub!: string | null;

  @Field(() => String, {
    name: 'requestId',
    description: 'The request that did it, as in the server’s log.',
  })
  readonly request_id!: string;

  @Field(() => String, {
    name: 'correlationId',
    description: 'Shared by everything that one cause brought about.',
  })
  readonly correlation_id!: string;
}

const AuditEventConnection = connectionOf(AuditEvent, 'AuditEvent', 'events');

@ArgsType()
class AuditEventsArgs extends PageArgs {
  @Field(() => AuditFilter, { nullable: true, description: 'Which events; all when absent.' })
  readonly filter?: AuditFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;
}

@Resolver(() => AuditEvent)
export class AuditEventResolver {
  @Requires('audit', 'read')
  @Query(() => AuditEventConnection, {
    complexity: pageComplexity,
    description: 'Everything that happened, latest first. That it was looked at is recorded too.',
  })
  async events(
    @Args(() => AuditEventsArgs) { filter, minPosition, ...page }: AuditEventsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<AuditRow>> {
    if (minPosition) await audited(context, minPosition);
    const where = auditConditions(context, filter ?? {});
    const found = await list<AuditRow>(context, { ...auditEvents, where, descending: true }, page);
    await context.auditReadings.record(envelopeOf(context), {
      surface: 'events',
      filter: { ...recordable(context, filter ?? {}) },
      events: found.nodes.length,
    });
    return found;
  }

  @FieldResolver(() => ID, { description: 'The event’s id in the log.' })
  async eventId(@Root() row: AuditRow, @Ctx() context: GraphContext): Promise<string> {
    return (await eventOf(context, row)).id;
  }

  @FieldResolver(() => Int, { description: 'The version the entity had from then on.' })
  version(@Root() { revision }: AuditRow): number {
    return revision + 1;
  }

  @FieldResolver(() => Actor, { description: 'Who did it.' })
  actor(@Root() { actor_type, actor_id }: AuditRow): Actor {
    return { type: actor_type as Envelope['actor']['type'], id: actor_id };
  }

  @FieldResolver(() => String, { description: 'How the actor was authenticated.' })
  async authentication(@Root() row: AuditRow, @Ctx() context: GraphContext): Promise<string> {
    return (await eventOf(context, row)).metadata.authentication;
  }

  @FieldResolver(() => Outcome, { description: 'What became of the attempt.' })
  outcome(@Root() { type }: AuditRow): keyof typeof Outcome {
    return outcomeOf(type);
  }

  @FieldResolver(() => JsonScalar, {
    description: 'What it says. What is secret or personal reads "[sealed]".',
  })
  async data(@Root() row: AuditRow, @Ctx() context: GraphContext): Promise<object> {
    return disclosed(await eventOf(context, row));
  }

  @Requires('personal', 'read')
  @FieldResolver(() => Source, {
    nullable: true,
    description:
      'Where it came from; null for what the server did of itself, and once the person is erased.',
  })
  async source(@Root() row: AuditRow, @Ctx() context: GraphContext): Promise<Source | null> {
    return openSource(context, (await eventOf(context, row)).metadata);
  }

  @Requires('personal', 'read')
  @FieldResolver(() => JsonScalar, {
    nullable: true,
    description: 'The claims it tells of a person; null for none, and once the person is erased.',
  })
  async claims(@Root() row: AuditRow, @Ctx() context: GraphContext): Promise<unknown> {
    return (await personal(context, await eventOf(context, row))).claims;
  }
}

/** The event itself: the index says where it is. */
export async function eventOf(
  { loaders }: Pick<GraphContext, 'loaders'>,
  { category, entity_id, revision }: Pick<AuditRow, 'category' | 'entity_id' | 'revision'>,
): Promise<RecordedEvent> {
  const event = await loaders.event.load({ stream: `${category}-${entity_id}`, revision });
  return upcast(event);
}
