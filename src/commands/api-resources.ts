import { z } from 'zod';
import type { ApiResourceWishes } from '../domain/api-resource.ts';
import { apiResource } from '../domain/api-resource.ts';
import type { Wish } from '../domain/decider.ts';
import { act } from '../eventstore/execute.ts';
import { schemaProblem } from '../platform/json-schema.ts';
import { digest } from '../platform/secrets.ts';
import { assertKept, type NamesAlgorithms, signingAlgorithm } from './algorithms.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import { list, name, optional, orNull, resourceIdentifier, scopeToken } from './fields.ts';

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
const MAX_SCHEMA_LENGTH = 10_000;

const schema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  const tooLong = JSON.stringify(schema).length > MAX_SCHEMA_LENGTH;
  const message = tooLong
    ? `must not be longer than ${MAX_SCHEMA_LENGTH} characters`
    : schemaProblem(schema);
  if (message) context.addIssue({ code: 'custom', message });
});

const authorizationDetailTypes = list(
  z.object({ type: scopeToken, displayName, schema: orNull(schema) }),
  20,
).refine(
  (types) => new Set(types.map(({ type }) => type)).size === types.length,
  'must not name a type twice',
);

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

/** A whole API resource; what is left out has its default. */
export const apiResourceInput = z.object({
  identifier: resourceIdentifier,
  displayName,
  tokenPolicy: optional(tokenPolicy, tokenPolicy.parse({})),
  isolated: optional(z.boolean(), false),
  authorizationDetailTypes: optional(authorizationDetailTypes, []),
});

export const defineApiResource = wish(apiResourceInput, (data) => ({
  type: 'DefineApiResource',
  data: { ...data, encryption: null },
}));

export const renameApiResource = wish(z.object({ ...target, displayName }), ({ displayName }) => ({
  type: 'RenameApiResource',
  data: { displayName },
}));

export const changeApiResourceTokenPolicy = wish(
  z.object({ ...target, tokenPolicy }),
  ({ tokenPolicy }) => ({ type: 'ChangeApiResourceTokenPolicy', data: { tokenPolicy } }),
);

export const changeApiResourceAuthorizationDetailTypes = wish(
  z.object({ ...target, authorizationDetailTypes }),
  ({ authorizationDetailTypes }) => ({
    type: 'ChangeApiResourceAuthorizationDetailTypes',
    data: { authorizationDetailTypes },
  }),
);

export const changeApiResourceIsolation = wish(
  z.object({ ...target, isolated: z.boolean() }),
  ({ isolated }) => ({ type: 'ChangeApiResourceIsolation', data: { isolated } }),
);

export const removeApiResource = wish(z.object(target), () => ({
  type: 'RemoveApiResource',
  data: {},
}));
