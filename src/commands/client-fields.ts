import { z } from 'zod';
import { signingAlgorithm } from './algorithms.ts';
import {
  line,
  list,
  name,
  optional,
  origin,
  orNull,
  prose,
  redirectUri,
  resourceIdentifier,
  scopeToken,
  webUri,
} from './fields.ts';

/** Grant types a client may be allowed: those the server offers. */
export const GRANT_TYPES = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'implicit',
  'password',
  'urn:openid:params:grant-type:ciba',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:token-exchange',
] as const;

/** OAuth 2.0 Multiple Response Types; bare `token` is never offered (RFC 9700 §2.1.2). */
export const RESPONSE_TYPES = [
  'code',
  'none',
  'id_token',
  'id_token token',
  'code id_token',
  'code token',
  'code id_token token',
] as const;

/** Endpoints that clients come to, and that a client may be allowed: `*` is all of them. */
export const ENDPOINTS = [
  '*',
  'authorization',
  'pushed_authorization_request',
  'device_authorization',
  'backchannel_authentication',
  'token',
  'userinfo',
  'introspection',
  'revocation',
  'end_session',
] as const;

const seconds = (min: number, max: number) =>
  orNull(z.int().min(min, `must be at least ${min} s`).max(max, `must be at most ${max} s`));

const MINUTE = 60;
const DAY = 86_400;

export const uris = list(redirectUri);

export const presentation = {
  displayName: name(),
  description: optional(prose(), ''),
  clientUri: orNull(webUri),
  logoUri: orNull(webUri),
  policyUri: orNull(webUri),
  tosUri: orNull(webUri),
};

/** The same in one language: what is absent is as for all. */
export const localized = {
  ...presentation,
  displayName: orNull(name()),
  description: orNull(prose()),
};

export const grantTypes = list(
  z.enum(GRANT_TYPES, { error: `must be one of ${GRANT_TYPES.join(', ')}` }),
);

export const permissions = z.object({
  endpoints: optional(
    list(z.enum(ENDPOINTS, { error: `must be one of ${ENDPOINTS.join(', ')}` })),
    ['*'],
  ),
  grantTypes,
  responseTypes: list(
    z.enum(RESPONSE_TYPES, { error: `must be one of ${RESPONSE_TYPES.join(', ')}` }),
  ),
  scopes: list(scopeToken, 500),
  authorizationDetailTypes: optional(list(scopeToken), []),
});

export const requirements = z.object({
  pkce: optional(z.boolean(), true),
  pushedAuthorizationRequests: optional(z.boolean(), false),
  signedRequestObjects: optional(z.boolean(), false),
  dpop: optional(z.boolean(), false),
  dpopNonce: optional(z.boolean(), false),
  certificateBoundTokens: optional(z.boolean(), false),
});

/** Claims that say whose a token is, for whom and how good (RFC 7662 §2.2, RFC 9068 §2.2). */
const RESERVED_CLAIMS = [
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'scope', 'cnf', 'active'],
  ...['token_type', 'username', 'act', 'may_act', 'auth_time', 'acr', 'amr', 'sid'],
  'authorization_details',
];

export const tokenPolicy = z
  .object({
    accessTokenFormat: optional(z.enum(['reference', 'jwt']), 'reference'),
    accessTokenSigningAlg: orNull(signingAlgorithm),
    claims: optional(z.record(name(100), z.union([prose(), list(prose())])), {}),
    claimsPrefix: optional(line(50), 'client_'),
    accessTokenLifetime: seconds(10, DAY),
    refreshTokenLifetime: seconds(MINUTE, 400 * DAY),
    authorizationCodeLifetime: seconds(10, 10 * MINUTE),
    idTokenLifetime: seconds(10, DAY),
    refreshTokenUsage: optional(z.enum(['one_time', 'reuse']), 'one_time'),
    refreshTokenAbsoluteLifetime: seconds(MINUTE, 4_000 * DAY),
  })
  .superRefine(({ claims, claimsPrefix }, context) => {
    for (const claim of Object.keys(claims)) {
      if (!RESERVED_CLAIMS.includes(claimsPrefix + claim)) continue;
      const message = `${claimsPrefix}${claim} means something else in a token`;
      context.addIssue({ code: 'custom', path: ['claims', claim], message });
    }
  });

export const subjectType = z.enum(['public', 'pairwise']);

export const logout = z.object({
  backchannelUri: orNull(webUri),
  frontchannelUri: orNull(webUri),
  sessionRequired: optional(z.boolean(), false),
  revokesOfflineAccess: orNull(z.boolean()),
});

export const allowedOrigins = list(origin);

export const properties = z
  .record(name(100), prose(4_000))
  .refine((all) => Object.keys(all).length <= 50, 'must not have more than 50 entries');

export const consentType = z.enum(['explicit', 'implicit', 'external', 'systematic']);

export const tokenExchange = z.object({
  impersonation: optional(z.boolean(), true),
  delegation: optional(z.boolean(), true),
  resources: optional(list(z.union([z.literal('*'), resourceIdentifier])), ['*']),
  once: optional(z.boolean(), false),
});

export const consentLifetime = seconds(MINUTE, 4_000 * DAY);

export const authenticationMethod = z.enum([
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
]);

export const profile = z.enum(['none', 'oauth2.1', 'fapi2']);
