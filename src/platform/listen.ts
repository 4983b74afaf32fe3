import type pg from 'pg';

const RECONNECT_MS = 500;

/**
 * Listens on a channel for as long as the signal lets it, over connection losses too.
 * @param heard called with each payload, and with `undefined` after every (re)connection, when
 *   notifications may have been missed
 */
export function listen(
  pool: pg.Pool,
  channel: string,
  heard: (payload: string | undefined) => void,
  signal: AbortSignal,
): void {
  async function connect(): Promise<void> {
    if (signal.aborted) return;
    let client: pg.PoolClient;
    try {
      client = await pool.connect();
    } catch {
      setTimeout(connect, RECONNECT_MS).unref();
      return;
    }
    let lost = false;
    const lose = () => {
      if (lost) return;
      lost = true;
      signal.removeEventListener('abort', lose);
      client.release(true);
      if (!signal.aborted) setTimeout(connect, RECONNECT_MS).unref();
    };
    client.on('notification', ({ payload }) => heard(payload));
    client.once('error', lose);
    signal.addEventListener('abort', lose, { once: true });
    // It may have been over while the connection was made, and says so only once.
    if (signal.aborted) return lose();
    try {
      await client.query(`listen ${channel}`);
      heard(undefined);
    } catch {
      lose();
    }
  }
  void connect();
}
