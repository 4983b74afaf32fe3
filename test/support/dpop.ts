import { exportJWK, type GenerateKeyPairResult, SignJWT } from 'jose';
import * as oidc from 'openid-client';

/** A proof of possession (RFC 9449 §4.2), with claims as they are or as they should not be. */
export async function dpopProof(
  { privateKey, publicKey }: GenerateKeyPairResult,
  htu: string,
  claims: Readonly<Record<string, unknown>> = {},
  alg = 'ES256',
): Promise<string> {
  const iat = Math.floor(Date.now() / 1000);
  return new SignJWT({ htm: 'POST', htu, jti: oidc.randomState(), iat, ...claims })
    .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: await exportJWK(publicKey) })
    .sign(privateKey);
}
