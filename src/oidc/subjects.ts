import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import type { Secrets } from '../platform/secrets.ts';
import type { ClientRow } from '../projections/clients.ts';

/**
 * The subject by which one sector knows a person (OpenID Connect Core §8.1): the same each time, told
 * apart from every other, and worth nothing to who compares it with another sector's.
 */
export function pairwiseSubject(secrets: Secrets) {
  return (_ctx: KoaContextWithOIDC, sub: string, client: Client): string =>
    pairwise(secrets, sub, sectorOf(client.clientId, client.redirectUris));
}

/** The subject by which a client knows a person. */
export function subjectFor(
  secrets: Secrets,
  sub: string,
  client: Pick<ClientRow, 'client_id' | 'redirect_uris' | 'subject_type'>,
): string {
  if (client.subject_type === 'public') return sub;
  return pairwise(secrets, sub, sectorOf(client.client_id, client.redirect_uris));
}

function pairwise(secrets: Secrets, sub: string, sector: string): string {
  return secrets.keyedDigest('pairwise-subject', JSON.stringify([sector, sub]));
}

/** The host that the client is called back at; the client itself where nobody owns that address. */
function sectorOf(clientId: string, redirectUris: readonly string[] = []): string {
  const uri = URL.parse(redirectUris[0] ?? '');
  return uri?.protocol === 'https:' ? uri.host : clientId;
}
