import { z } from 'zod';
import { consent } from '../domain/consent.ts';
import { streamOf } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import { act } from '../eventstore/execute.ts';
import { type Command, carryOut, parse } from './command.ts';
import { list, name, optional, resourceIdentifier, scopeToken } from './fields.ts';

const sub = name(128);
const clientId = name(100);

const consentInput = z.object({
  sub,
  clientId,
  scopes: optional(list(scopeToken, 500), []),
  claims: optional(list(name(100), 100), []),
  resources: optional(
    list(z.object({ resource: resourceIdentifier, scopes: list(scopeToken, 500) })),
    [],
  ),
});

/** A consent by its id, as in the stream's name. */
interface ConsentId {
  readonly consentId: string;
}

/**
 * Records that a person allows a client something, as decided elsewhere; it is added to what they
 * allow already.
 * @param known whether there are such a person and such a client
 * @throws DomainError `not_found`
 */
export function grantConsent(known: {
  readonly user: boolean;
  readonly client: boolean;
}): Command<z.input<typeof consentInput>, ConsentId> {
  return async (context, raw, envelope) => {
    const { sub, clientId, scopes, claims, resources } = parse(consentInput, raw);
    if (!known.user) throw new DomainError('not_found', 'no such user', { field: 'sub' });
    if (!known.client) throw new DomainError('not_found', 'no such client', { field: 'clientId' });
    const byResource = resources.map(({ resource, scopes }) => [resource, scopes]);
    const terms = { sub, clientId, scopes, claims, resources: Object.fromEntries(byResource) };
    const consentId = `${sub}.${clientId}`;
    const acts = [act(consent, consentId, [{ type: 'GrantConsent', data: terms }])];
    return carryOut(context, acts, envelope, { consentId });
  };
}

const withdrawal = z.object({ sub, clientId });

/** Takes a consent back as a whole; every grant that rests on it ends with it. */
export const withdrawConsent: Command<z.input<typeof withdrawal>, ConsentId> = async (
  context,
  raw,
  envelope,
) => {
  const { sub, clientId } = parse(withdrawal, raw);
  const consentId = `${sub}.${clientId}`;
  const [first] = await context.store.read(streamOf(consent, consentId), { limit: 1 });
  if (!first) throw new DomainError('not_found', 'no such consent', { field: 'clientId' });
  const wish = { type: 'WithdrawConsent', data: { by: 'administrator' } } as const;
  return carryOut(context, [act(consent, consentId, [wish])], envelope, { consentId });
};
