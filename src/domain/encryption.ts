/** JWE algorithms by which a key is agreed on with who has a public key (RFC 7518 §4.1). */
export const ENCRYPTION_ALGORITHMS = [
  'RSA-OAEP',
  'RSA-OAEP-256',
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'ECDH-ES+A256KW',
] as const;

/** How the content is encrypted under that key (RFC 7518 §5.1). */
export const ENCRYPTION_METHODS = ['A128CBC-HS256', 'A256CBC-HS512', 'A128GCM', 'A256GCM'] as const;

export type EncryptionAlgorithm = (typeof ENCRYPTION_ALGORITHMS)[number];
export type EncryptionMethod = (typeof ENCRYPTION_METHODS)[number];

/** A JWK Set of public keys (RFC 7517 §5). */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** The first of the keys that something can be encrypted to in this way. */
export function encryptionKey(jwks: KeySet | null, alg: EncryptionAlgorithm) {
  return jwks?.keys.find((jwk) => suits(jwk, alg));
}

function suits(jwk: Readonly<Record<string, unknown>>, alg: EncryptionAlgorithm): boolean {
  if ((jwk.use ?? 'enc') !== 'enc' || (jwk.alg ?? alg) !== alg) return false;
  if (alg.startsWith('RSA')) return jwk.kty === 'RSA';
  return jwk.kty === 'EC' || (jwk.kty === 'OKP' && jwk.crv === 'X25519');
}
