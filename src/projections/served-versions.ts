import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Position } from '../eventstore/event-store.ts';
import { listen } from '../platform/listen.ts';
import { LOCKS } from '../platform/locks.ts';
import { checkpoint } from './projector.ts';
import { READ_SCHEMA } from './version.ts';
import { NODES_CHANNEL } from './versions.ts';

const POLL_MS = 5;

/** Other versions of the read models that nodes answer from; one that stands still is waited for by nobody. */
const SERVED = `
  select v.schema from projections.versions v
  where v.part = 'protocol' and v.schema <> $1 and v.state <> 'building' and v.failure is null
    and exists (
      select from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and d.datname = current_database() and l.granted
        and l.classid = $2::oid and l.objsubid = 2
        and l.objid = (hashtext(v.schema)::bigint & 4294967295)::oid)`;

/**
 * While nodes of several versions serve, each version follows the log by itself. What one node has
 * answered must be known to all, so it waits for the versions of the others too.
 * @returns a wait for a position: resolves false after `timeoutMs`, and never rejects
 */
export function servedVersions(
  pool: pg.Pool,
  signal: AbortSignal,
): (position: Position, timeoutMs: number) => Promise<boolean> {
  let others: readonly string[] = [];
  const look = async () => {
    const { rows } = await pool.query<{ schema: string }>(SERVED, [READ_SCHEMA, LOCKS.nodes]);
    others = rows.map(({ schema }) => schema);
  };
  listen(pool, NODES_CHANNEL, () => void look().catch(() => undefined), signal);

  const showsAll = async (position: Position) => {
    for (const schema of others) {
      // One that was dropped a moment ago has none, and is not looked for again.
      const reached = await checkpoint(pool, schema).catch(() => undefined);
      if ((reached ?? '') < position) return false;
    }
    return true;
  };

  return async (position, timeoutMs) => {
    const until = performance.now() + timeoutMs;
    while (others.length > 0 && !(await showsAll(position))) {
      if (signal.aborted || performance.now() > until) return false;
      await delay(POLL_MS);
      // Its nodes may have gone meanwhile, and be followed by nobody.
      await look().catch(() => undefined);
    }
    return true;
  };
}
