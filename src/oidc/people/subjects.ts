import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import type { Secrets } from '../../platform/secrets.ts';

/**
 * The subject by which one sector knows a person (OpenID Connect Core §8.1): the same each time, told
 * apart from every other, and worth nothing to who compares it with another sector's.
 */
export function pairwiseSubject(secrets: Secrets) {
  return (_ctx: KoaContextWithOIDC, sub: string, client: Client): string =>
    secrets.keyedDigest('pairwise-subject', JSON.stringify([sectorOf(client), sub]));
}

/** The host that the client is called back at; the client itself where nobody owns that address. */
function sectorOf({ clientId, redirectUris = [] }: Client): string {
  const uri = URL.parse(redirectUris[0] ?? '');
  return uri?.protocol === 'https:' ? uri.host : clientId;
}
