import { crudAdapter } from './crud-adapter.js';
import { clientMetadata, serve } from './provider.js';

/** oidc-provider on PostgreSQL, its clients in the database too. Reads DATABASE_URL besides. */
const CONNECTIONS = 32;

const adapter = await crudAdapter({
  connectionString: String(process.env.DATABASE_URL),
  connections: CONNECTIONS,
});
const clients = adapter('Client');
for (const client of clientMetadata()) await clients.upsert(String(client.client_id), client, 0);

await serve({ adapter, clients: [] });
