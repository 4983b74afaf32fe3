import type Provider from 'oidc-provider';
import type { Client } from 'oidc-provider';
import type { KnownClient, ProtocolReads } from '../../projections/protocol-reads.ts';
import { readAhead } from '../adapter/tokens.ts';

/**
 * Gives the provider the client it made of the same row before. By itself it knows a client again by
 * a digest of all of its metadata, and a hundred of them at most; a row that has not changed is the
 * same object (see projections/remembered.ts).
 */
export function rememberClients(provider: Provider, reads: ProtocolReads): void {
  const { Client } = provider;
  const find = Client.find.bind(Client);
  const made = new WeakMap<KnownClient, Client>();
  Client.find = async (clientId) => {
    readAhead(reads);
    const row = typeof clientId === 'string' ? await reads.client(clientId) : undefined;
    const known = row && made.get(row);
    if (known) return known;
    const client = await find(clientId);
    if (row && client) made.set(row, client);
    return client;
  };
}
