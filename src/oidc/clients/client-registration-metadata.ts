import type { ClientRegistration } from '../../domain/client.ts';
import type { ClientResponseProtection } from '../../domain/client-responses.ts';
import { scopeList } from '../adapter/model-adapter.ts';

/** The client registration endpoint (RFC 7591 §3), and below it those of each client (RFC 7592). */
export const REGISTRATION_ROUTE = '/connect/register';

/** What a client can say of itself: where it is in a registration, and its name in RFC 7591 §2. */
const METADATA: readonly (readonly [path: string, name: string])[] = [
  ['displayName', 'client_name'],
  ['clientUri', 'client_uri'],
  ['logoUri', 'logo_uri'],
  ['policyUri', 'policy_uri'],
  ['tosUri', 'tos_uri'],
  ['applicationType', 'application_type'],
  ['authenticationMethod', 'token_endpoint_auth_method'],
  ['redirectUris', 'redirect_uris'],
  ['postLogoutRedirectUris', 'post_logout_redirect_uris'],
  ['permissions.grantTypes', 'grant_types'],
  ['permissions.responseTypes', 'response_types'],
  ['permissions.scopes', 'scope'],
  ['requirements.pushedAuthorizationRequests', 'require_pushed_authorization_requests'],
  ['requirements.signedRequestObjects', 'require_signed_request_object'],
  ['requirements.dpop', 'dpop_bound_access_tokens'],
  ['requirements.certificateBoundTokens', 'tls_client_certificate_bound_access_tokens'],
  ['jwks', 'jwks'],
  ['jwksUri', 'jwks_uri'],
  ['subjectType', 'subject_type'],
  ['logout.backchannelUri', 'backchannel_logout_uri'],
  ['logout.sessionRequired', 'backchannel_logout_session_required'],
  ['logout.frontchannelUri', 'frontchannel_logout_uri'],
  ['ciba.deliveryMode', 'backchannel_token_delivery_mode'],
  ['ciba.notificationEndpoint', 'backchannel_client_notification_endpoint'],
  ['ciba.userCodeParameter', 'backchannel_user_code_parameter'],
  ['ciba.requestSigningAlg', 'backchannel_authentication_request_signing_alg'],
  ...protection('idToken', 'id_token'),
  ...protection('userinfo', 'userinfo'),
  ...protection('introspection', 'introspection'),
  ...protection('authorization', 'authorization'),
];

/** How one kind of answer is signed and encrypted. */
function protection(field: keyof ClientResponseProtection, response: string): [string, string][] {
  return [
    [`responseProtection.${field}.signingAlg`, `${response}_signed_response_alg`],
    [`responseProtection.${field}.encryptionAlg`, `${response}_encrypted_response_alg`],
    [`responseProtection.${field}.encryptionEnc`, `${response}_encrypted_response_enc`],
  ];
}

/** RFC 8705 §2.1.2: a certificate is recognised by one of its names. */
const CERTIFICATE_NAME = /^tls_client_auth_(subject_dn|san_dns|san_uri|san_ip|san_email)$/;

export type Metadata = Readonly<Record<string, unknown>>;

/**
 * What a client's metadata say, as fields of a registration that nobody has checked yet. What it
 * leaves out is as RFC 7591 §2 has it; what this server does not know is passed over.
 * @param scopes those it gets when it names none
 */
export function described(metadata: Metadata, scopes: readonly string[]): object {
  const said: Record<string, unknown> = {};
  for (const [path, name] of METADATA) {
    const value = metadata[name];
    if (value === undefined || value === null || value === '') continue;
    put(said, path, name === 'scope' && typeof value === 'string' ? scopeList(value) : value);
  }
  const authenticationMethod = said.authenticationMethod ?? 'client_secret_basic';
  const { grantTypes = ['authorization_code'], ...others } = (said.permissions ?? {}) as Metadata;
  const hasCode = Array.isArray(grantTypes) && grantTypes.includes('authorization_code');
  return {
    ...said,
    displayName: said.displayName ?? nameOf(metadata),
    clientType: authenticationMethod === 'none' ? 'public' : 'confidential',
    authenticationMethod,
    certificateSubject: certificateSubject(metadata),
    permissions: { responseTypes: hasCode ? ['code'] : [], scopes, ...others, grantTypes },
    // Its scripts run where people are sent back to.
    allowedOrigins: origins(said.redirectUris),
  };
}

/** A registration as the client is told of it: its metadata, without secrets. */
export function metadataOf(registration: ClientRegistration): Record<string, unknown> {
  const { clientId, permissions, certificateSubject: subject } = registration;
  const entries = METADATA.map(([path, name]) => [name, take(registration, path)]);
  const told = {
    ...Object.fromEntries(entries),
    client_id: clientId,
    scope: permissions.scopes.join(' '),
    ...(subject && { [`tls_client_auth_${subject.type}`]: subject.value }),
  };
  // A method of encryption says nothing where nothing is encrypted.
  const says = ([name, value]: [string, unknown]) =>
    value !== null && (!name.endsWith('_enc') || told[name.replace(/_enc$/, '_alg')] !== null);
  return Object.fromEntries(Object.entries(told).filter(says));
}

/** The name that the client knows a field of a registration by. @example 'redirectUris.0' → 'redirect_uris' */
export function metadataName(field: string): string {
  return METADATA.find(([path]) => field === path || field.startsWith(`${path}.`))?.[1] ?? field;
}

/** People have to call it something: where they are sent to, when it does not say. */
function nameOf({ client_uri, redirect_uris }: Metadata): string {
  const [redirectUri] = Array.isArray(redirect_uris) ? redirect_uris : [];
  const known = [client_uri, redirectUri].map((uri) => URL.parse(String(uri))?.hostname);
  return known.find(Boolean) ?? 'Unnamed application';
}

function origins(uris: unknown): string[] {
  const all = Array.isArray(uris) ? uris.map((uri) => URL.parse(String(uri))?.origin) : [];
  return [
    ...new Set(all.filter((origin) => origin !== undefined && origin !== 'null')),
  ] as string[];
}

function certificateSubject(metadata: Metadata): object | null {
  for (const [name, value] of Object.entries(metadata)) {
    const [, type] = CERTIFICATE_NAME.exec(name) ?? [];
    if (type) return { type, value };
  }
  return null;
}

function put(record: Record<string, unknown>, path: string, value: unknown): void {
  const [first = '', ...others] = path.split('.');
  if (others.length === 0) {
    record[first] = value;
    return;
  }
  const part = { ...(record[first] as object | undefined) };
  put(part, others.join('.'), value);
  record[first] = part;
}

function take(record: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], record);
}
