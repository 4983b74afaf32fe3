import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { orNull } from './fields.ts';

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

const publicKey = z.record(z.string(), z.unknown()).superRefine((jwk, context) => {
  const message = keyProblem(jwk);
  if (message) context.addIssue({ code: 'custom', message });
});

function keyProblem(jwk: Record<string, unknown>): string | null {
  if (JSON.stringify(jwk).length > 8_000) return 'is too long for a key';
  if (PRIVATE_MEMBERS.some((member) => member in jwk)) return 'must be a public key';
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey({
      key: jwk,
      format: 'jwk',
    });
    const weak = type === 'rsa' && (details?.modulusLength ?? 0) < 2048;
    return weak ? 'must have a modulus of at least 2048 bits' : null;
  } catch {
    return 'must be an RSA, EC or OKP key (RFC 7517)';
  }
}

/** A JWK Set of 1 to 20 public keys (RFC 7517 §5); null for none. */
export const jwks = orNull(z.object({ keys: z.array(publicKey).min(1).max(20) }));
