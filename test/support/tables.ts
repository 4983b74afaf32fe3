import type pg from 'pg';

/** Every row of every table outside of Postgres's own schemas, as text, by table and in order. */
export async function everyRow(pool: pg.Pool, schema = '%'): Promise<Map<string, string[]>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_type = 'BASE TABLE' and table_schema like $1
       and table_schema not in ('pg_catalog', 'information_schema')
     order by 1`,
    [schema],
  );
  const found = new Map<string, string[]>();
  for (const { name } of tables) {
    const { rows } = await pool.query<{ row: string }>(
      `select t::text as row from ${name} t order by 1`,
    );
    found.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return found;
}
