import type pg from 'pg';
import type { Sealed } from '../domain/ids.ts';

/** The payload of a technical row that has not expired; undefined when there is none. */
export async function readTechnicalRow(
  pool: pg.Pool,
  model: string,
  id: string,
): Promise<Sealed | undefined> {
  const { rows } = await pool.query<{ payload: Sealed }>({
    name: 'technical-row',
    text: `select payload from state.entries
           where model = $1 and id = $2 and (expires_at is null or expires_at > now())`,
    values: [model, id],
  });
  return rows[0]?.payload;
}
