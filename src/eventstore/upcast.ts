import type { RecordedEvent } from './event-store.ts';

/** Version of the shapes of facts that this code writes. */
export const SCHEMA_VERSION = 1;

type Upcaster = (event: RecordedEvent) => RecordedEvent;

/** From version n to n + 1, by the name of the fact in version n. None so far. */
const upcasters: Readonly<Record<number, Readonly<Record<string, Upcaster>>>> = {};

/**
 * Brings an event of an older schema version up to date. Everything that folds or projects sees
 * events through here, so deciders and projections know one shape only.
 * @throws TypeError for an event written by a newer version of the software
 */
export function upcast(event: RecordedEvent): RecordedEvent {
  let current = event;
  for (let version = event.metadata.schema; version < SCHEMA_VERSION; version++) {
    const step = upcasters[version]?.[current.type];
    if (step) current = step(current);
  }
  if (event.metadata.schema > SCHEMA_VERSION) {
    throw new TypeError(
      `${event.type} at ${event.position} was written in schema version ${event.metadata.schema}`,
    );
  }
  return current;
}
