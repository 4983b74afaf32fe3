import { z } from 'zod';
import type { Wish } from '../domain/decider.ts';
import { CLAIM_DESTINATIONS, type ScopeWishes, scope } from '../domain/scope.ts';
import { act } from '../eventstore/execute.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import {
  list,
  locale,
  name,
  optional,
  orNull,
  prose,
  resourceIdentifier,
  scopeToken,
} from './fields.ts';

const text = { displayName: name(), description: optional(prose(), '') };
const claims = list(name(100));
const claimDestinations = z.record(
  name(100),
  list(z.enum(CLAIM_DESTINATIONS, `must be one of ${CLAIM_DESTINATIONS.join(', ')}`)),
);
const resources = list(resourceIdentifier);
const target = { name: scopeToken, expectedVersion };

/** A command that puts one wish to a scope. */
function wish<Output extends { name: string; expectedVersion?: number }, Input>(
  schema: z.ZodType<Output, Input>,
  make: (input: Output) => Wish<ScopeWishes>,
): Command<Input, { name: string }> {
  return async (context, raw, envelope) => {
    const input = parse(schema, raw);
    const acts = [act(scope, input.name, [make(input)], input)];
    return carryOut(context, acts, envelope, { name: input.name });
  };
}

/** A whole scope, but for its translations; what is left out has its default. */
export const scopeInput = z.object({
  name: scopeToken.refine((name) => name !== '*', 'must not be *, which stands for every scope'),
  ...text,
  claims: optional(claims, []),
  claimDestinations: optional(claimDestinations, {}),
  resources: optional(resources, []),
});

export const scopeTexts = z.object(text);

export const defineScope = wish(scopeInput, (data) => ({ type: 'DefineScope', data }));

export const describeScope = wish(
  z.object({ ...target, ...text }),
  ({ displayName, description }) => ({
    type: 'DescribeScope',
    data: { displayName, description },
  }),
);

/** `text: null` takes the translation away. */
export const localizeScope = wish(
  z.object({ ...target, locale, text: orNull(z.object(text)) }),
  ({ locale, text }) => ({ type: 'LocalizeScope', data: { locale, text } }),
);

export const changeScopeClaims = wish(z.object({ ...target, claims }), ({ claims }) => ({
  type: 'ChangeScopeClaims',
  data: { claims },
}));

export const changeScopeClaimDestinations = wish(
  z.object({ ...target, claimDestinations }),
  ({ claimDestinations }) => ({
    type: 'ChangeScopeClaimDestinations',
    data: { claimDestinations },
  }),
);

export const changeScopeResources = wish(z.object({ ...target, resources }), ({ resources }) => ({
  type: 'ChangeScopeResources',
  data: { resources },
}));

export const removeScope = wish(z.object(target), () => ({ type: 'RemoveScope', data: {} }));
