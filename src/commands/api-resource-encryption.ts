import { z } from 'zod';
import { apiResource } from '../domain/api-resource.ts';
import { ENCRYPTION_ALGORITHMS, type EncryptionMethod } from '../domain/encryption.ts';
import { act } from '../eventstore/execute.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import { encryptionMethod } from './algorithms.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import { optional, orNull, resourceIdentifier } from './fields.ts';
import { jwks } from './jwks.ts';

/** What secrets shared with API resources are sealed for. */
export const RESOURCE_SECRET = 'resource-secret';

/** `dir` is for a secret that is shared: it is the content encryption key itself (RFC 7518 §4.5). */
export const RESOURCE_ENCRYPTION_ALGORITHMS = [...ENCRYPTION_ALGORITHMS, 'dir'] as const;

/** Bytes of the key that each method takes (RFC 7518 §5.1). */
const KEY_BYTES: Readonly<Record<EncryptionMethod, number>> = {
  'A128CBC-HS256': 32,
  'A256CBC-HS512': 64,
  A128GCM: 16,
  A256GCM: 32,
};

const encryption = z
  .object({
    alg: z.enum(
      RESOURCE_ENCRYPTION_ALGORITHMS,
      `must be one of ${RESOURCE_ENCRYPTION_ALGORITHMS.join(', ')}`,
    ),
    enc: optional(encryptionMethod, 'A256GCM'),
    jwks,
  })
  .refine(({ alg, jwks }) => alg !== 'dir' || jwks === null, {
    path: ['jwks'],
    message: 'has no use with dir: the secret is made here',
  });

const input = z.object({
  identifier: resourceIdentifier,
  encryption: orNull(encryption),
  expectedVersion,
});

/** The secret that the API resource now shares with this server, in base64url: only ever here. */
export interface ResourceWithSecret {
  readonly identifier: string;
  readonly secret: string | null;
}

/**
 * Has JWT access tokens for an API resource encrypted, to a public key of its or under a secret. Each
 * wish for a secret makes a new one, which takes the place of the former at once.
 */
export const changeApiResourceEncryption: Command<
  z.input<typeof input>,
  ResourceWithSecret
> = async (context, raw, envelope) => {
  const { identifier, encryption, ...options } = parse(input, raw);
  const secret = encryption?.alg === 'dir' ? randomToken(KEY_BYTES[encryption.enc]) : null;
  const sealed = secret && context.secrets.seal(RESOURCE_SECRET, secret);
  const data = { encryption: encryption && { ...encryption, secret: sealed } };
  const wish = { type: 'ChangeApiResourceEncryption', data } as const;
  const acts = [act(apiResource, digest(identifier), [wish], options)];
  return carryOut(context, acts, envelope, { identifier, secret });
};
