import DataLoader from 'dataloader';
import type pg from 'pg';
import {
  type Alternatives,
  type Belonging,
  countPages,
  type Listing,
  type Page,
  placeColumns,
  readPages,
} from '../projections/page.ts';
import type { GraphContext } from './context.ts';
import { type Connection, connection, list, listName, type PageArgs, windowOf } from './page.ts';
import type { Moment } from './time-travel/moment.ts';

/** A listing of which each entity has a part of its own. */
export interface NestedListing extends Listing {
  readonly belonging: Belonging;
}

/**
 * A page of what belongs to one entity. Whatever is asked for many entities alike, in the same turn, is
 * one query for all of them.
 * @param moment as it was then; as it is when null
 */
export async function nested<Row extends pg.QueryResultRow>(
  context: GraphContext,
  listing: NestedListing,
  key: string,
  args: PageArgs,
  moment: Moment | null,
): Promise<Connection<Row>> {
  if (moment) {
    const either: Alternatives = (param) => listing.belonging(param(key));
    return list(context, { ...listing, either }, args, moment);
  }
  const { pool, loaders, cursors } = context;
  const name = listName(listing);
  const window = windowOf(context, name, args);
  const asked = JSON.stringify([name, listing.belonging('k'), window]);

  const pages = shared(loaders.pages, `page ${asked}`, async (keys) => {
    const found = await readPages<Row>(pool, listing, listing.belonging, keys, window);
    return keys.map((each) => found.get(each) ?? { rows: [], more: false });
  });
  const counts = shared(loaders.pages, `count ${asked}`, async (keys) => {
    const found = await countPages(pool, listing, listing.belonging, keys);
    return keys.map((each) => found.get(each) ?? 0);
  });

  const { rows, more }: Page<Row> = await pages.load(key);
  const placeOf = (row: Row) => placeColumns(listing).map((column) => row[column]);
  return connection(
    rows,
    (row) => cursors.seal(name, placeOf(row)),
    window,
    more,
    () => counts.load(key),
  );
}

/** The loader of that name, made when it is asked for first. */
function shared<V>(
  all: Map<string, DataLoader<string, unknown>>,
  name: string,
  load: (keys: readonly string[]) => Promise<V[]>,
): DataLoader<string, V> {
  const known = all.get(name) as DataLoader<string, V> | undefined;
  if (known) return known;
  const made = new DataLoader<string, V>(load, { maxBatchSize: 500 });
  all.set(name, made as DataLoader<string, unknown>);
  return made;
}
