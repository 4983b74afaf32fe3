import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Wish } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import {
  PROJECTIONS,
  type ProjectionName,
  type ProjectionWishes,
  projection,
} from '../domain/projection.ts';
import { act } from '../eventstore/execute.ts';
import { type Command, carryOut, parse } from './command.ts';
import { optional, reason } from './fields.ts';

const of = { name: z.enum(PROJECTIONS, `must be one of ${PROJECTIONS.join(', ')}`) };

interface Operated {
  readonly name: ProjectionName;
  readonly operationId: string;
}

interface Steered {
  readonly name: ProjectionName;
}

/** A command that starts an operation, with an id of its own. */
function operation<Output extends { readonly name: ProjectionName }, Input>(
  schema: z.ZodType<Output, Input>,
  wish: (operationId: string, input: Output) => Wish<ProjectionWishes>,
): Command<Input, Operated> {
  return async (context, raw, envelope) => {
    const input = parse(schema, raw);
    const operationId = randomUUID();
    const { name } = input;
    const acts = [act(projection, name, [wish(operationId, input)])];
    return carryOut(context, acts, envelope, { name, operationId });
  };
}

const flag = optional(z.boolean(), false);

/** Starts to build a projection anew from the log. @throws DomainError `conflict` while something is under way */
export const rebuildProjection = operation(
  z
    .object({ ...of, dryRun: flag, held: flag })
    .refine(({ name, held }) => !held || name === 'protocol', {
      path: ['held'],
      message: 'the audit index has one copy only',
    }),
  (operationId, { dryRun, held }) => ({
    type: 'RebuildProjection',
    data: { operationId, dryRun, held },
  }),
);

/** Starts to compare a projection with the log. @throws DomainError `conflict` while something is under way */
export const verifyProjection = operation(
  z.object({ ...of, repair: flag }),
  (operationId, { repair }) => ({ type: 'VerifyProjection', data: { operationId, repair } }),
);

/**
 * Starts to put another copy into the place of the one in use.
 * @param available whether there is such a copy
 * @throws DomainError `not_found` where there is none, `conflict` while something is under way
 */
export const exchangeProjection = (
  type: 'SwitchProjection' | 'RollProjectionBack',
  available: (name: ProjectionName) => boolean,
) =>
  operation(z.object(of), (operationId, { name }) => {
    if (available(name)) return { type, data: { operationId } };
    const none = {
      SwitchProjection: 'no other copy of it has been built',
      RollProjectionBack: 'no copy of before is kept',
    }[type];
    throw new DomainError('not_found', none, { field: 'name' });
  });

/**
 * Lets a projection stand still, or go on.
 * @param pausable those that can stand still
 * @throws DomainError `invalid` for one that cannot
 */
export const steerProjection =
  (
    type: 'PauseProjection' | 'ResumeProjection',
    pausable: readonly ProjectionName[],
  ): Command<z.input<typeof steering>, Steered> =>
  async (context, raw, envelope) => {
    const { name, reason } = parse(steering, raw);
    if (!pausable.includes(name)) {
      throw new DomainError('invalid', 'its rows are written with the events', { field: 'name' });
    }
    return carryOut(context, [act(projection, name, [{ type, data: { reason } }])], envelope, {
      name,
    });
  };

const steering = z.object({ ...of, reason });
