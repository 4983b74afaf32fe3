import { GraphQLError } from 'graphql';
import type { Position } from '../eventstore/event-store.ts';
import type { GraphContext } from './context.ts';

/** Options of the argument `minPosition`, which every query takes. */
export const minPosition = {
  nullable: true,
  description:
    'Answer only once everything up to this position is visible: the `position` of a mutation, to read one’s own write.',
};

/**
 * Waits until the read models show a position, if one is given.
 * @throws GraphQLError POSITION_NOT_REACHED when that takes too long
 */
export async function reach(
  { waitFor, log, requestId }: GraphContext,
  position: Position | null | undefined,
): Promise<void> {
  if (!position) return;
  try {
    await waitFor(position);
  } catch (error) {
    log.warn({ requestId, position, reason: (error as Error).message }, 'position not reached');
    throw new GraphQLError('the position is not visible yet; try again', {
      extensions: { code: 'POSITION_NOT_REACHED' },
    });
  }
}
