import type { ClientCiba } from './client-ciba.ts';
import { type ClientDeclaration, declared } from './client-declaration.ts';
import type { ClientLogout } from './client-logout.ts';
import type {
  ClientAuthenticationMethod,
  ClientPermissions,
  ClientPresentation,
  ClientProfile,
  ClientRegistration,
  ClientRequirements,
  ClientSecret,
  ClientText,
  ClientTokenPolicy,
  ConsentType,
  PublicKeys,
  RegistrationAccess,
  SubjectType,
} from './client-registration.ts';
import { assertCoherent } from './client-rules.ts';
import type { Decider, Fact } from './decider.ts';
import { own, same } from './decider.ts';
import { DomainError } from './errors.ts';
import type { BulkEnd } from './ids.ts';

export type * from './client-registration.ts';

export type ClientFacts = {
  ClientRegistered: ClientRegistration;
  ClientTypeChanged: Pick<ClientRegistration, 'clientType' | 'applicationType'>;
  ClientPresentationChanged: ClientPresentation;
  /** What is shown in one language (BCP 47); null takes it away. */
  ClientLocalized: { readonly locale: string; readonly text: ClientText | null };
  ClientRedirectUrisChanged: { readonly redirectUris: readonly string[] };
  ClientPostLogoutRedirectUrisChanged: { readonly postLogoutRedirectUris: readonly string[] };
  ClientPermissionsChanged: { readonly permissions: ClientPermissions };
  ClientRequirementsChanged: { readonly requirements: ClientRequirements };
  ClientConsentTypeChanged: { readonly consentType: ConsentType };
  ClientConsentLifetimeChanged: { readonly consentLifetime: number | null };
  ClientTokenPolicyChanged: { readonly tokenPolicy: ClientTokenPolicy };
  ClientTokenExchangePolicyChanged: Pick<ClientRegistration, 'tokenExchange'>;
  ClientResponseProtectionChanged: Pick<ClientRegistration, 'responseProtection'>;
  ClientAuthenticationMethodChanged: { readonly authenticationMethod: ClientAuthenticationMethod };
  ClientCertificateSubjectChanged: Pick<ClientRegistration, 'certificateSubject'>;
  ClientProfileChanged: { readonly profile: ClientProfile };
  ClientKeysChanged: PublicKeys;
  ClientSubjectTypeChanged: { readonly subjectType: SubjectType };
  ClientLogoutChanged: { readonly logout: ClientLogout };
  ClientCibaChanged: { readonly ciba: ClientCiba };
  ClientAllowedOriginsChanged: { readonly allowedOrigins: readonly string[] };
  ClientPropertiesChanged: Pick<ClientRegistration, 'properties'>;
  ClientSecretAdded: ClientSecret;
  ClientSecretRevoked: { readonly secretId: string };
  /** The client may manage its registration with this token, within this policy (RFC 7592). */
  ClientRegistrationAccessTokenIssued: RegistrationAccess;
  ClientDisabled: { readonly reason: string };
  ClientEnabled: Record<string, never>;
  /** All grants there were, whoever gave them. */
  ClientGrantsRevoked: BulkEnd;
  ClientRemoved: Record<string, never>;
};

export type ClientWishes = {
  RegisterClient: ClientRegistration;
  /** What a client says of itself, as a whole: it is registered, or becomes what it says. */
  DescribeClient: ClientRegistration;
  /** That it be so: registered where there is none, and what differs replaced. */
  DeclareClient: ClientDeclaration;
  ChangeClientPresentation: ClientPresentation;
  LocalizeClient: ClientFacts['ClientLocalized'];
  ChangeClientRedirectUris: ClientFacts['ClientRedirectUrisChanged'];
  ChangeClientPostLogoutRedirectUris: ClientFacts['ClientPostLogoutRedirectUrisChanged'];
  ChangeClientPermissions: ClientFacts['ClientPermissionsChanged'];
  ChangeClientRequirements: ClientFacts['ClientRequirementsChanged'];
  ChangeClientConsentType: ClientFacts['ClientConsentTypeChanged'];
  ChangeClientConsentLifetime: ClientFacts['ClientConsentLifetimeChanged'];
  ChangeClientTokenPolicy: ClientFacts['ClientTokenPolicyChanged'];
  ChangeClientTokenExchangePolicy: ClientFacts['ClientTokenExchangePolicyChanged'];
  ChangeClientResponseProtection: ClientFacts['ClientResponseProtectionChanged'];
  ChangeClientAuthenticationMethod: ClientFacts['ClientAuthenticationMethodChanged'];
  ChangeClientCertificateSubject: ClientFacts['ClientCertificateSubjectChanged'];
  ChangeClientProfile: ClientFacts['ClientProfileChanged'];
  ChangeClientKeys: ClientFacts['ClientKeysChanged'];
  ChangeClientSubjectType: ClientFacts['ClientSubjectTypeChanged'];
  ChangeClientLogout: ClientFacts['ClientLogoutChanged'];
  ChangeClientCiba: ClientFacts['ClientCibaChanged'];
  ChangeClientAllowedOrigins: ClientFacts['ClientAllowedOriginsChanged'];
  ChangeClientProperties: ClientFacts['ClientPropertiesChanged'];
  AddClientSecret: ClientSecret;
  RevokeClientSecret: { readonly secretId: string };
  IssueClientRegistrationAccessToken: RegistrationAccess;
  DisableClient: { readonly reason: string };
  EnableClient: Record<string, never>;
  RevokeClientGrants: BulkEnd;
  RemoveClient: Record<string, never>;
};

export interface ClientState {
  readonly status: 'none' | 'enabled' | 'disabled' | 'removed';
  readonly registration: ClientRegistration | null;
  readonly localizations: Readonly<Record<string, ClientText>>;
  readonly secrets: readonly ClientSecret[];
  readonly registrationAccess: RegistrationAccess | null;
}

/** A secret presented today must match one of at most this many. */
const MAX_SECRETS = 10;

export const client: Decider<ClientState, ClientWishes, ClientFacts> = {
  category: 'client',
  initial: {
    status: 'none',
    registration: null,
    localizations: {},
    secrets: [],
    registrationAccess: null,
  },

  evolve: {
    ClientRegistered: (none, registration) => ({ ...none, status: 'enabled', registration }),
    ClientTypeChanged: amend,
    ClientPresentationChanged: amend,
    ClientLocalized: (state, { locale, text }) => {
      const { [locale]: _, ...others } = state.localizations;
      return { ...state, localizations: text ? { ...others, [locale]: text } : others };
    },
    ClientRedirectUrisChanged: amend,
    ClientPostLogoutRedirectUrisChanged: amend,
    ClientPermissionsChanged: amend,
    ClientRequirementsChanged: amend,
    ClientConsentTypeChanged: amend,
    ClientConsentLifetimeChanged: amend,
    ClientTokenPolicyChanged: amend,
    ClientTokenExchangePolicyChanged: amend,
    ClientResponseProtectionChanged: amend,
    ClientAuthenticationMethodChanged: amend,
    ClientCertificateSubjectChanged: amend,
    ClientProfileChanged: amend,
    ClientKeysChanged: amend,
    ClientSubjectTypeChanged: amend,
    ClientLogoutChanged: amend,
    ClientCibaChanged: amend,
    ClientAllowedOriginsChanged: amend,
    ClientPropertiesChanged: amend,
    ClientSecretAdded: (state, secret) => ({ ...state, secrets: [...state.secrets, secret] }),
    ClientSecretRevoked: (state, { secretId }) => ({
      ...state,
      secrets: state.secrets.filter((secret) => secret.secretId !== secretId),
    }),
    ClientRegistrationAccessTokenIssued: (state, registrationAccess) => ({
      ...state,
      registrationAccess,
    }),
    ClientDisabled: (state) => ({ ...state, status: 'disabled' }),
    ClientEnabled: (state) => ({ ...state, status: 'enabled' }),
    ClientGrantsRevoked: (state) => state,
    ClientRemoved: (state) => ({
      ...state,
      status: 'removed',
      secrets: [],
      registrationAccess: null,
    }),
  },

  decide: {
    RegisterClient(registration, state) {
      if (
        state.registration &&
        state.status !== 'removed' &&
        same(state.registration, registration)
      ) {
        return [];
      }
      if (state.status !== 'none') {
        throw new DomainError('already_exists', `client ${registration.clientId} exists already`, {
          field: 'clientId',
        });
      }
      assertCoherent(registration);
      return [{ type: 'ClientRegistered', data: registration }];
    },
    DescribeClient(registration, state) {
      if (state.registration && present(state).origin !== registration.origin) {
        throw new DomainError('already_exists', 'the client was registered by somebody else', {
          field: 'clientId',
        });
      }
      return declared({ registration, localizations: state.localizations }, state);
    },
    DeclareClient: declared,
    ChangeClientPresentation: (wish, state) => change('ClientPresentationChanged', wish, state),
    LocalizeClient(wish, state) {
      present(state);
      const known = own(state.localizations, wish.locale) ?? null;
      return same(known, wish.text) ? [] : [{ type: 'ClientLocalized', data: wish }];
    },
    ChangeClientRedirectUris: (wish, state) => change('ClientRedirectUrisChanged', wish, state),
    ChangeClientPostLogoutRedirectUris: (wish, state) =>
      change('ClientPostLogoutRedirectUrisChanged', wish, state),
    ChangeClientPermissions: (wish, state) => change('ClientPermissionsChanged', wish, state),
    ChangeClientRequirements: (wish, state) => change('ClientRequirementsChanged', wish, state),
    ChangeClientConsentType: (wish, state) => change('ClientConsentTypeChanged', wish, state),
    ChangeClientConsentLifetime: (wish, state) =>
      change('ClientConsentLifetimeChanged', wish, state),
    ChangeClientTokenExchangePolicy: (wish, state) =>
      change('ClientTokenExchangePolicyChanged', wish, state),
    ChangeClientTokenPolicy: (wish, state) => change('ClientTokenPolicyChanged', wish, state),
    ChangeClientResponseProtection: (wish, state) =>
      change('ClientResponseProtectionChanged', wish, state),
    ChangeClientAuthenticationMethod: (wish, state) =>
      change('ClientAuthenticationMethodChanged', wish, state),
    ChangeClientCertificateSubject: (wish, state) =>
      change('ClientCertificateSubjectChanged', wish, state),
    ChangeClientProfile: (wish, state) => change('ClientProfileChanged', wish, state),
    ChangeClientKeys: (wish, state) => change('ClientKeysChanged', wish, state),
    ChangeClientSubjectType: (wish, state) => change('ClientSubjectTypeChanged', wish, state),
    ChangeClientLogout: (wish, state) => change('ClientLogoutChanged', wish, state),
    ChangeClientCiba: (wish, state) => change('ClientCibaChanged', wish, state),
    ChangeClientAllowedOrigins: (wish, state) => change('ClientAllowedOriginsChanged', wish, state),
    ChangeClientProperties: (wish, state) => change('ClientPropertiesChanged', wish, state),
    AddClientSecret(secret, state) {
      const { clientType } = present(state);
      if (state.secrets.some((each) => each.digest === secret.digest)) return [];
      if (state.secrets.some((each) => each.secretId === secret.secretId)) {
        throw new DomainError('already_exists', 'a secret with this id exists already', {
          field: 'secretId',
        });
      }
      if (clientType === 'public') {
        throw new DomainError('invalid', 'a public client cannot keep a secret', {
          field: 'clientType',
        });
      }
      if (state.secrets.length >= MAX_SECRETS) {
        throw new DomainError('invalid', `a client has at most ${MAX_SECRETS} secrets`, {
          field: 'secret',
        });
      }
      return [{ type: 'ClientSecretAdded', data: secret }];
    },
    RevokeClientSecret({ secretId }, state) {
      present(state);
      const known = state.secrets.some((secret) => secret.secretId === secretId);
      return known ? [{ type: 'ClientSecretRevoked', data: { secretId } }] : [];
    },
    IssueClientRegistrationAccessToken(access, state) {
      if (present(state).origin !== 'dynamic') {
        throw new DomainError('invalid', 'the client did not register itself', {
          field: 'clientId',
        });
      }
      return same(state.registrationAccess, access)
        ? []
        : [{ type: 'ClientRegistrationAccessTokenIssued', data: access }];
    },
    DisableClient({ reason }, state) {
      present(state);
      return state.status === 'disabled' ? [] : [{ type: 'ClientDisabled', data: { reason } }];
    },
    EnableClient(_, state) {
      present(state);
      return state.status === 'enabled' ? [] : [{ type: 'ClientEnabled', data: {} }];
    },
    RevokeClientGrants(wish, state) {
      present(state);
      return [{ type: 'ClientGrantsRevoked', data: wish }];
    },
    RemoveClient(_, state) {
      if (state.status === 'removed') return [];
      present(state);
      const ended = Object.keys(state.localizations).map(
        (locale) => ({ type: 'ClientLocalized', data: { locale, text: null } }) as const,
      );
      return [...state.secrets.map(revoked), ...ended, { type: 'ClientRemoved', data: {} }];
    },
  },
};

function amend(state: ClientState, part: Partial<ClientRegistration>): ClientState {
  return { ...state, registration: { ...present(state), ...part } };
}

/** One replaced part of the registration: refused when the whole would not hold together. */
function change<T extends keyof ClientFacts>(
  type: T,
  part: ClientFacts[T] & Partial<ClientRegistration>,
  state: ClientState,
): readonly Fact<ClientFacts>[] {
  const before = present(state);
  const after = { ...before, ...part };
  if (same(before, after)) return [];
  assertCoherent(after);
  return [{ type, data: part } as Fact<ClientFacts>];
}

function revoked({ secretId }: ClientSecret) {
  return { type: 'ClientSecretRevoked', data: { secretId } } as const;
}

function present(state: ClientState): ClientRegistration {
  if (!state.registration)
    throw new DomainError('not_found', 'no such client', { field: 'clientId' });
  if (state.status === 'removed') {
    throw new DomainError('removed', 'the client has been removed', { field: 'clientId' });
  }
  return state.registration;
}
