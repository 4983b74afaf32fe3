import type { ClientRegistration, ClientWishes } from '../domain/client.ts';
import { client } from '../domain/client.ts';
import { assertCoherent } from '../domain/client-rules.ts';
import type { Wish } from '../domain/decider.ts';
import type { Instant } from '../domain/ids.ts';
import { initialAccessToken } from '../domain/initial-access-token.ts';
import {
  assertPermitted,
  governed,
  type RegistrationPolicy,
} from '../domain/registration-policy.ts';
import type { SigningAlgorithm } from '../domain/signing-key.ts';
import { type Act, act } from '../eventstore/execute.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import { assertKept } from './algorithms.ts';
import { makeSecret, selfDescription } from './clients.ts';

/** What a client that registers itself is told: in clear here only, the log has digests. */
export interface SelfRegistration {
  readonly acts: readonly Act[];
  readonly registration: ClientRegistration;
  /** null: it has none, or keeps the one it has. */
  readonly secret: string | null;
}

/**
 * A client registers itself (RFC 7591).
 * @param said fields of a registration, not checked yet
 * @param tokenId the initial access token it was invited with; null where none is needed
 * @throws DomainError `invalid` for what is wrong with it, or not within the policy
 */
export function registerSelf(
  said: object,
  options: {
    readonly policy: RegistrationPolicy;
    readonly tokenId: string | null;
    readonly now: Instant;
    /** Those that keys are kept for. */
    readonly signingAlgorithms: readonly SigningAlgorithm[];
  },
): SelfRegistration & { readonly registrationAccessToken: string } {
  const { policy, tokenId, now } = options;
  const clientId = randomToken(16);
  const registration = governed(selfDescription(said, clientId, 'dynamic'), policy);
  assertPermitted(registration, policy);
  assertKept(options, registration);

  const registrationAccessToken = randomToken();
  const secret = usesSecret(registration) ? makeSecret(now) : null;
  const wishes: Wish<ClientWishes>[] = [
    { type: 'DescribeClient', data: registration },
    ...(secret ? [{ type: 'AddClientSecret', data: secret.fact } as const] : []),
    {
      type: 'IssueClientRegistrationAccessToken',
      data: { digest: digest(registrationAccessToken), policy },
    },
  ];
  const use = { type: 'UseInitialAccessToken', data: { clientId, now } } as const;
  return {
    // The invitation comes first: who has none learns nothing else.
    acts: [
      ...(tokenId ? [act(initialAccessToken, tokenId, [use])] : []),
      act(client, clientId, wishes, { fresh: true }),
    ],
    registration,
    secret: secret?.secret ?? null,
    registrationAccessToken,
  };
}

/**
 * A client replaces what is registered of it (RFC 7592 §2.2). What it cannot say of itself stays as
 * it is. One that comes to need a secret gets it.
 * @throws DomainError `invalid` for what is wrong with it, or not within the policy
 */
export function changeSelf(
  said: object,
  options: {
    readonly before: ClientRegistration;
    readonly policy: RegistrationPolicy;
    readonly hasSecret: boolean;
    readonly now: Instant;
    /** Those that keys are kept for. */
    readonly signingAlgorithms: readonly SigningAlgorithm[];
  },
): SelfRegistration {
  const { before, policy, hasSecret, now } = options;
  const told = governed(selfDescription(said, before.clientId, 'dynamic'), policy);
  const registration = withUnsaid(told, before);
  assertPermitted(registration, policy);
  assertKept(options, registration);

  const secret = usesSecret(registration) && !hasSecret ? makeSecret(now) : null;
  const wishes: Wish<ClientWishes>[] = [
    { type: 'DescribeClient', data: registration },
    ...(secret ? [{ type: 'AddClientSecret', data: secret.fact } as const] : []),
  ];
  return {
    acts: [act(client, before.clientId, wishes)],
    registration,
    secret: secret?.secret ?? null,
  };
}

/** What there is no metadata for is as it was before: administrators decide it. */
export function withUnsaid(
  told: ClientRegistration,
  before: ClientRegistration,
): ClientRegistration {
  const { description, consentType, consentLifetime, profile, properties } = before;
  const { tokenPolicy, tokenExchange } = before;
  const { endpoints, authorizationDetailTypes } = before.permissions;
  const { pkce, dpopNonce } = before.requirements;
  const { revokesOfflineAccess } = before.logout;
  return {
    ...told,
    description,
    consentType,
    consentLifetime,
    profile,
    properties,
    tokenPolicy,
    tokenExchange,
    permissions: { ...told.permissions, endpoints, authorizationDetailTypes },
    requirements: { ...told.requirements, pkce, dpopNonce },
    logout: { ...told.logout, revokesOfflineAccess },
  };
}

/**
 * What the document says that a client's id is the address of.
 * @throws DomainError `invalid` for what is wrong with it, or not within the policy
 */
export function documentDescription(
  said: object,
  options: {
    readonly clientId: string;
    readonly policy: RegistrationPolicy;
    readonly signingAlgorithms: readonly SigningAlgorithm[];
  },
): ClientRegistration {
  const { clientId, policy } = options;
  const registration = governed(selfDescription(said, clientId, 'metadata_document'), policy);
  assertPermitted(registration, policy);
  assertKept(options, registration);
  assertCoherent(registration);
  return registration;
}

/** Records a client that is known by its document, or what has changed in it. */
export function describeByDocument(registration: ClientRegistration): Act {
  return act(client, registration.clientId, [{ type: 'DescribeClient', data: registration }]);
}

export function removeSelf(clientId: string): Act {
  return act(client, clientId, [{ type: 'RemoveClient', data: {} }]);
}

function usesSecret({ authenticationMethod }: ClientRegistration): boolean {
  return authenticationMethod.startsWith('client_secret_');
}
