import { type Decider, fold, same, streamOf } from '../../domain/decider.ts';
import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { upcast } from '../../eventstore/upcast.ts';

/** How the history of an entity is told. */
export interface Chronicle<S, W, F> {
  readonly decider: Decider<S, W, F>;
  /** Fields of the facts that are kept sealed: that they changed is told, what they hold is not. */
  readonly sealed: readonly string[];
  /** Fields of the facts that no decision needs, and the state has not, as they are. */
  readonly kept?: readonly string[];
  /** The entity as its fields, given its state, and what it has of those above; empty before it exists. */
  readonly fields: (state: S, kept: Fields) => Fields;
}

export type Fields = Readonly<Record<string, unknown>>;

/** In place of what is secret or personal. */
export const SEALED = '[sealed]';

/** One field that is different. */
export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** An event of an entity, and the entity's fields from then on. */
export interface Told {
  readonly event: RecordedEvent;
  readonly fields: Fields;
}

/** A chronicle seen from outside, when its types no longer matter. */
export interface Teller {
  streamOf(id: string): string;
  /** The life of the entity, event by event. */
  tell(events: readonly RecordedEvent[]): Told[];
  /** Which fields are different; what is sealed is not shown. */
  changes(before: Fields, after: Fields): FieldChange[];
}

export function teller<S, W, F>(chronicle: Chronicle<S, W, F>): Teller {
  const { decider, sealed, kept = [], fields } = chronicle;
  const told = [...sealed, ...kept];
  const shown = (field: string, value: unknown) =>
    value !== undefined && sealed.includes(field) ? SEALED : (value ?? null);

  return {
    streamOf: (id) => streamOf(decider, id),

    tell(events) {
      let state = decider.initial;
      let known: Fields = {};
      return events.map(upcast).map((event) => {
        state = fold(decider, [event], state);
        const data = event.data as Fields;
        const given = told.filter((field) => field in data);
        known = { ...known, ...Object.fromEntries(given.map((field) => [field, data[field]])) };
        return { event, fields: fields(state, known) };
      });
    },

    changes: (before, after) =>
      [...new Set([...Object.keys(before), ...Object.keys(after)])]
        .filter((field) => !same(before[field], after[field]))
        .map((field) => ({
          field,
          before: shown(field, before[field]),
          after: shown(field, after[field]),
        })),
  };
}

/** The life of an entity with what each event changed. */
export function tellChanges(
  teller: Teller,
  events: readonly RecordedEvent[],
): { event: RecordedEvent; changes: FieldChange[] }[] {
  const told = teller.tell(events);
  return told.map(({ event, fields }, nth) => ({
    event,
    changes: teller.changes(told[nth - 1]?.fields ?? {}, fields),
  }));
}
