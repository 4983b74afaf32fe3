import type { ClientCiba } from './client-ciba.ts';
import type { ClientLogout } from './client-logout.ts';
import type { ClientResponseProtection } from './client-responses.ts';
import { assertCoherent } from './client-rules.ts';
import type { Decider, Fact } from './decider.ts';
import { own, same } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Digest, Instant } from './ids.ts';
import type { SigningAlgorithm } from './signing-key.ts';

export type ClientType = 'public' | 'confidential';
export type ApplicationType = 'web' | 'native';
/** Who agrees that this client may act: the person, nobody (first party), or a decision made elsewhere. */
export type ConsentType = 'explicit' | 'implicit' | 'external' | 'systematic';
export type TokenFormat = 'reference' | 'jwt';
/** RFC 7591 §2 and RFC 8705 §2.1.1 token_endpoint_auth_method, as far as secrets can be kept as digests. */
export type ClientAuthenticationMethod =
  | 'none'
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth';

/** What in a certificate names the client whose it is (RFC 8705 §2.1.2): one of its names. */
export interface CertificateSubject {
  readonly type: 'subject_dn' | 'san_dns' | 'san_uri' | 'san_ip' | 'san_email';
  readonly value: string;
}

/** A set of rules that a client keeps to, made by others: OAuth 2.1, or the FAPI 2.0 Security Profile. */
export type ClientProfile = 'none' | 'oauth2.1' | 'fapi2';

export interface ClientPermissions {
  /** Endpoints the client may come to; `*` allows every endpoint there is. */
  readonly endpoints: readonly string[];
  /** Values of grant_type (RFC 6749). */
  readonly grantTypes: readonly string[];
  /** Values of response_type (RFC 6749 §3.1.1). */
  readonly responseTypes: readonly string[];
  /** Scopes the client may ask for; `*` allows every scope that is defined. */
  readonly scopes: readonly string[];
  /** Types of authorization details the client may ask for (RFC 9396 §10). */
  readonly authorizationDetailTypes: readonly string[];
}

export interface ClientRequirements {
  /** PKCE with S256 at the authorization endpoint (RFC 7636). */
  readonly pkce: boolean;
  /** Authorization requests are pushed first (RFC 9126). */
  readonly pushedAuthorizationRequests: boolean;
  /** Authorization requests come as signed objects (RFC 9101). */
  readonly signedRequestObjects: boolean;
  /** Access tokens are bound to a key of the client (RFC 9449). */
  readonly dpop: boolean;
  /** Proofs of the key carry a nonce of the server's (RFC 9449 §8). */
  readonly dpopNonce: boolean;
  /** Access tokens are bound to a certificate of the client (RFC 8705 §3). */
  readonly certificateBoundTokens: boolean;
}

export interface ClientTokenPolicy {
  readonly accessTokenFormat: TokenFormat;
  /** What its JWT access tokens are signed with; null takes the server's default. */
  readonly accessTokenSigningAlg: SigningAlgorithm | null;
  /** Lifetimes in seconds; null takes the server's default. */
  readonly accessTokenLifetime: number | null;
  readonly refreshTokenLifetime: number | null;
  readonly authorizationCodeLifetime: number | null;
  readonly idTokenLifetime: number | null;
  /** A refresh token is redeemed once and replaced, or used again and again. */
  readonly refreshTokenUsage: 'one_time' | 'reuse';
  /** Seconds from the first refresh token of a sign-in after which nothing is refreshed; null for no such end. */
  readonly refreshTokenAbsoluteLifetime: number | null;
}

/** How far a client may exchange tokens (RFC 8693), if it is permitted the grant type. */
export interface ClientTokenExchangePolicy {
  /** Without an actor token: the new token names nobody who acts. */
  readonly impersonation: boolean;
  /** With an actor token, whose holder the new token names. */
  readonly delegation: boolean;
  /** Resources that the new token may be for; `*` for all. */
  readonly resources: readonly string[];
  /** It exchanges a subject token once only. */
  readonly once: boolean;
}

/** Whether a client knows people by their own subject or by one made for it (Core §8). */
export type SubjectType = 'public' | 'pairwise';

/** What a person sees of the client on the sign-in and consent pages. */
export interface ClientPresentation {
  readonly displayName: string;
  /** What it is for; empty for nothing said. */
  readonly description: string;
  readonly clientUri: string | null;
  readonly logoUri: string | null;
  readonly policyUri: string | null;
  readonly tosUri: string | null;
}

/** The same in one language; null shows what is said for all. */
export type ClientText = {
  readonly [F in keyof ClientPresentation]: ClientPresentation[F] | null;
};

export interface ClientSecret {
  readonly secretId: string;
  /** SHA-256 of at least 256 random bits. */
  readonly digest: Digest;
  readonly description: string;
  readonly addedAt: Instant;
  readonly expiresAt: Instant | null;
}

export interface PublicKeys {
  /** Kept here (RFC 7517); null for none. */
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] } | null;
  /** Where they are published instead. */
  readonly jwksUri: string | null;
}

/** Its public keys are for private_key_jwt, signed requests, and what is encrypted to it. */
export interface ClientRegistration extends ClientPresentation, PublicKeys {
  readonly clientId: string;
  readonly clientType: ClientType;
  readonly applicationType: ApplicationType;
  readonly authenticationMethod: ClientAuthenticationMethod;
  /** For tls_client_auth; null for none. */
  readonly certificateSubject: CertificateSubject | null;
  readonly profile: ClientProfile;
  readonly consentType: ConsentType;
  /** Seconds after which a person is asked anew; null for never. */
  readonly consentLifetime: number | null;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly permissions: ClientPermissions;
  readonly requirements: ClientRequirements;
  readonly tokenPolicy: ClientTokenPolicy;
  readonly tokenExchange: ClientTokenExchangePolicy;
  readonly responseProtection: ClientResponseProtection;
  readonly subjectType: SubjectType;
  readonly logout: ClientLogout;
  readonly ciba: ClientCiba;
  /** Origins whose scripts may call the endpoints (CORS). */
  readonly allowedOrigins: readonly string[];
  /** Whatever the operator keeps with the client. */
  readonly properties: Readonly<Record<string, string>>;
}

export type ClientFacts = {
  ClientRegistered: ClientRegistration;
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
  ClientDisabled: { readonly reason: string };
  ClientEnabled: Record<string, never>;
  /** All grants there were, whoever gave them. */
  ClientGrantsRevoked: { readonly reason: string };
  ClientRemoved: Record<string, never>;
};

export type ClientWishes = {
  RegisterClient: ClientRegistration;
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
  DisableClient: { readonly reason: string };
  EnableClient: Record<string, never>;
  RevokeClientGrants: { readonly reason: string };
  RemoveClient: Record<string, never>;
};

export interface ClientState {
  readonly status: 'none' | 'enabled' | 'disabled' | 'removed';
  readonly registration: ClientRegistration | null;
  readonly localizations: Readonly<Record<string, ClientText>>;
  readonly secrets: readonly ClientSecret[];
}

/** A secret presented today must match one of at most this many. */
const MAX_SECRETS = 10;

export const client: Decider<ClientState, ClientWishes, ClientFacts> = {
  category: 'client',
  initial: { status: 'none', registration: null, localizations: {}, secrets: [] },

  evolve: {
    ClientRegistered: (_, registration) => ({
      status: 'enabled',
      registration,
      localizations: {},
      secrets: [],
    }),
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
    ClientDisabled: (state) => ({ ...state, status: 'disabled' }),
    ClientEnabled: (state) => ({ ...state, status: 'enabled' }),
    ClientGrantsRevoked: (state) => state,
    ClientRemoved: (state) => ({ ...state, status: 'removed', secrets: [] }),
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
      const known = state.secrets.find((each) => each.secretId === secret.secretId);
      if (known && same(known, secret)) return [];
      if (known) {
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
      const revoked = state.secrets.map(
        ({ secretId }) => ({ type: 'ClientSecretRevoked', data: { secretId } }) as const,
      );
      const ended = Object.keys(state.localizations).map(
        (locale) => ({ type: 'ClientLocalized', data: { locale, text: null } }) as const,
      );
      return [...revoked, ...ended, { type: 'ClientRemoved', data: {} }];
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

function present(state: ClientState): ClientRegistration {
  if (!state.registration)
    throw new DomainError('not_found', 'no such client', { field: 'clientId' });
  if (state.status === 'removed') {
    throw new DomainError('removed', 'the client has been removed', { field: 'clientId' });
  }
  return state.registration;
}
