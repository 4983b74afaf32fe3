import { z } from 'zod';
import type { ApiResourceWishes } from '../domain/api-resource.ts';
import { apiResource } from '../domain/api-resource.ts';
import type { Wish } from '../domain/decider.ts';
import { act } from '../eventstore/execute.ts';
import { digest } from '../platform/secrets.ts';
import { assertKept, type NamesAlgorithms, signingAlgorithm } from './algorithms.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import { name, optional, orNull, resourceIdentifier } from './fields.ts';

const target = { identifier: resourceIdentifier, expectedVersion };
const displayName = name();

const tokenPolicy = z.object({
  accessTokenFormat: orNull(z.enum(['reference', 'jwt'])),
  accessTokenSigningAlg: orNull(signingAlgorithm),
  accessTokenLifetime: orNull(
    z.int().min(10, 'must be at least 10 s').max(86_400, 'must be at most 86400 s'),
  ),
});

interface Target {
  readonly identifier: string;
  readonly expectedVersion?: number;
}

/** A command that puts one wish to an API resource. */
function wish<Output extends Target & NamesAlgorithms, Input>(
  schema: z.ZodType<Output, Input>,
  make: (input: Output) => Wish<ApiResourceWishes>,
): Command<Input, { identifier: string }> {
  return async (context, raw, envelope) => {
    const input = parse(schema, raw);
    assertKept(context, input);
    const acts = [act(apiResource, digest(input.identifier), [make(input)], input)];
    return carryOut(context, acts, envelope, { identifier: input.identifier });
  };
}

export const defineApiResource = wish(
  z.object({
    identifier: resourceIdentifier,
    displayName,
    tokenPolicy: optional(tokenPolicy, tokenPolicy.parse({})),
  }),
  ({ identifier, displayName, tokenPolicy }) => ({
    type: 'DefineApiResource',
    data: { identifier, displayName, tokenPolicy },
  }),
);

export const renameApiResource = wish(z.object({ ...target, displayName }), ({ displayName }) => ({
  type: 'RenameApiResource',
  data: { displayName },
}));

export const changeApiResourceTokenPolicy = wish(
  z.object({ ...target, tokenPolicy }),
  ({ tokenPolicy }) => ({ type: 'ChangeApiResourceTokenPolicy', data: { tokenPolicy } }),
);

export const removeApiResource = wish(z.object(target), () => ({
  type: 'RemoveApiResource',
  data: {},
}));
