import type pg from 'pg';
import { ArgsType, type ClassType, Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import { DomainError } from '../domain/errors.ts';
import type { Place } from '../projections/cursor.ts';
import {
  countRows,
  type Listing,
  placeColumns,
  readPage,
  type Window,
} from '../projections/page.ts';
import type { GraphContext } from './context.ts';
import { badInput } from './errors.ts';
import { Moment, showing } from './time-travel/moment.ts';
import { listingAt } from './time-travel/past.ts';

const DEFAULT_COUNT = 20;
const MAX_COUNT = 100;

@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    description:
      'So many from the start, or after `after`. 1 to 100; 20 when neither first nor last is given.',
  })
  readonly first?: number | null;

  @Field(() => String, { nullable: true, description: 'A cursor: what comes after it.' })
  readonly after?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'So many from the end, or before `before`. 1 to 100.',
  })
  readonly last?: number | null;

  @Field(() => String, { nullable: true, description: 'A cursor: what comes before it.' })
  readonly before?: string | null;
}

@ObjectType({ description: 'Where a page lies in its list.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether there is more after this page.' })
  readonly hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether there is more before this page.' })
  readonly hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first entry.' })
  readonly startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'Cursor of the last entry.' })
  readonly endCursor!: string | null;
}

export const OrderDirection = { ASC: 'ASC', DESC: 'DESC' } as const;
export type OrderDirection = keyof typeof OrderDirection;

registerEnumType(OrderDirection, {
  name: 'OrderDirection',
  description: 'Which end of an order comes first.',
  valuesConfig: {
    ASC: { description: 'From the earliest, or from A.' },
    DESC: { description: 'From the latest, or from Z.' },
  },
});

export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfo;
  /** Counted only when it is asked for. */
  readonly totalCount: () => number | Promise<number>;
  /** The moment that the list shows; absent or null: the present. */
  readonly asOf?: Moment | null;
}

/** The connection type (Relay) of a node type. @param plural what its entries are called in descriptions */
export function connectionOf<Node extends object>(
  node: ClassType<Node>,
  name: string,
  plural: string,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`, { description: `One of the ${plural} of a page, and its place.` })
  class EdgeType {
    @Field(() => String, { description: 'Its place, for `after` and `before`.' })
    readonly cursor!: string;

    @Field(() => node, { description: 'The entry itself.' })
    readonly node!: Node;
  }

  @ObjectType(`${name}Connection`, { description: `A page of ${plural}.` })
  class ConnectionType {
    @Field(() => [EdgeType], { description: 'The entries with their cursors.' })
    readonly edges!: EdgeType[];

    @Field(() => [node], { description: 'The entries alone.' })
    readonly nodes!: Node[];

    @Field(() => PageInfo, { description: 'Where the page lies in the list.' })
    readonly pageInfo!: PageInfo;

    @Field(() => Int, {
      nullable: true,
      simple: true,
      description: 'How many there are on all pages together. Counted only when asked for.',
    })
    readonly totalCount!: () => number | Promise<number>;

    @Field(() => Moment, {
      nullable: true,
      description: 'The moment that the page shows; null for the present.',
    })
    readonly asOf?: Moment | null;
  }

  return ConnectionType;
}

/** What a connection field costs: each of its entries what one entry costs. */
export function pageComplexity({
  args,
  childComplexity,
}: {
  args: PageArgs;
  childComplexity: number;
}): number {
  const count = args.first ?? args.last ?? DEFAULT_COUNT;
  return 1 + Math.max(1, Math.min(count, MAX_COUNT)) * childComplexity;
}

/**
 * Which part of a list the arguments ask for.
 * @throws GraphQLError BAD_USER_INPUT for a count out of bounds, a mixture of directions, or a cursor
 *   that is not one of this list
 */
export function windowOf({ cursors }: GraphContext, list: string, args: PageArgs): Window {
  const { first, after, last, before } = args;
  const given = (value: unknown) => value !== undefined && value !== null;
  const backwards = given(last) || (given(before) && !given(first));
  if (given(first) && given(last)) throw badInput('give first or last, not both', 'last');
  if (backwards && given(after)) throw badInput('after goes with first, not with last', 'after');
  if (!backwards && given(before))
    throw badInput('before goes with last, not with first', 'before');

  const count = (backwards ? last : first) ?? DEFAULT_COUNT;
  const field = backwards ? 'last' : 'first';
  if (count < 1 || count > MAX_COUNT) throw badInput(`must be 1 to ${MAX_COUNT}`, field);

  const cursor = backwards ? before : after;
  if (!given(cursor)) return { count, backwards, from: null };
  try {
    return { count, backwards, from: cursors.open(list, cursor as string) };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw badInput(error.message, backwards ? 'before' : 'after');
  }
}

/** Puts a page into the shape of a connection. */
export function connection<Node>(
  nodes: readonly Node[],
  cursorOf: (node: Node) => string,
  { backwards, from }: Window,
  more: boolean,
  totalCount: () => number | Promise<number>,
): Connection<Node> {
  const edges = nodes.map((node) => ({ cursor: cursorOf(node), node }));
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: backwards ? from !== null : more,
      hasPreviousPage: backwards ? more : from !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount,
  };
}

/** Of a read model in an order: by which cursors know their list. */
export function listName(listing: Pick<Listing, 'projection' | 'orderBy' | 'descending'>): string {
  const columns = placeColumns(listing);
  return `${listing.projection.table} ${columns.join(' ')} ${listing.descending}`;
}

/** Reads a page of a read model. @param moment as it was then; as it is when absent */
export async function list<Row extends pg.QueryResultRow>(
  context: GraphContext,
  present: Listing,
  args: PageArgs,
  moment: Moment | null = null,
): Promise<Connection<Row>> {
  const columns = placeColumns(present);
  const name = listName(present) + (moment ? ` ${moment.position}` : '');
  const window = windowOf(context, name, args);
  const listing = moment ? await listingAt(context, present, moment) : present;
  const { rows, more } = await readPage<Row>(context.pool, listing, window);
  const placeOf = (row: Row): Place => columns.map((column) => row[column]);
  return {
    ...connection(
      showing(rows, moment),
      (row) => context.cursors.seal(name, placeOf(row)),
      window,
      more,
      () => countRows(context.pool, listing),
    ),
    asOf: moment,
  };
}
