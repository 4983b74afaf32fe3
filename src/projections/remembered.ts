import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { coalesced } from '../platform/coalesce.ts';

export interface Remembered<V> {
  read(key: string): Promise<V | undefined>;
  /** What was read before, where it was of this very version, which the caller has just read itself. */
  ofVersion(key: string, version: string): V | undefined;
}

/**
 * Reads what is large and seldom changes. What was read before is remembered, and each reading of it
 * asks only whether it is still of the same version: the answer is as fresh as the rows would be, and
 * the very same object for as long as nothing has changed.
 * @param options.name of the prepared statements
 * @param options.versions SQL that gives `key` and `version` for the keys `$1`
 * @param options.rows SQL that gives `key`, `version` and all that is to be known of the keys `$1`, none
 *   of which may change without the version. `xmin` of a row is one: no two states of it have the same
 * @param options.most how many are remembered
 * @param options.worth whether something is to be remembered; by default, all is
 */
export function remembered<V extends object>(
  pool: pg.Pool,
  options: {
    name: string;
    versions: string;
    rows: string;
    most: number;
    worth?: (value: V) => boolean;
  },
): Remembered<V> {
  const { most, worth = () => true } = options;
  const memory = new LRUCache<string, Keyed<V>>({ max: most });

  async function query<R extends Keyed<object>>(what: 'versions' | 'rows', keys: string[]) {
    if (keys.length === 0) return new Map<string, R>();
    const name = `read-${options.name}-${what}`;
    const { rows } = await pool.query<R>({ name, text: options[what], values: [keys] });
    return new Map(rows.map((row) => [row.key, row]));
  }

  const read = coalesced<string, V | undefined>(async (asked) => {
    const keys = [...new Set(asked)];
    const known = new Map<string, Keyed<V> | undefined>(keys.map((key) => [key, memory.get(key)]));
    const present = await query(
      'versions',
      keys.filter((key) => known.get(key)),
    );
    const unread = keys.filter((key) => {
      const before = known.get(key);
      return !before || (present.has(key) && present.get(key)?.version !== before.version);
    });
    const rows = await query<Keyed<V>>('rows', unread);
    for (const key of unread) known.set(key, rows.get(key));
    for (const [key, row] of rows) if (worth(row)) memory.set(key, row);
    return asked.map((key) => (present.has(key) || rows.has(key) ? known.get(key) : undefined));
  });

  return {
    read,
    ofVersion(key, version) {
      const before = memory.get(key);
      return before?.version === version ? before : undefined;
    },
  };
}

type Keyed<V> = V & { readonly key: string; readonly version: string };
