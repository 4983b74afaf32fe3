import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/**
 * What a server that has run for a while holds: tokens that nobody presents any more, with their
 * events where there are any. Written by SQL, which is the only way to have a million of them.
 */

const AT_ONCE = 50_000;
const VERSION = new URL('../dist/projections/version.js', import.meta.url).href;
const AUDIT_LOG = new URL('../dist/projections/audit-log.js', import.meta.url).href;

/** @type {Record<'muniment' | 'postgres', string>} statements that make `$1` tokens; read_models is the schema */
const STATEMENTS = {
  muniment: `
    with made as (
      select nth, encode(sha256(gen_random_uuid()::text::bytea), 'hex') as digest
      from generate_series(1, $1::int) nth
    ), begun as (
      select coalesce(max(position), 0) as position from log.events
    ), recorded as (
      insert into log.events (position, stream, revision, id, type, data, metadata, created)
      select b.position + m.nth, 'token-' || m.digest, 0, gen_random_uuid(), 'ClientTokenIssued',
        jsonb_set(e.data, '{digest}', to_jsonb(m.digest)), e.metadata, now()
      from made m, begun b,
        (select data, metadata from log.events where type = 'ClientTokenIssued' limit 1) e
    )
    insert into read_models.tokens
    select (jsonb_populate_record(one.token, jsonb_build_object('digest', m.digest))).*
    from made m, (select t as token from read_models.tokens t where kind = 'client_token' limit 1) one`,
  postgres: `
    insert into oidc_models (model, id, payload, expires_at)
    select 'ClientCredentials', m.id, jsonb_set(p.payload, '{jti}', to_jsonb(m.id)), now()
    from (select replace(gen_random_uuid()::text, '-', '') as id from generate_series(1, $1::int)) m,
      (select jsonb_build_object('jti', '', 'kind', 'ClientCredentials', 'clientId', 'bench-opaque',
         'aud', 'https://api.bench.example', 'scope', 'bench', 'iat', 0, 'exp', 0) as payload) p`,
};

/**
 * @param {string} databaseUrl
 * @param {keyof typeof STATEMENTS} whose
 * @param {number} tokens
 */
export async function fill(databaseUrl, whose, tokens) {
  if (tokens === 0) return;
  const { READ_SCHEMA } = await import(VERSION);
  const statement = STATEMENTS[whose].replaceAll('read_models', READ_SCHEMA);
  const client = new pg.Client(databaseUrl);
  await client.connect();
  for (let left = tokens; left > 0; left -= AT_ONCE) {
    await client.query(statement, [Math.min(left, AT_ONCE)]);
  }
  if (whose === 'muniment') await untilIndexed(client);
  await client.query('vacuum analyze');
  await client.end();
}

/**
 * Resolves when the server has indexed what was written by SQL: nothing that is measured is to share the
 * machine with that.
 *
 * @param {pg.Client} client
 */
export async function untilIndexed(client) {
  while ((await auditLag(client)) !== 0) await sleep(500);
}

/** Events that the audit index, which follows the log, does not show. @param {pg.Client} client */
export async function auditLag(client) {
  const { AUDIT_SCHEMA } = await import(AUDIT_LOG);
  const { rows } = await client.query(
    `select max(e.position) - max(c.position::bigint) as lag
     from (select max(position) as position from log.events) e, ${AUDIT_SCHEMA}.checkpoint c`,
  );
  return rows[0].lag === null ? null : Number(rows[0].lag);
}
