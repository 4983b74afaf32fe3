import type { ClientProfile, ClientRegistration } from './client.ts';
import type { Rule } from './client-rules.ts';
import type { SigningAlgorithm } from './signing-key.ts';

/** Seconds: FAPI 2.0 Security Profile §5.3.2.1. */
const LONGEST_CODE = 60;

/** FAPI 2.0 Security Profile §5.4.1: of what is signed by either side. */
const FAPI_ALGORITHMS: readonly unknown[] = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];

const WITH_KEYS = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'];

const NO_PASSWORDS: Omit<Rule, 'message'> = {
  field: 'permissions.grantTypes',
  holds: (it) => !it.permissions.grantTypes.includes('password'),
};

const CODE_ONLY: Omit<Rule, 'message'> = {
  field: 'permissions.responseTypes',
  holds: (it) => it.permissions.responseTypes.every((type) => type === 'code'),
};

const PKCE: Omit<Rule, 'message'> = {
  field: 'requirements.pkce',
  holds: (it) => it.requirements.pkce,
};

/** What each profile asks of a client's settings, beside what is asked of every client. */
export const PROFILES: Readonly<Record<ClientProfile, readonly Rule[]>> = {
  none: [],
  'oauth2.1': [
    { ...PKCE, message: 'OAuth 2.1 wants PKCE (§4.1.1)' },
    { ...CODE_ONLY, message: 'OAuth 2.1 has no response type but code (§10)' },
    { ...NO_PASSWORDS, message: 'OAuth 2.1 has no password grant (§10)' },
  ],
  fapi2: [
    {
      field: 'clientType',
      message: 'FAPI 2.0 is for confidential clients (§5.3.2.1)',
      holds: (it) => it.clientType === 'confidential',
    },
    {
      field: 'authenticationMethod',
      message: 'FAPI 2.0 clients authenticate with private_key_jwt or mutual TLS (§5.3.2.1)',
      holds: (it) => WITH_KEYS.includes(it.authenticationMethod),
    },
    {
      field: 'requirements.dpop',
      message: 'FAPI 2.0 tokens are bound to a key or a certificate (§5.3.2.1)',
      holds: (it) => it.requirements.dpop || it.requirements.certificateBoundTokens,
    },
    {
      field: 'requirements.pushedAuthorizationRequests',
      message: 'FAPI 2.0 authorization requests are pushed (§5.3.2.2)',
      holds: (it) => it.requirements.pushedAuthorizationRequests || !isInteractive(it),
    },
    { ...PKCE, message: 'FAPI 2.0 wants PKCE (§5.3.2.2)' },
    { ...CODE_ONLY, message: 'FAPI 2.0 has no response type but code (§5.3.2.2)' },
    { ...NO_PASSWORDS, message: 'FAPI 2.0 has no password grant (§5.3.2.1)' },
    {
      field: 'redirectUris',
      message: 'FAPI 2.0 takes http for native applications only (§5.3.2.2)',
      holds: (it) =>
        it.applicationType === 'native' || !it.redirectUris.some((uri) => /^http:/i.test(uri)),
    },
    {
      field: 'tokenPolicy.authorizationCodeLifetime',
      message: `FAPI 2.0 codes live for at most ${LONGEST_CODE} s (§5.3.2.1)`,
      holds: (it) => (it.tokenPolicy.authorizationCodeLifetime ?? 0) <= LONGEST_CODE,
    },
    {
      field: 'tokenPolicy.refreshTokenUsage',
      message: 'FAPI 2.0 refresh tokens are not rotated (§5.3.2.1)',
      holds: (it) => it.tokenPolicy.refreshTokenUsage === 'reuse',
    },
    {
      field: 'tokenPolicy.accessTokenSigningAlg',
      message: 'FAPI 2.0 signs with PS256, ES256 or EdDSA (§5.4.1)',
      holds: (it) => isFitting(it.tokenPolicy.accessTokenSigningAlg),
    },
    {
      field: 'responseProtection',
      message: 'FAPI 2.0 signs with PS256, ES256 or EdDSA (§5.4.1)',
      holds: (it) =>
        Object.values(it.responseProtection).every(({ signingAlg }) => isFitting(signingAlg)),
    },
  ],
};

/** Whether a JWT from or for a client of a profile may be signed so. */
export function mayBeSignedWith(profile: ClientProfile, alg: unknown): boolean {
  return profile !== 'fapi2' || FAPI_ALGORITHMS.includes(alg);
}

/** Those of the kept algorithms that may sign for a client of a profile; all, where none of them may. */
export function signingAlgorithmsFor(
  profile: ClientProfile,
  kept: readonly SigningAlgorithm[],
): readonly SigningAlgorithm[] {
  const fitting = kept.filter((alg) => mayBeSignedWith(profile, alg));
  return fitting.length > 0 ? fitting : kept;
}

/** What is not said takes one that fits. */
function isFitting(alg: SigningAlgorithm | null): boolean {
  return alg === null || mayBeSignedWith('fapi2', alg);
}

function isInteractive(it: ClientRegistration): boolean {
  return it.permissions.responseTypes.length > 0;
}
