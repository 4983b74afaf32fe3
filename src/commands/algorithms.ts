import { z } from 'zod';
import { ENCRYPTION_ALGORITHMS, ENCRYPTION_METHODS } from '../domain/encryption.ts';
import { DomainError } from '../domain/errors.ts';
import { SIGNING_ALGORITHMS } from '../domain/signing-key.ts';
import type { CommandContext } from './command.ts';
import { optional, orNull } from './fields.ts';

/** A JWS algorithm that this server can sign with. Whether it keeps keys for it, a command asks. */
export const signingAlgorithm = z.enum(SIGNING_ALGORITHMS, oneOf(SIGNING_ALGORITHMS));

export const encryptionAlgorithm = z.enum(ENCRYPTION_ALGORITHMS, oneOf(ENCRYPTION_ALGORITHMS));

export const encryptionMethod = z.enum(ENCRYPTION_METHODS, oneOf(ENCRYPTION_METHODS));

const protection = z.object({
  signingAlg: orNull(signingAlgorithm),
  encryptionAlg: orNull(encryptionAlgorithm),
  // What RFC 7591 takes where nothing is said.
  encryptionEnc: optional(encryptionMethod, 'A128CBC-HS256'),
});

const unprotected = protection.parse({});

/** How what a client is told is signed and encrypted. */
export const responseProtection = z.object({
  idToken: optional(protection, unprotected),
  userinfo: optional(protection, unprotected),
  introspection: optional(protection, unprotected),
  authorization: optional(protection, unprotected),
});

/** Where an input can name what something is signed with. */
export interface NamesAlgorithms {
  readonly alg?: string;
  readonly tokenPolicy?: { readonly accessTokenSigningAlg: string | null };
  readonly responseProtection?: z.output<typeof responseProtection>;
}

/** @throws DomainError `invalid` for an algorithm that this server keeps no keys for */
export function assertKept(
  { signingAlgorithms }: Pick<CommandContext, 'signingAlgorithms'>,
  { alg, tokenPolicy, responseProtection }: NamesAlgorithms,
): void {
  const named = {
    alg,
    'tokenPolicy.accessTokenSigningAlg': tokenPolicy?.accessTokenSigningAlg,
    ...Object.fromEntries(
      Object.entries(responseProtection ?? {}).map(([response, { signingAlg }]) => [
        `responseProtection.${response}.signingAlg`,
        signingAlg,
      ]),
    ),
  };
  for (const [field, value] of Object.entries(named)) {
    if (value && !signingAlgorithms.some((kept) => kept === value)) {
      const message = `must be one that this server keeps keys for: ${signingAlgorithms.join(', ')}`;
      throw new DomainError('invalid', message, { field });
    }
  }
}

function oneOf(values: readonly string[]): string {
  return `must be one of ${values.join(', ')}`;
}
