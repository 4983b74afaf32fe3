import type Provider from 'oidc-provider';
import type { Client } from 'oidc-provider';
import { signingAlgorithmsFor } from '../../domain/client-profiles.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import { digest, equals, randomToken } from '../../platform/secrets.ts';
import type { ClientRow, ClientSecretRow } from '../../projections/clients.ts';
import type { KnownClient } from '../../projections/protocol-reads.ts';
import { responseMetadata } from '../tokens/response-protection.ts';

/** OpenID Connect CIBA §4. */
const CIBA_GRANT_TYPE = 'urn:openid:params:grant-type:ciba';

/** The grant types this server answers; others a client may have been given have no effect. */
export const GRANT_TYPES = [
  'authorization_code',
  'client_credentials',
  'implicit',
  'password',
  'refresh_token',
  CIBA_GRANT_TYPE,
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:token-exchange',
] as const;
export const RESPONSE_TYPES = [
  'code',
  'none',
  'id_token',
  'id_token token',
  'code id_token',
  'code token',
  'code id_token token',
] as const;

/** What oidc-provider carries along of a client beside its own metadata. */
export interface ClientPolicy {
  readonly secrets: readonly Pick<ClientSecretRow, 'digest' | 'expires_at'>[];
  readonly profile: ClientRow['profile'];
  readonly consentType: ClientRow['consent_type'];
  readonly endpoints: readonly string[];
  /** Seconds. */
  readonly consentLifetime: number | null;
  readonly scopes: readonly string[];
  readonly requirements: ClientRow['requirements'];
  readonly tokenPolicy: ClientRow['token_policy'];
  readonly tokenExchange: ClientRow['token_exchange'];
  readonly logout: ClientRow['logout'];
  readonly allowedOrigins: readonly string[];
}

/** Name of the metadata field that holds the {@link ClientPolicy}. */
export const POLICY = 'urn:muniment:policy';

/** oidc-provider wants a secret in the metadata of such clients; ours are digests, so none matches this. */
const NO_SECRET = randomToken();

/** What this server can do at present, as far as it depends on what operators have set up. */
export interface Abilities {
  /** Those that keys are kept for. */
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  /** Types of authorization details that API resources define. */
  readonly detailTypes: ReadonlySet<string>;
}

/** The client's metadata (RFC 7591 §2) from its row, cut to what this server can do. */
export function clientMetadata(
  row: KnownClient,
  { signingAlgorithms, detailTypes }: Abilities,
): Record<string, unknown> {
  const policy: ClientPolicy = {
    secrets: row.secrets.map(({ digest, expires_at }) => ({ digest, expires_at })),
    profile: row.profile,
    consentType: row.consent_type,
    endpoints: row.permissions.endpoints,
    consentLifetime: row.consent_lifetime,
    scopes: row.permissions.scopes,
    requirements: row.requirements,
    tokenPolicy: row.token_policy,
    tokenExchange: row.token_exchange,
    logout: row.logout,
    allowedOrigins: row.allowed_origins,
  };
  const usesSecret = row.authentication_method.startsWith('client_secret');
  return withoutNulls({
    client_id: row.client_id,
    client_name: row.display_name,
    client_uri: row.client_uri,
    logo_uri: row.logo_uri,
    policy_uri: row.policy_uri,
    tos_uri: row.tos_uri,
    application_type: row.application_type,
    token_endpoint_auth_method: row.authentication_method,
    client_secret: usesSecret ? NO_SECRET : null,
    grant_types: row.permissions.grantTypes.filter((type) => among(GRANT_TYPES, type)),
    response_types: row.permissions.responseTypes.filter((type) => among(RESPONSE_TYPES, type)),
    authorization_details_types: row.permissions.authorizationDetailTypes.filter((type) =>
      detailTypes.has(type),
    ),
    redirect_uris: row.redirect_uris,
    post_logout_redirect_uris: row.post_logout_redirect_uris,
    subject_type: row.subject_type,
    jwks: row.jwks,
    jwks_uri: row.jwks_uri,
    require_pushed_authorization_requests: row.requirements.pushedAuthorizationRequests,
    require_signed_request_object: row.requirements.signedRequestObjects,
    dpop_bound_access_tokens: row.requirements.dpop,
    tls_client_certificate_bound_access_tokens: row.requirements.certificateBoundTokens,
    ...certificateName(row),
    ...responseMetadata(
      row.response_protection,
      signingAlgorithmsFor(row.profile, signingAlgorithms),
    ),
    ...cibaMetadata(row),
    [POLICY]: policy,
  });
}

/** By its own name in the metadata (RFC 8705 §2.1.2), such as `tls_client_auth_san_dns`. */
function certificateName({ certificate_subject: subject }: KnownClient): Record<string, string> {
  return subject ? { [`tls_client_auth_${subject.type}`]: subject.value } : {};
}

/** OpenID Connect CIBA §4, for clients that have to do with it. */
function cibaMetadata({ permissions, ciba }: KnownClient): Record<string, unknown> {
  if (!permissions.grantTypes.includes(CIBA_GRANT_TYPE)) return {};
  return {
    backchannel_token_delivery_mode: ciba.deliveryMode,
    // The library takes none that is http on this machine; it is not the one that calls it.
    backchannel_client_notification_endpoint:
      ciba.notificationEndpoint?.replace(/^http:/, 'https:') ?? null,
    backchannel_user_code_parameter: ciba.userCodeParameter,
    backchannel_authentication_request_signing_alg: ciba.requestSigningAlg,
  };
}

export function policyOf(client: Client): ClientPolicy {
  return client[POLICY] as ClientPolicy;
}

/** A client that is told of the end of a session has to know the session: its ID tokens hold the `sid`. */
export function tellSessionIds(provider: Provider): void {
  Object.assign(provider.Client.prototype, {
    includeSid(this: Client): boolean {
      const { backchannelUri, frontchannelUri } = policyOf(this).logout;
      return backchannelUri !== null || frontchannelUri !== null;
    },
  });
}

/** Whether a presented secret is one that has not expired. */
export function isSecretOf({ secrets }: Pick<ClientPolicy, 'secrets'>, presented: string): boolean {
  const candidate = digest(presented);
  const now = Date.now();
  // Every secret is compared, so that time tells nothing about which one matched.
  return secrets
    .map(
      (secret) =>
        equals(secret.digest, candidate) &&
        (secret.expires_at === null || Date.parse(secret.expires_at) > now),
    )
    .some(Boolean);
}

/** Makes the provider compare a presented secret with the digests of all that have not expired. */
export function compareSecretsByDigest(provider: Provider): void {
  Object.assign(provider.Client.prototype, {
    compareClientSecret(this: Client, presented: string): boolean {
      return isSecretOf(policyOf(this), presented);
    },
  });
}

function among(list: readonly string[], value: string): boolean {
  return list.includes(value);
}

function withoutNulls(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
}
