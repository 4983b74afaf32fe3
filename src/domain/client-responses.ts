import type { EncryptionAlgorithm, EncryptionMethod } from './encryption.ts';
import type { SigningAlgorithm } from './signing-key.ts';

/** How one kind of answer is protected (RFC 7591 §2). */
export interface Protection {
  /** null takes the server's default; userinfo is then plain JSON. */
  readonly signingAlg: SigningAlgorithm | null;
  /** To which of the client's public keys it is encrypted, after it was signed; null for not at all. */
  readonly encryptionAlg: EncryptionAlgorithm | null;
  readonly encryptionEnc: EncryptionMethod;
}

/** How what a client is told is signed and, where it wishes so, encrypted to a key of its own. */
export interface ClientResponseProtection {
  readonly idToken: Protection;
  readonly userinfo: Protection;
  /** Of introspection answered with a JWT (RFC 9701). */
  readonly introspection: Protection;
  /** Of an authorization response that is a JWT (JARM). */
  readonly authorization: Protection;
}

const BY_DEFAULT: Protection = {
  signingAlg: null,
  encryptionAlg: null,
  encryptionEnc: 'A128CBC-HS256',
};

/** For clients that say nothing, and for those registered before there was anything to say. */
export const PROTECTED_BY_DEFAULT: ClientResponseProtection = {
  idToken: BY_DEFAULT,
  userinfo: BY_DEFAULT,
  introspection: BY_DEFAULT,
  authorization: BY_DEFAULT,
};
