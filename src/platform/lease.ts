import { setTimeout as sleep } from 'node:timers/promises';
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
 * silence, however long it takes; for one that waits for its client see {@link endSilentHolder}.
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

/**
 * Ends the session that holds an advisory lock when it is in the middle of a statement and its client
 * does not go on with it: within a COPY, say, where PostgreSQL waits without limit. Returns at once
 * when the holder does anything else.
 * @param client any session of the role that the holder has too
 * @returns whether one was ended: the lock is free, or will be in a moment
 */
export async function endSilentHolder(client: pg.ClientBase, lock: number): Promise<boolean> {
  const since = performance.now();
  const first = await waiting(client, lock);
  for (let now = first; now && now === first; now = await waiting(client, lock)) {
    if (performance.now() - since > LEASE_MS) {
      await client.query('select pg_terminate_backend($1)', [Number.parseInt(now, 10)]);
      return true;
    }
    await sleep(RENEWAL_MS);
  }
  return false;
}

/** The holder's process and how far its statement is, while that waits for the client. */
async function waiting(client: pg.ClientBase, lock: number): Promise<string | undefined> {
  const { rows } = await client.query<{ at: string }>(
    `select concat_ws(' ', a.pid, a.query_start, c.bytes_processed) as at
     from pg_locks join pg_stat_activity a using (pid) left join pg_stat_progress_copy c using (pid)
     where locktype = 'advisory' and classid::bigint << 32 | objid::bigint = $1 and objsubid = 1
       and granted and a.datname = current_database() and a.state = 'active'
       and a.wait_event_type = 'Client'`,
    [lock],
  );
  return rows[0]?.at;
}
