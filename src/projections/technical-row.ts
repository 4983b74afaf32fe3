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

/** Some rows of a model that have not expired, those that expire first before the others. */
export async function readTechnicalRows(
  pool: pg.Pool,
  model: string,
  limit: number,
): Promise<{ id: string; payload: Sealed }[]> {
  const { rows } = await pool.query<{ id: string; payload: Sealed }>(
    `select id, payload from state.entries where model = $1 and expires_at > now()
     order by expires_at limit $2`,
    [model, limit],
  );
  return rows;
}
