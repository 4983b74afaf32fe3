import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { type SigningKey, signingKey } from '../domain/signing-key.ts';
import { type Act, act } from '../eventstore/execute.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SigningKeyRow } from '../projections/signing-keys.ts';

/** JWS algorithms this server signs with; the first is what clients expect that say nothing. */
export const SIGNING_ALGORITHMS = ['RS256', 'ES256'] as const;

const PURPOSE = 'signing-key';

/** The private keys, ready to sign, in the order in which the provider shall choose among them. */
export function privateJwks(
  rows: readonly SigningKeyRow[],
  secrets: Secrets,
): { keys: (JWK & { kty: string })[] } {
  const keys = rows.map(({ kid, alg, private_jwk }) => ({
    ...JSON.parse(secrets.open(PURPOSE, private_jwk)),
    kid,
    alg,
    use: 'sig',
  }));
  return { keys };
}

/** Makes a key of an algorithm: generated and at once active. */
export async function newSigningKey(alg: string, secrets: Secrets): Promise<Act> {
  const { publicKey, privateKey } = await generateKeyPair(alg, {
    extractable: true,
    modulusLength: 2048,
  });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const key: SigningKey = {
    kid,
    alg,
    publicJwk: { ...publicJwk },
    privateJwk: secrets.seal(PURPOSE, JSON.stringify(await exportJWK(privateKey))),
  };
  return act(
    signingKey,
    kid,
    [
      { type: 'GenerateSigningKey', data: key },
      { type: 'ActivateSigningKey', data: { now: new Date().toISOString() } },
    ],
    { fresh: true },
  );
}
