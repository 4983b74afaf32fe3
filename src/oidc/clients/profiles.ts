import type { Client, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { mayBeSignedWith } from '../../domain/client-profiles.ts';
import { policyOf } from './clients.ts';

/** Seconds that a clock may be ahead of ours (FAPI 2.0 Security Profile §5.3.2.1). */
const AHEAD = 60;
/** Seconds between `nbf` and `exp` of a request object, at most (FAPI 2.0 Message Signing §5.3.1). */
const LONGEST_REQUEST = 60 * 60;

/**
 * The part of the profiles that is not a matter of settings: the settings of a client keep its profile
 * at all times (`src/domain/client-profiles.ts`), what it sends is looked at when it comes.
 */
export const fapi = {
  enabled: true,
  profile: (_ctx, client) => (client && isFapi(client) ? '2.0' : undefined),
} satisfies NonNullable<Configuration['features']>['fapi'];

/** @throws InvalidClientAuth for a client assertion that the client's profile forbids */
export function assertClientAssertion(
  { oidc }: KoaContextWithOIDC,
  { aud, iat }: Readonly<Record<string, unknown>>,
  { alg }: Readonly<Record<string, unknown>>,
  client: Client,
): void {
  if (!isFapi(client)) return;
  if (aud !== oidc.issuer) {
    throw new errors.InvalidClientAuth('audience (aud) must be the issuer, and nothing else');
  }
  if (!mayBeSignedWith('fapi2', alg)) throw new errors.InvalidClientAuth('alg mismatch');
  if (typeof iat === 'number' && iat > Date.now() / 1000 + AHEAD) {
    throw new errors.InvalidClientAuth('the client assertion is from the future');
  }
}

/** @throws InvalidRequestObject for a request object that the client's profile forbids */
export function assertRequestOfProfile(
  client: Client,
  { exp, nbf, aud }: Readonly<Record<string, unknown>>,
  { alg }: Readonly<Record<string, unknown>>,
): void {
  if (!isFapi(client) || alg === 'none') return;
  if (!mayBeSignedWith('fapi2', alg)) throw new errors.InvalidRequestObject('alg mismatch');
  const lasts = typeof exp === 'number' && typeof nbf === 'number' ? exp - nbf : 0;
  if (lasts <= 0 || lasts > LONGEST_REQUEST || aud === undefined) {
    throw new errors.InvalidRequestObject('aud, nbf and exp must say for whom and when it counts');
  }
}

function isFapi(client: Client): boolean {
  return policyOf(client).profile === 'fapi2';
}
