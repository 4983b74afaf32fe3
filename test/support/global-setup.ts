import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { SERVER_VARIABLE } from './postgres.ts';

declare global {
  /** Ends what the global set-up started; called by the global tear-down. */
  var stopTestServer: (() => Promise<void>) | undefined;
}

/**
 * One PostgreSQL for the whole run: that of TEST_DATABASE_URL, or an embedded one, which need not
 * survive a power cut.
 */
export default async function setUp(): Promise<void> {
  process.env[SERVER_VARIABLE] = process.env.TEST_DATABASE_URL;
  if (process.env.TEST_DATABASE_URL) return;

  const dataDir = mkdtempSync(join(tmpdir(), 'muniment-test-'));
  const server = await startEmbeddedPostgres({
    dataDir,
    settings: { fsync: 'off', full_page_writes: 'off', max_connections: '300' },
  });
  const { host, user, database } = server.connection;
  process.env[SERVER_VARIABLE] =
    `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(String(host))}`;
  globalThis.stopTestServer = async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
