import type pg from 'pg';
import { AUDIT_GROUP } from '../../src/projections/audit-log.ts';
import { PROTOCOL_GROUP } from '../../src/projections/projector.ts';
import { eventually } from '../support/eventually.ts';
import type { EngineName } from '../support/server.ts';

export interface Leader {
  readonly node: number;
  /** Of its session with Postgres. */
  readonly pid: number;
}

/** What nodes call themselves in Postgres, so that it can be seen whose a session is. */
export const sessionName = (node: number) => `node-${node}`;

/** The node that holds the lock under which read models are written; on Postgres, the audit index. */
export function findLeader(pool: pg.Pool, engine: EngineName, other?: Leader): Promise<Leader> {
  const { lock } = engine === 'postgres' ? AUDIT_GROUP : PROTOCOL_GROUP;
  return eventually('there is a leader', async () => {
    const { rows } = await pool.query<{ name: string; pid: number }>(
      `select a.application_name as name, pid from pg_locks join pg_stat_activity a using (pid)
       where locktype = 'advisory' and classid::bigint << 32 | objid::bigint = $1 and granted
         and datname = current_database()`,
      [lock],
    );
    const [row] = rows;
    if (!row || row.pid === other?.pid) return undefined;
    return { node: Number(row.name.replace('node-', '')), pid: row.pid };
  });
}
