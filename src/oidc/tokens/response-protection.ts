import type { Configuration } from 'oidc-provider';
import type { ClientResponseProtection, Protection } from '../../domain/client-responses.ts';
import { ENCRYPTION_ALGORITHMS, ENCRYPTION_METHODS } from '../../domain/encryption.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';

/** What discovery offers for each kind of answer: `enabledJWA` of the library. */
export function responseAlgorithms(signing: readonly SigningAlgorithm[]) {
  return {
    idTokenSigningAlgValues: [...signing],
    idTokenEncryptionAlgValues: [...ENCRYPTION_ALGORITHMS],
    idTokenEncryptionEncValues: [...ENCRYPTION_METHODS],
    userinfoSigningAlgValues: [...signing],
    userinfoEncryptionAlgValues: [...ENCRYPTION_ALGORITHMS],
    userinfoEncryptionEncValues: [...ENCRYPTION_METHODS],
    introspectionSigningAlgValues: [...signing],
    introspectionEncryptionAlgValues: [...ENCRYPTION_ALGORITHMS],
    introspectionEncryptionEncValues: [...ENCRYPTION_METHODS],
    authorizationSigningAlgValues: [...signing],
    authorizationEncryptionAlgValues: [...ENCRYPTION_ALGORITHMS],
    authorizationEncryptionEncValues: [...ENCRYPTION_METHODS],
    // There is no key of this server's that a request could be encrypted to.
    requestObjectEncryptionAlgValues: [],
    requestObjectEncryptionEncValues: [],
  } satisfies Configuration['enabledJWA'];
}

/** What is signed with where neither client nor API resource says: `clientDefaults` of the library. */
export function responseDefaults([byDefault]: readonly SigningAlgorithm[]) {
  return {
    id_token_signed_response_alg: byDefault,
    introspection_signed_response_alg: byDefault,
    authorization_signed_response_alg: byDefault,
  };
}

/**
 * The client's metadata about its answers. An algorithm that keys are not kept for any more gives way
 * to the default: a client the library finds fault with could do nothing at all.
 */
export function responseMetadata(
  { idToken, userinfo, introspection, authorization }: ClientResponseProtection,
  signing: readonly SigningAlgorithm[],
): Record<string, string | null> {
  const [byDefault = null] = signing;
  // The library encrypts what it has signed, and nothing else.
  const unsigned = userinfo.encryptionAlg ? byDefault : null;
  return {
    ...metadata('id_token', idToken, signing, byDefault),
    ...metadata('userinfo', userinfo, signing, unsigned),
    ...metadata('introspection', introspection, signing, byDefault),
    ...metadata('authorization', authorization, signing, byDefault),
  };
}

function metadata(
  response: string,
  { signingAlg, encryptionAlg, encryptionEnc }: Protection,
  signing: readonly SigningAlgorithm[],
  otherwise: SigningAlgorithm | null,
): Record<string, string | null> {
  const kept = signingAlg && signing.includes(signingAlg);
  return {
    [`${response}_signed_response_alg`]: kept ? signingAlg : otherwise,
    [`${response}_encrypted_response_alg`]: encryptionAlg,
    [`${response}_encrypted_response_enc`]: encryptionAlg && encryptionEnc,
  };
}
