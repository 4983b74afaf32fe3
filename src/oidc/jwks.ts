import type { JWK } from 'jose';
import { SIGNING_KEY } from '../commands/signing-keys.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SigningKeyRow } from '../projections/signing-keys.ts';

export { SIGNING_ALGORITHMS } from '../domain/signing-key.ts';

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
