import type pg from 'pg';

/**
 * Milliseconds of silence after which PostgreSQL ends a session. Less than a request waits for its
 * events to be projected: by then another node does that.
 */
const LEASE_MS = 3_000;
const RENEWAL_MS = 500;

/**
 * Lets a session keep its locks only while its process lives: PostgreSQL ends it, with what it had
 * begun, when the process is held, or is gone together with its machine. A statement under way is no
 * silence, however long it takes.
 * @param scope `local` for the transaction it is in
 * @returns how to end it; the session is not to be used after one that was not local
 */
export async function lease(
  client: pg.ClientBase,
  scope: 'session' | 'local' = 'session',
): Promise<() => void> {
  await client.query(
    `set ${scope} idle_session_timeout = ${LEASE_MS};
     set ${scope} idle_in_transaction_session_timeout = ${LEASE_MS}`,
  );
  let renewing = false;
  const timer = setInterval(async () => {
    if (renewing) return;
    renewing = true;
    // It waits for the statement under way. A session that was lost says so itself.
    await client.query('select').catch(() => undefined);
    renewing = false;
  }, RENEWAL_MS);
  return () => clearInterval(timer);
}
