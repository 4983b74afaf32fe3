import type { JWK } from 'jose';
import { SIGNING_KEY } from '../../commands/signing-keys.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { SigningKeyRow } from '../../projections/signing-keys.ts';

/** How a JWT access token is signed: by the first algorithm wished for that keys are kept for. */
export function signedWith(
  kept: readonly SigningAlgorithm[],
  ...wished: (SigningAlgorithm | null | undefined)[]
): { sign: { alg: SigningAlgorithm } } {
  const [alg] = [...wished, ...kept].filter((each) => each && kept.includes(each));
  if (!alg) throw new Error('there is no algorithm to sign with');
  return { sign: { alg } };
}

/** The private keys, ready to sign, in the order in which the provider shall choose among them. */
export function privateJwks(
  rows: readonly SigningKeyRow[],
  secrets: Secrets,
): { keys: (JWK & { kty: string })[] } {
  const keys = rows.map(({ kid, alg, private_jwk }) => ({
    ...JSON.parse(secrets.open(SIGNING_KEY, private_jwk)),
    kid,
    alg,
    use: 'sig',
  }));
  return { keys };
}
