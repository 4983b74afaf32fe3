import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { coalesced } from '../platform/coalesce.ts';

const REMEMBERED = 2_000;

/**
 * Reads rows that are large and seldom change. Those read before are remembered, and each reading asks
 * only whether they are still of the same revision: the answer is as fresh as the row would be, and
 * the very same object for as long as nothing has changed.
 * @param options.name of the prepared statements
 * @param options.revisions SQL that gives `key` and `revision` for the keys `$1`
 * @param options.rows SQL that gives `key`, `revision` and all that is to be known of the keys `$1`,
 *   none of which may change without the revision
 */
export function remembered<V extends object>(
  pool: pg.Pool,
  options: { name: string; revisions: string; rows: string },
): (key: string) => Promise<V | undefined> {
  const memory = new LRUCache<string, Keyed<V>>({ max: REMEMBERED });

  const query = async <R extends pg.QueryResultRow>(what: 'revisions' | 'rows', keys: string[]) => {
    const name = `read-${options.name}-${what}`;
    const { rows } = await pool.query<R>({ name, text: options[what], values: [keys] });
    return new Map(rows.map((row) => [row.key as string, row]));
  };

  return coalesced(async (asked) => {
    const keys = [...new Set(asked)];
    const present = await query<Keyed<object>>('revisions', keys);
    const known = new Map(keys.map((key) => [key, memory.get(key)]));
    const changed = keys.filter((key) => {
      const revision = present.get(key)?.revision;
      return revision !== undefined && revision !== known.get(key)?.revision;
    });
    if (changed.length > 0) {
      const rows = await query<Keyed<V>>('rows', changed);
      for (const key of changed) known.set(key, rows.get(key));
      for (const [key, row] of rows) memory.set(key, row);
    }
    return asked.map((key) => (present.has(key) ? known.get(key) : undefined));
  });
}

type Keyed<V> = V & { readonly key: string; readonly revision: number };
