/** How the lives of the entities are told: which of their fields there are, and which stay sealed. */
import {
  type ApiResourceFacts,
  type ApiResourceState,
  type ApiResourceWishes,
  apiResource,
} from '../../domain/api-resource.ts';
import {
  type ClientFacts,
  type ClientRegistration,
  type ClientState,
  type ClientWishes,
  client,
} from '../../domain/client.ts';
import { type ScopeFacts, type ScopeState, type ScopeWishes, scope } from '../../domain/scope.ts';
import {
  type SigningKeyFacts,
  type SigningKeyState,
  type SigningKeyWishes,
  signingKey,
} from '../../domain/signing-key.ts';
import {
  type TrustedIssuerFacts,
  type TrustedIssuerState,
  type TrustedIssuerWishes,
  trustedIssuer,
} from '../../domain/trusted-issuer.ts';
import { type UserFacts, type UserState, type UserWishes, user } from '../../domain/user.ts';
import { type Chronicle, SEALED, type Teller, teller } from './telling.ts';

export const clientChronicle: Chronicle<ClientState, ClientWishes, ClientFacts> = {
  decider: client,
  sealed: [],
  fields: ({ registration, status, localizations, secrets }) =>
    registration
      ? {
          ...(registration satisfies ClientRegistration),
          status,
          localizations,
          secrets: secrets.map((secret) => ({ ...secret, digest: SEALED })),
        }
      : {},
};

export const scopeChronicle: Chronicle<ScopeState, ScopeWishes, ScopeFacts> = {
  decider: scope,
  sealed: [],
  fields: ({ definition, localizations }) => (definition ? { ...definition, localizations } : {}),
};

export const apiResourceChronicle: Chronicle<
  ApiResourceState,
  ApiResourceWishes,
  ApiResourceFacts
> = {
  decider: apiResource,
  sealed: [],
  fields: ({ definition }) => ({
    ...definition,
    ...(definition?.encryption?.secret
      ? { encryption: { ...definition.encryption, secret: SEALED } }
      : {}),
  }),
};

export const userChronicle: Chronicle<UserState, UserWishes, UserFacts> = {
  decider: user,
  sealed: ['usernameDigest', 'personal', 'verifier'],
  fields: ({ status, roles }, sealed) =>
    status === 'erased' ? { status, roles } : { status, roles, ...sealed },
};

export const signingKeyChronicle: Chronicle<SigningKeyState, SigningKeyWishes, SigningKeyFacts> = {
  decider: signingKey,
  sealed: ['privateJwk'],
  fields: ({ status }, sealed) => (status === 'none' ? {} : { status, ...sealed }),
};

export const trustedIssuerChronicle: Chronicle<
  TrustedIssuerState,
  TrustedIssuerWishes,
  TrustedIssuerFacts
> = {
  decider: trustedIssuer,
  sealed: [],
  fields: ({ trusted }) => ({ ...trusted }),
};

/** By the type of the API: whatever is a Node there is told of here. */
export const tellers = {
  Client: teller(clientChronicle),
  Scope: teller(scopeChronicle),
  ApiResource: teller(apiResourceChronicle),
  User: teller(userChronicle),
  SigningKey: teller(signingKeyChronicle),
  TrustedIssuer: teller(trustedIssuerChronicle),
} as const satisfies Record<string, Teller>;
