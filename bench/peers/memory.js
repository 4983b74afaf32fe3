import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';
import LRU from 'oidc-provider/lib/helpers/lru.js';
import { clientMetadata, serve } from './provider.js';

/**
 * oidc-provider with its own in-memory adapter, which keeps nothing across a restart. The library
 * caps its storage at 1,000 entries; here the prepared codes must fit, so the cap is larger.
 */
const MAX_ENTRIES = 200_000;

const storage = new LRU({ maxSize: MAX_ENTRIES });

await serve({
  adapter: (model) => new MemoryAdapter(model, storage),
  clients: clientMetadata(),
});
