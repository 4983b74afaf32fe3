import pg from 'pg';

/**
 * A plain CRUD adapter for oidc-provider on PostgreSQL, as a careful user would write it: one table,
 * a primary key and the three look-ups indexed, one prepared statement per adapter call.
 */

const SCHEMA = `
  create table if not exists oidc_models (
    model text not null,
    id text not null,
    payload jsonb not null,
    grant_id text,
    user_code text,
    uid text,
    consumed_at timestamptz,
    expires_at timestamptz,
    primary key (model, id)
  );
  create index if not exists oidc_models_grant on oidc_models (grant_id) where grant_id is not null;
  create index if not exists oidc_models_user_code on oidc_models (user_code) where user_code is not null;
  create index if not exists oidc_models_uid on oidc_models (uid) where uid is not null;
`;

const COLUMNS = 'payload, extract(epoch from consumed_at)::float8 as consumed_at';

const STATEMENTS = {
  upsert: `insert into oidc_models (model, id, payload, grant_id, user_code, uid, expires_at)
    values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
    on conflict (model, id) do update set payload = excluded.payload, grant_id = excluded.grant_id,
      user_code = excluded.user_code, uid = excluded.uid, expires_at = excluded.expires_at`,
  find: `select ${COLUMNS} from oidc_models where model = $1 and id = $2`,
  findByUid: `select ${COLUMNS} from oidc_models where model = $1 and uid = $2`,
  findByUserCode: `select ${COLUMNS} from oidc_models where model = $1 and user_code = $2`,
  consume: 'update oidc_models set consumed_at = now() where model = $1 and id = $2',
  destroy: 'delete from oidc_models where model = $1 and id = $2',
  revokeByGrantId: 'delete from oidc_models where model = $1 and grant_id = $2',
};

/**
 * @param {{ connectionString: string, connections: number }} options
 * @returns {Promise<import('oidc-provider').AdapterFactory>} when the table exists
 */
export async function crudAdapter({ connectionString, connections }) {
  const pool = new pg.Pool({ connectionString, max: connections });
  pool.on('error', (error) => console.error(error.message));
  await pool.query(SCHEMA);

  /**
   * @param {keyof typeof STATEMENTS} name
   * @param {unknown[]} values
   */
  const run = (name, values) => pool.query({ name, text: STATEMENTS[name], values });

  /**
   * @param {keyof typeof STATEMENTS} name
   * @param {unknown[]} values
   */
  const one = async (name, values) => {
    const { rows } = await run(name, values);
    const row = rows[0];
    if (!row) return undefined;
    return row.consumed_at === null ? row.payload : { ...row.payload, consumed: row.consumed_at };
  };

  return (model) => ({
    upsert: async (id, payload, expiresIn) => {
      await run('upsert', [
        model,
        id,
        JSON.stringify(payload),
        payload.grantId ?? null,
        payload.userCode ?? null,
        payload.uid ?? null,
        expiresIn || null,
      ]);
    },
    find: (id) => one('find', [model, id]),
    findByUid: (uid) => one('findByUid', [model, uid]),
    findByUserCode: (userCode) => one('findByUserCode', [model, userCode]),
    consume: async (id) => {
      await run('consume', [model, id]);
    },
    destroy: async (id) => {
      await run('destroy', [model, id]);
    },
    revokeByGrantId: async (grantId) => {
      await run('revokeByGrantId', [model, grantId]);
    },
  });
}
