import type { ClientFacts, ClientRegistration, ClientState, ClientText } from './client.ts';
import { differences } from './client-differences.ts';
import { assertCoherent } from './client-rules.ts';
import { type Fact, same } from './decider.ts';
import { relocalizations } from './declaration.ts';
import { DomainError } from './errors.ts';

/** A client as a whole, as itself, a file or an earlier state of it says. */
export interface ClientDeclaration {
  readonly registration: ClientRegistration;
  readonly localizations: Readonly<Record<string, ClientText>>;
}

/**
 * What has to happen for a client to be as declared: it is registered, or each part that differs is
 * replaced. The whole has to hold together, not the steps on the way. One that becomes public has no
 * secrets any more.
 */
export function declared(
  { registration, localizations }: ClientDeclaration,
  state: ClientState,
): Fact<ClientFacts>[] {
  if (state.status === 'removed') {
    throw new DomainError('removed', 'the client has been removed', { field: 'clientId' });
  }
  const { registration: before, secrets } = state;
  if (!same(before, registration)) assertCoherent(registration);
  const given = registration.clientType === 'public' ? secrets : [];
  return [
    ...(before
      ? differences(before, registration)
      : [{ type: 'ClientRegistered', data: registration } as const]),
    ...given.map(({ secretId }) => ({ type: 'ClientSecretRevoked', data: { secretId } }) as const),
    ...relocalizations(state.localizations, localizations).map(
      (data) => ({ type: 'ClientLocalized', data }) as const,
    ),
  ];
}
