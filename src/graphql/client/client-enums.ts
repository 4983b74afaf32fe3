import { registerEnumType } from 'type-graphql';
import type * as domain from '../../domain/client.ts';

export const ClientType = {
  PUBLIC: 'public',
  CONFIDENTIAL: 'confidential',
} as const satisfies Record<string, domain.ClientType>;

registerEnumType(ClientType, {
  name: 'ClientType',
  description: 'Whether a client can keep a secret (RFC 6749 §2.1).',
  valuesConfig: {
    PUBLIC: { description: 'It cannot: a browser or native application.' },
    CONFIDENTIAL: { description: 'It can: an application on a server.' },
  },
});

export const ClientOrigin = {
  ADMINISTRATOR: 'administrator',
  DYNAMIC: 'dynamic',
  METADATA_DOCUMENT: 'metadata_document',
} as const satisfies Record<string, domain.ClientOrigin>;

registerEnumType(ClientOrigin, {
  name: 'ClientOrigin',
  description: 'Who registered a client.',
  valuesConfig: {
    ADMINISTRATOR: { description: 'An administrator.' },
    DYNAMIC: { description: 'The client itself, at the registration endpoint (RFC 7591).' },
    METADATA_DOCUMENT: {
      description: 'Nobody: its id is the address of a document in which it describes itself.',
    },
  },
});

export const ApplicationType = {
  WEB: 'web',
  NATIVE: 'native',
} as const satisfies Record<string, domain.ApplicationType>;

registerEnumType(ApplicationType, {
  name: 'ApplicationType',
  description: 'Where a client runs.',
  valuesConfig: {
    WEB: { description: 'On the web; its redirect URIs are https, or http on this machine.' },
    NATIVE: {
      description: 'On a device; its redirect URIs may have a scheme of their own (RFC 8252).',
    },
  },
});

export const ClientAuthenticationMethod = {
  NONE: 'none',
  CLIENT_SECRET_BASIC: 'client_secret_basic',
  CLIENT_SECRET_POST: 'client_secret_post',
  PRIVATE_KEY_JWT: 'private_key_jwt',
  TLS_CLIENT_AUTH: 'tls_client_auth',
  SELF_SIGNED_TLS_CLIENT_AUTH: 'self_signed_tls_client_auth',
} as const satisfies Record<string, domain.ClientAuthenticationMethod>;

registerEnumType(ClientAuthenticationMethod, {
  name: 'ClientAuthenticationMethod',
  description: 'How a client proves at the token endpoint who it is (RFC 7591 §2).',
  valuesConfig: {
    NONE: { description: 'Not at all: public clients.' },
    CLIENT_SECRET_BASIC: { description: 'With a secret in the Authorization header.' },
    CLIENT_SECRET_POST: { description: 'With a secret in the form.' },
    PRIVATE_KEY_JWT: { description: 'With an assertion signed by a key of its own (RFC 7523).' },
    TLS_CLIENT_AUTH: {
      description: 'With a certificate from an authority that is trusted (RFC 8705 §2.1).',
    },
    SELF_SIGNED_TLS_CLIENT_AUTH: {
      description: 'With a certificate that is among its keys (RFC 8705 §2.2).',
    },
  },
});

export const CertificateSubjectType = {
  SUBJECT_DN: 'subject_dn',
  SAN_DNS: 'san_dns',
  SAN_URI: 'san_uri',
  SAN_IP: 'san_ip',
  SAN_EMAIL: 'san_email',
} as const satisfies Record<string, domain.CertificateSubject['type']>;

registerEnumType(CertificateSubjectType, {
  name: 'CertificateSubjectType',
  description: 'Where in a certificate a name stands (RFC 8705 §2.1.2).',
  valuesConfig: {
    SUBJECT_DN: { description: 'The subject, a distinguished name.' },
    SAN_DNS: { description: 'An alternative name that is a host.' },
    SAN_URI: { description: 'An alternative name that is a URI.' },
    SAN_IP: { description: 'An alternative name that is an IP address.' },
    SAN_EMAIL: { description: 'An alternative name that is an e-mail address.' },
  },
});

export const ClientProfile = {
  NONE: 'none',
  OAUTH_2_1: 'oauth2.1',
  FAPI_2: 'fapi2',
} as const satisfies Record<string, domain.ClientProfile>;

registerEnumType(ClientProfile, {
  name: 'ClientProfile',
  description: 'A set of rules that a client keeps to; settings that break them are refused.',
  valuesConfig: {
    NONE: { description: 'Those that hold for every client.' },
    OAUTH_2_1: { description: 'OAuth 2.1: PKCE always, code alone, no passwords.' },
    FAPI_2: {
      description:
        'FAPI 2.0 Security Profile: pushed requests, keys or certificates instead of secrets, tokens that are bound to them.',
    },
  },
});

export const ConsentType = {
  EXPLICIT: 'explicit',
  IMPLICIT: 'implicit',
  EXTERNAL: 'external',
  SYSTEMATIC: 'systematic',
} as const satisfies Record<string, domain.ConsentType>;

registerEnumType(ConsentType, {
  name: 'ConsentType',
  description: 'Who agrees that a client may act for a person.',
  valuesConfig: {
    EXPLICIT: { description: 'The person, once; the answer is remembered.' },
    IMPLICIT: { description: 'Nobody is asked: the client is one of the house.' },
    EXTERNAL: { description: 'It was decided elsewhere; without such a decision it is refused.' },
    SYSTEMATIC: { description: 'The person, each time.' },
  },
});

export const TokenFormat = {
  REFERENCE: 'reference',
  JWT: 'jwt',
} as const satisfies Record<string, domain.TokenFormat>;

registerEnumType(TokenFormat, {
  name: 'TokenFormat',
  description: 'The form of an access token.',
  valuesConfig: {
    REFERENCE: {
      description: 'A random value that says nothing; this server knows what it means.',
    },
    JWT: { description: 'A signed statement that resource servers read themselves (RFC 9068).' },
  },
});

export const RefreshTokenUsage = {
  ONE_TIME: 'one_time',
  REUSE: 'reuse',
} as const satisfies Record<string, domain.ClientTokenPolicy['refreshTokenUsage']>;

registerEnumType(RefreshTokenUsage, {
  name: 'RefreshTokenUsage',
  description: 'What becomes of a refresh token that is redeemed.',
  valuesConfig: {
    ONE_TIME: { description: 'It is replaced by a new one; presented again, it ends the grant.' },
    REUSE: { description: 'It stays the same until it expires.' },
  },
});

export const SubjectType = {
  PUBLIC: 'public',
  PAIRWISE: 'pairwise',
} as const satisfies Record<string, domain.SubjectType>;

registerEnumType(SubjectType, {
  name: 'SubjectType',
  description: 'By which subject a client knows people (OpenID Connect Core §8).',
  valuesConfig: {
    PUBLIC: { description: 'By the one all clients are told.' },
    PAIRWISE: { description: 'By one made for this client, which no other can recognise.' },
  },
});
