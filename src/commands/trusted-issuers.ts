import { z } from 'zod';
import type { Wish } from '../domain/decider.ts';
import { type TrustedIssuerWishes, trustedIssuer } from '../domain/trusted-issuer.ts';
import { act } from '../eventstore/execute.ts';
import { digest } from '../platform/secrets.ts';
import { clientId } from './clients.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import { line, list, name, orNull, reason, scopeToken, webUri } from './fields.ts';
import { jwks } from './jwks.ts';

const issuer = line(2_000).min(1, 'must not be empty');
const target = { issuer, expectedVersion };
const terms = {
  displayName: name(),
  jwks,
  jwksUri: orNull(webUri),
  subjectMapping: z.enum(['sub', 'username']),
  clientIds: list(clientId).refine((ids) => ids.length > 0, 'must name a client'),
  scopes: list(scopeToken),
};

/** A command that puts one wish to a trusted issuer. */
function wish<Output extends { issuer: string; expectedVersion?: number }, Input>(
  schema: z.ZodType<Output, Input>,
  make: (input: Output) => Wish<TrustedIssuerWishes>,
): Command<Input, { issuer: string }> {
  return async (context, raw, envelope) => {
    const input = parse(schema, raw);
    const acts = [act(trustedIssuer, digest(input.issuer), [make(input)], input)];
    return carryOut(context, acts, envelope, { issuer: input.issuer });
  };
}

/** A whole trusted issuer. */
export const trustedIssuerInput = z.object({ issuer, ...terms });

export const trustIssuer = wish(trustedIssuerInput, (data) => ({
  type: 'TrustIssuer',
  data,
}));

export const changeIssuerTrustTerms = wish(
  z.object({ ...target, ...terms }),
  ({ issuer: _, expectedVersion: __, ...data }) => ({ type: 'ChangeIssuerTrustTerms', data }),
);

export const withdrawIssuerTrust = wish(z.object({ ...target, reason }), ({ reason }) => ({
  type: 'WithdrawIssuerTrust',
  data: { reason },
}));
