import type { Projectable } from '../../src/projections/projection.ts';

/** An event as far as projections look at it. `seconds`: when it was, counted from the tests' own midnight. */
export function eventOf(
  stream: string,
  revision: number,
  type: string,
  data: object,
  seconds = revision,
): Projectable {
  return {
    stream,
    revision,
    type,
    data,
    metadata: {
      at: new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString(),
      schema: 1,
    },
  };
}
