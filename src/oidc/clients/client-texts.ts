import type { KnownClient, ProtocolReads } from '../../projections/protocol-reads.ts';
import { type Locale, saidIn } from '../pages/locale.ts';
import type { ClientModel } from '../pages/models.ts';

/** How a client is shown to people: in their language as far as it was told in it. */
export async function clientTexts(
  reads: Pick<ProtocolReads, 'clientTexts'>,
  locale: Locale,
  client: KnownClient,
): Promise<ClientModel> {
  const known = await reads.clientTexts(client.client_id);
  const text = saidIn(locale, known?.texts ?? []);
  return {
    clientName: text?.display_name ?? client.display_name,
    clientDescription: text?.description ?? client.description,
    clientLogoUri: text?.logo_uri ?? client.logo_uri,
    clientUri: text?.client_uri ?? client.client_uri,
    policyUri: text?.policy_uri ?? client.policy_uri,
    tosUri: text?.tos_uri ?? client.tos_uri,
  };
}
