import { deciders } from '../domain/index.ts';
import type { RecordedEvent } from '../eventstore/event-store.ts';
import { upcast } from '../eventstore/upcast.ts';
import type { Revised } from './page.ts';
import { type AnyProjection, project } from './projection.ts';

/**
 * The rows of a read model, in the order of its key, as they are after some events, which must be whole beginnings of their
 * streams: what the read model held when the log was no longer than that.
 */
export function rowsAfter<Row extends object>(
  projection: AnyProjection,
  events: Iterable<RecordedEvent>,
): Revised<Row>[] {
  const changes = project([projection], [...events].map(upcast)).get(projection.table) ?? new Map();
  const place = (row: Record<string, unknown>) => projection.key.map((column) => row[column]);
  // Whatever is not there from its beginning, or came to an end, is no row.
  return [...changes.values()]
    .filter(({ op }) => op === 'put')
    .map(({ row }) => row)
    .sort((a, b) => (String(place(a)) < String(place(b)) ? -1 : 1));
}

/** The categories of the streams that write to a read model. */
export function categoriesOf(projection: Pick<AnyProjection, 'on'>): string[] {
  return Object.values(deciders)
    .filter(({ evolve }) => Object.keys(evolve).some((fact) => Object.hasOwn(projection.on, fact)))
    .map(({ category }) => category);
}
