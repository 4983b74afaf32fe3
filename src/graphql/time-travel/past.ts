import { GraphQLError } from 'graphql';
import { entitiesBy } from '../../projections/audit-search.ts';
import { protocolReadModels } from '../../projections/index.ts';
import type { Listing } from '../../projections/page.ts';
import { categoriesOf, rowsAfter } from '../../projections/past.ts';
import type { AnyProjection } from '../../projections/projection.ts';
import type { GraphContext } from '../context.ts';
import { type Loaders, loadersFor } from '../loaders.ts';
import { type Moment, momentOf } from './moment.ts';

/** As many lives are told again for a list of the past, and no more. */
export const MAX_REPLAYED = 2_000;

/** What is loaded of a moment; null for the present. */
export function loadersAt(context: GraphContext, moment: Moment | null): Loaders {
  if (!moment) return context.loaders;
  const known = context.past.get(moment.position) ?? loadersFor(context, moment);
  context.past.set(moment.position, known);
  return known;
}

/** What hangs on a row shows the moment that the row shows. */
export function loadersOf(context: GraphContext, row: object): Loaders {
  return loadersAt(context, momentOf(row));
}

/**
 * A list as it was at a moment: every entity of the kind that had begun by then is told again up to
 * it, and the conditions and the order are applied to what comes of it.
 * @throws GraphQLError TOO_MANY_TO_REPLAY beyond {@link MAX_REPLAYED} entities
 */
export async function listingAt(
  context: GraphContext,
  listing: Listing,
  moment: Moment,
): Promise<Listing> {
  const readModels: readonly AnyProjection[] = protocolReadModels;
  const projection = readModels.find(({ table }) => table === listing.projection.table);
  if (!projection) throw new TypeError(`${listing.projection.table} is no read model`);
  const begun = await entitiesBy(
    context.pool,
    categoriesOf(projection),
    moment.position,
    MAX_REPLAYED + 1,
  );
  if (begun.length > MAX_REPLAYED) {
    const message = `more than ${MAX_REPLAYED} of them had begun by then; ask for single ones, or for events`;
    throw new GraphQLError(message, { extensions: { code: 'TOO_MANY_TO_REPLAY' } });
  }
  const { events } = loadersAt(context, moment);
  const lives = await Promise.all(
    begun.map(({ category, entity_id }) => events.load(`${category}-${entity_id}`)),
  );
  return { ...listing, rows: rowsAfter(projection, lives.flat()) };
}
