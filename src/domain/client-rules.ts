import type { ClientRegistration } from './client.ts';
import { PROFILES } from './client-profiles.ts';
import { encryptionKey } from './encryption.ts';
import { DomainError } from './errors.ts';

/** What has to hold of a registration as a whole. */
export interface Rule {
  /** The field to blame when the rule is broken. */
  readonly field: string;
  readonly message: string;
  holds(it: ClientRegistration): boolean;
}

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const CIBA = 'urn:openid:params:grant-type:ciba';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** What a client is told by a JWT, and the names of its settings. */
const RESPONSES = ['idToken', 'userinfo', 'introspection', 'authorization'] as const;

/** Rules that span fields (OAuth 2.1, RFC 9700); the form of each value is checked at the edge. */
const RULES: readonly Rule[] = [
  {
    field: 'authenticationMethod',
    message: 'a public client, and only one, authenticates with "none"',
    holds: (it) => (it.clientType === 'public') === (it.authenticationMethod === 'none'),
  },
  {
    field: 'jwks',
    message: 'private_key_jwt needs the public keys of the client',
    holds: (it) => it.authenticationMethod !== 'private_key_jwt' || hasKeys(it),
  },
  {
    field: 'certificateSubject',
    message: 'tls_client_auth needs the name in the certificate of the client (RFC 8705 §2.1.2)',
    holds: (it) => it.authenticationMethod !== 'tls_client_auth' || it.certificateSubject !== null,
  },
  {
    field: 'jwks',
    message: 'self_signed_tls_client_auth needs a key with its certificate, x5c (RFC 8705 §2.2.2)',
    holds: (it) => it.authenticationMethod !== 'self_signed_tls_client_auth' || hasCertificates(it),
  },
  {
    field: 'jwks',
    message: 'a client publishes its keys or has them kept here, not both (RFC 7591 §2)',
    holds: (it) => !it.jwks || !it.jwksUri,
  },
  {
    field: 'requirements.signedRequestObjects',
    message: 'a signed request needs the public keys of the client',
    holds: (it) => !it.requirements.signedRequestObjects || hasKeys(it),
  },
  {
    field: 'permissions.grantTypes',
    message: 'client_credentials needs a confidential client (RFC 6749 §4.4)',
    holds: (it) => it.clientType === 'confidential' || !may(it, 'client_credentials'),
  },
  {
    field: 'permissions.grantTypes',
    message: 'token-exchange needs a confidential client (RFC 8693 §5)',
    holds: (it) => it.clientType === 'confidential' || !may(it, TOKEN_EXCHANGE),
  },
  {
    field: 'permissions.grantTypes',
    message: 'jwt-bearer needs a confidential client: who speaks for others must be known',
    holds: (it) => it.clientType === 'confidential' || !may(it, JWT_BEARER),
  },
  {
    field: 'permissions.grantTypes',
    message: 'ciba needs a confidential client (OpenID Connect CIBA §7.1)',
    holds: (it) => it.clientType === 'confidential' || !may(it, CIBA),
  },
  {
    field: 'ciba.notificationEndpoint',
    message: 'a client that is to be told needs an address (OpenID Connect CIBA §4)',
    holds: (it) => it.ciba.deliveryMode === 'poll' || it.ciba.notificationEndpoint !== null,
  },
  {
    field: 'ciba.requestSigningAlg',
    message: 'a signed request needs the public keys of the client',
    holds: (it) => it.ciba.requestSigningAlg === null || hasKeys(it),
  },
  {
    field: 'permissions.grantTypes',
    message: 'password needs a confidential client: who is given passwords must be known',
    holds: (it) => it.clientType === 'confidential' || !may(it, 'password'),
  },
  {
    field: 'requirements.pkce',
    message: 'a public client must use PKCE (RFC 9700 §2.1.1)',
    holds: (it) =>
      it.clientType === 'confidential' || !may(it, 'authorization_code') || it.requirements.pkce,
  },
  {
    field: 'redirectUris',
    message: 'only a native application has a scheme of its own (RFC 8252 §7.1)',
    holds: (it) =>
      it.applicationType === 'native' || it.redirectUris.every((uri) => /^https?:/i.test(uri)),
  },
  {
    field: 'redirectUris',
    message: 'a native application takes http on this machine (RFC 8252 §7.3)',
    holds: (it) => it.applicationType === 'web' || !it.redirectUris.some(isHttpsLocalhost),
  },
  {
    field: 'redirectUris',
    message: 'the authorization endpoint needs at least one redirect URI',
    holds: (it) =>
      it.redirectUris.length > 0 ||
      (!may(it, 'authorization_code') &&
        !may(it, 'implicit') &&
        it.permissions.responseTypes.length === 0),
  },
  {
    field: 'permissions.responseTypes',
    message: 'response types with code go with authorization_code, and only with it',
    holds: (it) => may(it, 'authorization_code') === it.permissions.responseTypes.some(withCode),
  },
  {
    field: 'permissions.responseTypes',
    message: 'response types with id_token or token go with implicit, and only with it',
    holds: (it) => may(it, 'implicit') === it.permissions.responseTypes.some(fromTheFront),
  },
  {
    field: 'redirectUris',
    message:
      'a web application takes tokens at https addresses only (OpenID Connect Core §3.2.2.1)',
    holds: (it) =>
      it.applicationType === 'native' ||
      !may(it, 'implicit') ||
      !it.redirectUris.some((uri) => /^http:/i.test(uri) || isHttpsLocalhost(uri)),
  },
  {
    field: 'requirements.dpop',
    message: 'an access token in the authorization response cannot be bound to a key (RFC 9449)',
    holds: (it) => !it.requirements.dpop || !it.permissions.responseTypes.some(withAccessToken),
  },
  {
    field: 'requirements.dpopNonce',
    message: 'a nonce goes with DPoP (RFC 9449 §8)',
    holds: (it) => !it.requirements.dpopNonce || it.requirements.dpop,
  },
  {
    field: 'requirements.certificateBoundTokens',
    message: 'tokens are bound to a key or to a certificate, not both',
    holds: (it) => !it.requirements.certificateBoundTokens || !it.requirements.dpop,
  },
  {
    field: 'requirements.certificateBoundTokens',
    message:
      'an access token in the authorization response cannot be bound to a certificate (RFC 8705)',
    holds: (it) =>
      !it.requirements.certificateBoundTokens ||
      !it.permissions.responseTypes.some(withAccessToken),
  },
  {
    field: 'tokenPolicy.refreshTokenUsage',
    message:
      'a public client rotates its refresh tokens, or binds them to a key (RFC 9700 §4.14.2)',
    holds: (it) =>
      it.clientType === 'confidential' ||
      it.requirements.dpop ||
      it.requirements.certificateBoundTokens ||
      it.tokenPolicy.refreshTokenUsage === 'one_time',
  },
  {
    field: 'subjectType',
    message: 'pairwise subjects need redirect URIs of one host (OpenID Connect Core §8.1)',
    holds: (it) =>
      it.subjectType === 'public' ||
      (it.permissions.responseTypes.length > 0 && hosts(it.redirectUris).size === 1),
  },
  {
    field: 'subjectType',
    message: 'the device flow and CIBA know no host that pairwise subjects could be made for',
    holds: (it) => it.subjectType === 'public' || !(may(it, DEVICE_CODE) || may(it, CIBA)),
  },
  {
    field: 'consentType',
    message: 'a client that registered itself is none of the house',
    holds: (it) => it.origin === 'administrator' || it.consentType !== 'implicit',
  },
  {
    field: 'permissions.scopes',
    message: 'a client that registered itself may ask neither for all scopes nor for admin:*',
    holds: (it) =>
      it.origin === 'administrator' ||
      !it.permissions.scopes.some((scope) => scope === '*' || scope.startsWith('admin:')),
  },
  {
    field: 'permissions.grantTypes',
    message: 'refresh_token needs a grant type that can issue one',
    holds: (it) => !may(it, 'refresh_token') || it.permissions.grantTypes.some(issuesRefreshTokens),
  },
  ...RESPONSES.map(
    (response): Rule => ({
      field: `responseProtection.${response}.encryptionAlg`,
      message: 'encryption needs a public key of the client that is made for the algorithm',
      holds: ({ responseProtection, jwks, jwksUri }) => {
        const { encryptionAlg } = responseProtection[response];
        return encryptionAlg === null || jwksUri !== null || !!encryptionKey(jwks, encryptionAlg);
      },
    }),
  ),
];

/** @throws DomainError `invalid` for the first rule that is broken */
export function assertCoherent(registration: ClientRegistration): void {
  const rules = [...RULES, ...PROFILES[registration.profile]];
  const broken = rules.find((rule) => !rule.holds(registration));
  if (broken) throw new DomainError('invalid', broken.message, { field: broken.field });
}

function may(it: ClientRegistration, grantType: string): boolean {
  return it.permissions.grantTypes.includes(grantType);
}

function hasKeys(it: ClientRegistration): boolean {
  return it.jwksUri !== null || (it.jwks?.keys.length ?? 0) > 0;
}

function hasCertificates(it: ClientRegistration): boolean {
  return it.jwksUri !== null || (it.jwks?.keys.some(({ x5c }) => Array.isArray(x5c)) ?? false);
}

function withCode(responseType: string): boolean {
  return responseType.split(' ').includes('code');
}

/** What reaches the client in the authorization response itself. */
function fromTheFront(responseType: string): boolean {
  return responseType.includes('token');
}

function withAccessToken(responseType: string): boolean {
  return responseType.split(' ').includes('token');
}

/** RFC 6749 §4.4.3: client_credentials issues none; nor do the implicit flow and exchanges here. */
function issuesRefreshTokens(grantType: string): boolean {
  return !['refresh_token', 'client_credentials', 'implicit', JWT_BEARER, TOKEN_EXCHANGE].includes(
    grantType,
  );
}

/** An https address that no application can claim as its own (RFC 8252 §7.2). */
function isHttpsLocalhost(uri: string): boolean {
  return /^https:\/\/localhost(?![^/:?])/i.test(uri);
}

function hosts(uris: readonly string[]): Set<string | undefined> {
  return new Set(uris.map((uri) => URL.parse(uri)?.host));
}
