import {
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Envelope } from '../eventstore/event-store.ts';
import { openSource } from '../projections/audit-log.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { badInput } from './errors.ts';
import { type Connection, connection, connectionOf, type PageArgs, windowOf } from './page.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from './scalars.ts';
import type { Moment } from './time-travel/moment.ts';
import { loadersAt } from './time-travel/past.ts';
import { type Chronicle, tellChanges, teller } from './time-travel/telling.ts';

export const ActorType = {
  CLIENT: 'client',
  OPERATOR: 'operator',
  SYSTEM: 'system',
  USER: 'user',
} as const satisfies Record<string, Envelope['actor']['type']>;

registerEnumType(ActorType, {
  name: 'ActorType',
  description: 'Who can be the cause of an event.',
  valuesConfig: {
    CLIENT: { description: 'An OAuth client, on its own behalf.' },
    OPERATOR: { description: 'A person with the role administrator.' },
    SYSTEM: { description: 'The server itself.' },
    USER: { description: 'A person, for themselves.' },
  },
});

@ObjectType({ description: 'Who caused an event.' })
export class Actor {
  @Field(() => ActorType, { description: 'What kind of actor it is.' })
  readonly type!: Envelope['actor']['type'];

  @Field(() => String, { description: 'The client’s id, or the person’s `sub`.' })
  readonly id!: string;
}

/** What the fields of an event that need a scope of their own are made of. */
const ENVELOPE = Symbol('envelope');

@ObjectType({ description: 'One field, before an event and after it.' })
export class Change {
  @Field(() => String, { description: 'The field’s name.' })
  readonly field!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Its value before; null for none. What is secret or personal reads "[sealed]".',
  })
  readonly before!: unknown;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Its value after; null for none. What is secret or personal reads "[sealed]".',
  })
  readonly after!: unknown;
}

@ObjectType({ description: 'Where a request came from: personal data of whoever made it.' })
export class Source {
  @Field(() => String, { description: 'The network address.' })
  readonly address!: string;

  @Field(() => String, { description: 'What the User-Agent header said; empty for none.' })
  readonly userAgent!: string;
}

export const Outcome = { GRANTED: 'GRANTED', REFUSED: 'REFUSED' } as const;

registerEnumType(Outcome, {
  name: 'Outcome',
  description: 'What became of the attempt that an event tells of.',
  valuesConfig: {
    GRANTED: { description: 'It was done.' },
    REFUSED: { description: 'It was refused, and is recorded for what it proves.' },
  },
});

/** Facts that tell of an attempt that was refused. */
const REFUSALS = [
  'SignInFailed',
  'AuthorizationCodeReplayDetected',
  'RefreshTokenReuseDetected',
  'DeviceAuthorizationDenied',
];

/** What became of the attempt that an event of this type tells of. */
export function outcomeOf(type: string): keyof typeof Outcome {
  return REFUSALS.includes(type) ? 'REFUSED' : 'GRANTED';
}

@ObjectType({ description: 'An event in the life of an entity: who, when, what changed.' })
export class HistoryEntry {
  @Field(() => ID, { description: 'The event’s id in the log.' })
  readonly eventId!: string;

  @Field(() => String, { description: 'What happened, such as ClientRedirectUrisChanged.' })
  readonly type!: string;

  @Field(() => Int, { description: 'The version the entity had from then on.' })
  readonly version!: number;

  @Field(() => PositionScalar, { description: 'The event’s place in the log.' })
  readonly position!: string;

  @Field(() => DateTimeScalar, { description: 'When it was decided.' })
  readonly at!: string;

  @Field(() => Actor, { description: 'Who did it.' })
  readonly actor!: Envelope['actor'];

  @Field(() => String, { description: 'How the actor was authenticated, such as bearer.' })
  readonly authentication!: string;

  @Field(() => String, { description: 'The request that did it, as in the server’s log.' })
  readonly requestId!: string;

  @Field(() => String, { description: 'Shared by everything that one cause brought about.' })
  readonly correlationId!: string;

  @Field(() => String, { nullable: true, description: 'Why, where a reason was given.' })
  readonly reason!: string | null;

  @Field(() => Outcome, { description: 'What became of the attempt.' })
  readonly outcome!: keyof typeof Outcome;

  @Field(() => [Change], { description: 'The fields that are different since.' })
  readonly changes!: Change[];

  readonly [ENVELOPE]!: Envelope;
}

@Resolver(() => HistoryEntry)
export class HistoryEntryResolver {
  @Requires('personal', 'read')
  @FieldResolver(() => Source, {
    nullable: true,
    description:
      'Where it came from; null for what the server did of itself, and once the person is erased.',
  })
  source(@Root() entry: HistoryEntry, @Ctx() context: GraphContext): Promise<Source | null> {
    return openSource(context, entry[ENVELOPE]);
  }
}

export const HistoryConnection = connectionOf(HistoryEntry, 'History', 'events of an entity');

/** What happened to one entity, latest first. @param moment by then; by now when absent */
export async function historyOf<S, W, F>(
  context: GraphContext,
  chronicle: Chronicle<S, W, F>,
  id: string,
  args: PageArgs,
  moment: Moment | null = null,
): Promise<Connection<HistoryEntry>> {
  const told = teller(chronicle);
  const stream = told.streamOf(id);
  const window = windowOf(context, stream, args);
  const events = await loadersAt(context, moment).events.load(stream);
  const entries = tellChanges(told, events).map(historyEntry).reverse();

  const place = window.from?.[0];
  const at = entries.findIndex(({ version }) => version === place);
  if (window.from && at < 0) throw badInput('the cursor is not one of this list', 'after');
  const rest = !window.from
    ? entries
    : window.backwards
      ? entries.slice(0, at)
      : entries.slice(at + 1);
  const page = window.backwards ? rest.slice(-window.count) : rest.slice(0, window.count);
  return {
    ...connection(
      page,
      ({ version }) => context.cursors.seal(stream, [version]),
      window,
      rest.length > page.length,
      () => entries.length,
    ),
    asOf: moment,
  };
}

/** An event as it is told in histories. */
export function historyEntry({
  event: { id, type, revision, position, data, metadata },
  changes,
}: ReturnType<typeof tellChanges>[number]): HistoryEntry {
  return {
    eventId: id,
    type,
    version: revision + 1,
    position,
    at: metadata.at,
    actor: metadata.actor,
    authentication: metadata.authentication,
    requestId: metadata.requestId,
    correlationId: metadata.$correlationId,
    reason: 'reason' in data ? String(data.reason) || null : null,
    outcome: outcomeOf(type),
    changes,
    [ENVELOPE]: metadata,
  };
}
