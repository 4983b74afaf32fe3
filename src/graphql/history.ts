import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { type Decider, fold, same, streamOf } from '../domain/decider.ts';
import type { Envelope, RecordedEvent } from '../eventstore/event-store.ts';
import { upcast } from '../eventstore/upcast.ts';
import type { GraphContext } from './context.ts';
import { badInput } from './errors.ts';
import { type Connection, connection, connectionOf, type PageArgs, windowOf } from './page.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from './scalars.ts';

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

  @Field(() => [Change], { description: 'The fields that are different since.' })
  readonly changes!: Change[];
}

export const HistoryConnection = connectionOf(HistoryEntry, 'History', 'events of an entity');

/** How the history of an entity is told. */
export interface Chronicle<S, W, F> {
  readonly decider: Decider<S, W, F>;
  /** Fields of the facts that are kept sealed: that they changed is told, what they hold is not. */
  readonly sealed: readonly string[];
  /** The entity as its fields, given its state and the sealed fields it has; empty before it exists. */
  readonly fields: (state: S, sealed: Fields) => Fields;
}

type Fields = Readonly<Record<string, unknown>>;

const SEALED = '[sealed]';

/** What happened to one entity, latest first. */
export async function historyOf<S, W, F>(
  context: GraphContext,
  chronicle: Chronicle<S, W, F>,
  id: string,
  args: PageArgs,
): Promise<Connection<HistoryEntry>> {
  const stream = streamOf(chronicle.decider, id);
  const window = windowOf(context, stream, args);
  const entries = tell(chronicle, await context.loaders.events.load(stream)).reverse();

  const place = window.from?.[0];
  const at = entries.findIndex(({ version }) => version === place);
  if (window.from && at < 0) throw badInput('the cursor is not one of this list', 'after');
  const rest = !window.from
    ? entries
    : window.backwards
      ? entries.slice(0, at)
      : entries.slice(at + 1);
  const page = window.backwards ? rest.slice(-window.count) : rest.slice(0, window.count);
  return connection(
    page,
    ({ version }) => context.cursors.seal(stream, [version]),
    window,
    rest.length > page.length,
    () => entries.length,
  );
}

/** Folds the events, and notes at each which fields it changed. */
function tell<S, W, F>(
  { decider, sealed, fields }: Chronicle<S, W, F>,
  events: readonly RecordedEvent[],
): HistoryEntry[] {
  let state = decider.initial;
  let kept: Fields = {};
  let before: Fields = {};
  return events.map(upcast).map((event) => {
    state = fold(decider, [event], state);
    const data = event.data as Fields;
    kept = {
      ...kept,
      ...Object.fromEntries(sealed.filter((f) => f in data).map((f) => [f, data[f]])),
    };
    const after = fields(state, kept);
    const changes = changed(before, after, sealed);
    before = after;
    return entry(event, changes);
  });
}

function changed(before: Fields, after: Fields, sealed: readonly string[]): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const shown = (field: string, value: unknown) =>
    value !== undefined && sealed.includes(field) ? SEALED : (value ?? null);
  return names
    .filter((field) => !same(before[field], after[field]))
    .map((field) => ({
      field,
      before: shown(field, before[field]),
      after: shown(field, after[field]),
    }));
}

function entry(
  { id, type, revision, position, data, metadata }: RecordedEvent,
  changes: Change[],
): HistoryEntry {
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
    changes,
  };
}
