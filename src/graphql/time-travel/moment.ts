import { GraphQLError } from 'graphql';
import { Field, InputType, ObjectType } from 'type-graphql';
import type { Instant } from '../../domain/ids.ts';
import { type Position, toPosition } from '../../eventstore/event-store.ts';
import * as search from '../../projections/audit-search.ts';
import type { GraphContext } from '../context.ts';
import { badInput } from '../errors.ts';
import { DateTimeScalar, PositionScalar } from '../scalars.ts';

@InputType({ description: 'A moment: a position in the log or a time, one of the two.' })
export class AsOf {
  @Field(() => PositionScalar, {
    nullable: true,
    description: 'After everything up to this position, as an event or a mutation tells it.',
  })
  readonly position?: Position | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'After everything decided by this time, which must have come. Order is the log’s: `asOf` of the answer tells the position that was taken.',
  })
  readonly time?: Instant | null;
}

@ObjectType({ description: 'A moment in the life of the log.' })
export class Moment implements search.Moment {
  @Field(() => PositionScalar, { description: 'The last event that had happened.' })
  readonly position!: Position;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'The time that was asked for, or else when that event was decided; null before the first.',
  })
  readonly time!: Instant | null;
}

/** Options of the argument `asOf`, which every query of an entity takes. */
export const asOf = {
  nullable: true,
  description: 'Answer as it was at this moment, with all that hangs on it; as it is when absent.',
};

/**
 * The moment that is asked for.
 * @throws GraphQLError BAD_USER_INPUT for one in the future; POSITION_NOT_REACHED when the audit index
 *   is behind for longer than a query waits
 */
export function resolveMoment(
  context: GraphContext,
  { position, time }: AsOf,
  field = 'asOf',
): Promise<Moment> {
  const { pool, audit } = context;
  return once(context, `${position} ${time}`, async () => {
    if (position) {
      const wanted = toPosition(position);
      await audited(context, wanted);
      return search.momentAt(pool, wanted);
    }
    const instant = instantOf(time as string, `${field}.time`);
    if (instant > new Date().toISOString()) throw badInput('lies in the future', `${field}.time`);
    await audited(context, await audit.head());
    return { ...(await search.momentBy(pool, instant)), time: instant };
  });
}

/** Where the log stands now. */
export function presentMoment(context: GraphContext): Promise<Moment> {
  return once(context, 'now', async () => ({
    position: await context.audit.head(),
    time: new Date().toISOString(),
  }));
}

/** All of a list that ask for the same moment get the same, with one query. */
function once(
  { moments }: GraphContext,
  key: string,
  find: () => Promise<Moment>,
): Promise<Moment> {
  const known = moments.get(key) ?? find();
  moments.set(key, known);
  return known;
}

/** Waits until the audit index holds a position. @throws GraphQLError POSITION_NOT_REACHED */
export async function audited({ audit }: GraphContext, position: Position): Promise<void> {
  if (await audit.reached(position)) return;
  throw new GraphQLError('the audit index does not hold that position yet; try again', {
    extensions: { code: 'POSITION_NOT_REACHED' },
  });
}

/** A time in UTC, with milliseconds. @throws GraphQLError BAD_USER_INPUT for a date there is not */
export function instantOf(time: string, field: string): Instant {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) throw badInput('is no date', field);
  return date.toISOString();
}

const MOMENT = Symbol('the moment that a row shows');

/** Marks rows as showing a moment, so that what hangs on them shows the same. */
export function showing<Row extends object>(rows: readonly Row[], moment: Moment | null): Row[] {
  return rows.map((row) => (moment ? { ...row, [MOMENT]: moment } : row));
}

/** The moment that a row shows; null for the present. */
export function momentOf(row: object): Moment | null {
  return (row as { [MOMENT]?: Moment })[MOMENT] ?? null;
}
