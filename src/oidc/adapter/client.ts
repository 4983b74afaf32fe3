import type { AdapterPayload } from 'oidc-provider';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { type Abilities, clientMetadata } from '../clients/clients.ts';
import { ModelAdapter } from './model-adapter.ts';

/** Clients come from the read model at each request, so a change or a disabling takes effect at once. */
export class ClientAdapter extends ModelAdapter {
  constructor(private readonly context: Abilities & { readonly reads: ProtocolReads }) {
    super();
  }

  override async find(clientId: string): Promise<AdapterPayload | undefined> {
    const row = await this.context.reads.client(clientId);
    if (!row || row.disabled_at) return undefined;
    return clientMetadata(row, this.context) as AdapterPayload;
  }
}
