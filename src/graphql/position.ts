import { GraphQLError } from 'graphql';
import type { Position } from '../eventstore/event-store.ts';
import type { GraphContext } from './context.ts';
import { type AsOf, type Moment, resolveMoment } from './time-travel/moment.ts';

/** Options of the argument `minPosition`, which every query takes. */
export const minPosition = {
  nullable: true,
  description:
    'Answer only once everything up to this position is visible: the `position` of a mutation, to read one’s own write.',
};

/**
 * Waits until the read models show a position, if one is given.
 * @returns the moment to be shown: null for the present
 * @throws GraphQLError POSITION_NOT_REACHED when that takes too long
 */
export async function reach(
  context: GraphContext,
  position: Position | null | undefined,
  asOf?: AsOf | null,
): Promise<Moment | null> {
  if (position) await shown(context, position);
  return asOf ? resolveMoment(context, asOf) : null;
}

async function shown({ waitFor, log, requestId }: GraphContext, position: Position): Promise<void> {
  try {
    await waitFor(position);
  } catch (error) {
    log.warn({ requestId, position, reason: (error as Error).message }, 'position not reached');
    throw new GraphQLError('the position is not visible yet; try again', {
      extensions: { code: 'POSITION_NOT_REACHED' },
    });
  }
}
