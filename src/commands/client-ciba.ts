import { z } from 'zod';
import { optional, orNull, webUri } from './fields.ts';

/** With which a request may be signed. */
export const SIGNING_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'] as const;

export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** How a client asks for people by the back channel; see `ClientCiba`. */
export const ciba = z.object({
  deliveryMode: optional(z.enum(['poll', 'ping'], 'must be poll or ping'), 'poll'),
  notificationEndpoint: orNull(webUri),
  userCodeParameter: optional(z.boolean(), false),
  requestSigningAlg: orNull(
    z.enum(SIGNING_ALGORITHMS, `must be one of ${SIGNING_ALGORITHMS.join(', ')}`),
  ),
});
