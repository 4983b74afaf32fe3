import type {
  ClientFacts,
  ClientRegistration,
  ClientSecret,
  ClientText,
} from '../domain/client.ts';
import type { Digest, Instant } from '../domain/ids.ts';
import type { RegistrationPolicy } from '../domain/registration-policy.ts';
import type { Projection, Told } from './projection.ts';

/** A client as it is now. A removed client has no row. */
export interface ClientRow {
  readonly client_id: string;
  readonly origin: ClientRegistration['origin'];
  readonly display_name: string;
  readonly description: string;
  readonly client_uri: string | null;
  readonly logo_uri: string | null;
  readonly policy_uri: string | null;
  readonly tos_uri: string | null;
  readonly client_type: ClientRegistration['clientType'];
  readonly application_type: ClientRegistration['applicationType'];
  readonly authentication_method: ClientRegistration['authenticationMethod'];
  readonly certificate_subject: ClientRegistration['certificateSubject'];
  readonly profile: ClientRegistration['profile'];
  readonly consent_type: ClientRegistration['consentType'];
  readonly consent_lifetime: number | null;
  readonly redirect_uris: readonly string[];
  readonly post_logout_redirect_uris: readonly string[];
  readonly permissions: ClientRegistration['permissions'];
  readonly requirements: ClientRegistration['requirements'];
  readonly token_policy: ClientRegistration['tokenPolicy'];
  readonly token_exchange: ClientRegistration['tokenExchange'];
  readonly response_protection: ClientRegistration['responseProtection'];
  readonly jwks: ClientRegistration['jwks'];
  readonly jwks_uri: string | null;
  readonly subject_type: ClientRegistration['subjectType'];
  readonly logout: ClientRegistration['logout'];
  readonly ciba: ClientRegistration['ciba'];
  readonly allowed_origins: readonly string[];
  readonly properties: ClientRegistration['properties'];
  /** Digest of the token by which it manages its registration, and what it may make of it then. */
  readonly registration_token: Digest | null;
  readonly registration_policy: RegistrationPolicy | null;
  readonly disabled_at: Instant | null;
  readonly created_at: Instant;
  readonly changed_at: Instant;
}

type Own =
  | 'client_id'
  | 'registration_token'
  | 'registration_policy'
  | 'disabled_at'
  | 'created_at'
  | 'changed_at';
type Registered = Omit<ClientRow, Own>;

export const clients: Projection<ClientRow, 'client_id', ClientFacts> = {
  table: 'clients',
  key: ['client_id'],
  columns: {
    client_id: 'text',
    origin: 'text not null',
    display_name: 'text not null',
    description: 'text not null',
    client_uri: 'text',
    logo_uri: 'text',
    policy_uri: 'text',
    tos_uri: 'text',
    client_type: 'text not null',
    application_type: 'text not null',
    authentication_method: 'text not null',
    certificate_subject: 'jsonb',
    profile: 'text not null',
    consent_type: 'text not null',
    consent_lifetime: 'integer',
    redirect_uris: 'jsonb not null',
    post_logout_redirect_uris: 'jsonb not null',
    permissions: 'jsonb not null',
    requirements: 'jsonb not null',
    token_policy: 'jsonb not null',
    token_exchange: 'jsonb not null',
    response_protection: 'jsonb not null',
    jwks: 'jsonb',
    jwks_uri: 'text',
    subject_type: 'text not null',
    logout: 'jsonb not null',
    ciba: 'jsonb not null',
    allowed_origins: 'jsonb not null',
    properties: 'jsonb not null',
    registration_token: 'text',
    registration_policy: 'jsonb',
    disabled_at: 'timestamptz',
    created_at: 'timestamptz not null',
    changed_at: 'timestamptz not null',
  },
  indexes: [
    '(created_at, client_id)',
    '(display_name, client_id)',
    `(changed_at) where origin = 'dynamic'`,
  ],
  on: {
    ClientRegistered: ({ data, at }) => [{ put: clientRow(data, at) }],
    ClientTypeChanged: amend,
    ClientPresentationChanged: amend,
    ClientLocalized: touch,
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
    ClientSecretAdded: touch,
    ClientSecretRevoked: touch,
    ClientRegistrationAccessTokenIssued: ({ data, id, at }) => [
      {
        set: {
          client_id: id,
          registration_token: data.digest,
          registration_policy: data.policy,
          changed_at: at,
        },
      },
    ],
    ClientDisabled: ({ id, at }) => [{ set: { client_id: id, disabled_at: at, changed_at: at } }],
    ClientEnabled: ({ id, at }) => [{ set: { client_id: id, disabled_at: null, changed_at: at } }],
    ClientGrantsRevoked: touch,
    ClientRemoved: ({ id }) => [{ drop: { client_id: id } }],
  },
};

/** The client's secrets: digests only. */
export interface ClientSecretRow {
  readonly client_id: string;
  readonly secret_id: string;
  readonly digest: string;
  readonly description: string;
  readonly added_at: Instant;
  readonly expires_at: Instant | null;
}

export const clientSecrets: Projection<
  ClientSecretRow,
  'client_id' | 'secret_id',
  Pick<ClientFacts, 'ClientSecretAdded' | 'ClientSecretRevoked'>
> = {
  table: 'client_secrets',
  key: ['client_id', 'secret_id'],
  columns: {
    client_id: 'text',
    secret_id: 'text',
    digest: 'text not null',
    description: 'text not null',
    added_at: 'timestamptz not null',
    expires_at: 'timestamptz',
  },
  on: {
    ClientSecretAdded: ({ data, id }) => [{ put: secretRow(id, data) }],
    ClientSecretRevoked: ({ data, id }) => [{ drop: { client_id: id, secret_id: data.secretId } }],
  },
};

/** What is shown of a client in other languages; null shows what is said for all. */
export interface ClientTextRow {
  readonly client_id: string;
  readonly locale: string;
  readonly display_name: string | null;
  readonly description: string | null;
  readonly client_uri: string | null;
  readonly logo_uri: string | null;
  readonly policy_uri: string | null;
  readonly tos_uri: string | null;
}

export const clientTexts: Projection<
  ClientTextRow,
  'client_id' | 'locale',
  Pick<ClientFacts, 'ClientLocalized'>
> = {
  table: 'client_texts',
  key: ['client_id', 'locale'],
  columns: {
    client_id: 'text',
    locale: 'text',
    display_name: 'text',
    description: 'text',
    client_uri: 'text',
    logo_uri: 'text',
    policy_uri: 'text',
    tos_uri: 'text',
  },
  on: {
    ClientLocalized: ({ data: { locale, text }, id }) =>
      text ? [{ put: textRow(id, locale, text) }] : [{ drop: { client_id: id, locale } }],
  },
};

function textRow(clientId: string, locale: string, text: ClientText): ClientTextRow {
  return {
    client_id: clientId,
    locale,
    display_name: text.displayName,
    description: text.description,
    client_uri: text.clientUri,
    logo_uri: text.logoUri,
    policy_uri: text.policyUri,
    tos_uri: text.tosUri,
  };
}

function secretRow(clientId: string, secret: ClientSecret): ClientSecretRow {
  return {
    client_id: clientId,
    secret_id: secret.secretId,
    digest: secret.digest,
    description: secret.description,
    added_at: secret.addedAt,
    expires_at: secret.expiresAt,
  };
}

/** The row of a client that has just been registered. */
export function clientRow(registration: ClientRegistration, at: Instant): ClientRow {
  return {
    client_id: registration.clientId,
    ...(columnsOf(registration) as Registered),
    registration_token: null,
    registration_policy: null,
    disabled_at: null,
    created_at: at,
    changed_at: at,
  };
}

/** What is registered of a client, from its row. */
export function registrationIn(row: ClientRow): ClientRegistration {
  const fields = Object.entries(columnOf).map(([field, column]) => [field, row[column]]);
  return { clientId: row.client_id, ...Object.fromEntries(fields) };
}

function amend({ data, id, at }: Told<Partial<ClientRegistration>>) {
  return [{ set: { client_id: id, ...columnsOf(data), changed_at: at } }];
}

function touch({ id, at }: Told<object>) {
  return [{ set: { client_id: id, changed_at: at } }];
}

const columnOf = {
  origin: 'origin',
  displayName: 'display_name',
  description: 'description',
  clientUri: 'client_uri',
  logoUri: 'logo_uri',
  policyUri: 'policy_uri',
  tosUri: 'tos_uri',
  clientType: 'client_type',
  applicationType: 'application_type',
  authenticationMethod: 'authentication_method',
  certificateSubject: 'certificate_subject',
  profile: 'profile',
  consentType: 'consent_type',
  consentLifetime: 'consent_lifetime',
  redirectUris: 'redirect_uris',
  postLogoutRedirectUris: 'post_logout_redirect_uris',
  permissions: 'permissions',
  requirements: 'requirements',
  tokenPolicy: 'token_policy',
  tokenExchange: 'token_exchange',
  responseProtection: 'response_protection',
  jwks: 'jwks',
  jwksUri: 'jwks_uri',
  subjectType: 'subject_type',
  logout: 'logout',
  ciba: 'ciba',
  allowedOrigins: 'allowed_origins',
  properties: 'properties',
} as const satisfies Record<Exclude<keyof ClientRegistration, 'clientId'>, keyof ClientRow>;

function columnsOf(part: Partial<ClientRegistration>): Partial<Registered> {
  const columns = Object.entries(columnOf)
    .filter(([field]) => Object.hasOwn(part, field))
    .map(([field, column]) => [column, part[field as keyof ClientRegistration]]);
  return Object.fromEntries(columns);
}
