import type { ClientCiba } from './client-ciba.ts';
import type { ClientLogout } from './client-logout.ts';
import type { ClientResponseProtection } from './client-responses.ts';
import type { Digest, Instant } from './ids.ts';
import type { RegistrationPolicy } from './registration-policy.ts';
import type { SigningAlgorithm } from './signing-key.ts';

export type ClientType = 'public' | 'confidential';
export type ApplicationType = 'web' | 'native';
/** Who agrees that this client may act: the person, nobody (first party), or a decision made elsewhere. */
export type ConsentType = 'explicit' | 'implicit' | 'external' | 'systematic';
/** Who registered a client: an administrator, the client itself (RFC 7591), or the document its id leads to. */
export type ClientOrigin = 'administrator' | 'dynamic' | 'metadata_document';
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
  /** What is told of the client in each token that it gets for itself. */
  readonly claims: Readonly<Record<string, string | readonly string[]>>;
  /** Put before their names, so that nobody takes them for claims of a person. */
  readonly claimsPrefix: string;
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

export interface RegistrationAccess {
  /** SHA-256 of the registration access token. */
  readonly digest: Digest;
  readonly policy: RegistrationPolicy;
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
  readonly origin: ClientOrigin;
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
