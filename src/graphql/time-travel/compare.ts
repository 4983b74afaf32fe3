import { Field, Int, ObjectType } from 'type-graphql';
import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { Change, HistoryEntry, historyEntry } from '../history.ts';
import { JsonScalar } from '../scalars.ts';
import { Moment } from './moment.ts';
import { type Teller, tellChanges } from './telling.ts';

@ObjectType({ description: 'What is different about an entity between two moments.' })
export class EntityDiff {
  @Field(() => Moment, { description: 'The moment that is compared with.' })
  readonly from!: Moment;

  @Field(() => Moment, { description: 'The moment that is compared.' })
  readonly to!: Moment;

  @Field(() => Int, { description: 'How many events of the entity lie between the two.' })
  readonly events!: number;

  @Field(() => [Change], {
    description:
      'The fields that are different. A field that changed and was changed back is not one of them.',
  })
  readonly changes!: Change[];
}

@ObjectType({ description: 'A field, and the event since which it is what it is.' })
export class Blame {
  @Field(() => String, { description: 'The field’s name.' })
  readonly field!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Its value; null for none. What is secret or personal reads "[sealed]".',
  })
  readonly value!: unknown;

  @Field(() => HistoryEntry, { description: 'Who set it, when, and by which event.' })
  readonly event!: HistoryEntry;
}

/** Compares an entity at two moments; the second may be the earlier one. */
export function diff(
  teller: Teller,
  events: readonly RecordedEvent[],
  from: Moment,
  to: Moment,
): EntityDiff {
  const told = teller.tell(events);
  const by = ({ position }: Moment) => told.filter(({ event }) => event.position <= position);
  const [before, after] = [by(from), by(to)];
  return {
    from,
    to,
    events: Math.abs(after.length - before.length),
    changes: teller.changes(before.at(-1)?.fields ?? {}, after.at(-1)?.fields ?? {}),
  };
}

/** For each field that was ever set, the last event that changed it; in the order of these events. */
export function blame(teller: Teller, events: readonly RecordedEvent[]): Blame[] {
  const last = new Map<string, Blame>();
  for (const told of tellChanges(teller, events)) {
    for (const { field, after } of told.changes) {
      last.delete(field);
      last.set(field, { field, value: after, event: historyEntry(told) });
    }
  }
  return [...last.values()];
}
