/**
 * What an administrator of a large installation has to look through: written by SQL, which is the only
 * way to have a million tokens. All of it hangs together: person, client, session and grant of the same
 * number belong to each other.
 */

/** @typedef {{ users: number, clients: number, grants: number, tokens: number, requests: number }} Sizes */

/** @param {number} tokens @returns {Sizes} */
export function sizesFor(tokens) {
  const share = (/** @type {number} */ of) => Math.max(100, Math.round(tokens / of));
  return {
    users: share(10),
    clients: share(100),
    grants: share(10),
    tokens,
    requests: share(20),
  };
}

/**
 * By table: how many rows, and what the `nth` of them says, as SQL for JSON. Times lie within the last
 * thirty days, those of tokens and requests end within the next thirty.
 *
 * @param {Sizes} sizes
 * @returns {[table: string, rows: number, says: string][]}
 */
function contents({ users, clients, grants, tokens, requests }) {
  const ago = (/** @type {number} */ rows) => `now() - nth * interval '30 days' / ${rows}`;
  const ahead = (/** @type {number} */ rows) => `now() + nth * interval '30 days' / ${rows}`;
  const every = (/** @type {number} */ n, /** @type {string} */ what) =>
    `case when nth % ${n} = 0 then ${what} end`;
  const ofUser = `'bench-user-' || nth % ${users}`;
  const ofClient = `'bench-client-' || nth % ${clients}`;
  const request = `'digest', 'bench-' || nth, 'client_id', ${ofClient}, 'sub', ${ofUser}, 'scopes', '["openid"]'::jsonb,
    'parameters', '{}'::jsonb, 'poll_interval', 5, 'requested_at', ${ago(requests)}, 'expires_at', ${ahead(requests)},
    'approved_at', ${every(3, 'now()')}, 'denied_at', ${every(7, 'now()')}`;
  return [
    [
      'users',
      users,
      `'sub', 'bench-user-' || nth, 'username_digest', 'bench-' || nth, 'roles',
       case when nth % 1000 = 0 then '["auditor"]' else '[]' end::jsonb, 'created_at', ${ago(users)},
       'changed_at', now(), 'disabled_at', ${every(100, 'now()')}`,
    ],
    [
      'clients',
      clients,
      `'client_id', 'bench-client-' || nth, 'display_name', 'Application ' || nth,
       'created_at', ${ago(clients)}, 'disabled_at', ${every(50, 'now()')}`,
    ],
    [
      'sessions',
      grants,
      `'uid', 'bench-' || nth, 'sub', ${ofUser}, 'auth_time', ${ago(grants)}, 'amr', '["pwd"]'::jsonb,
       'started_at', ${ago(grants)}, 'ended_at', ${every(2, 'now()')}, 'end_reason', ${every(2, `'signed_out'`)}`,
    ],
    [
      'grants',
      grants,
      `'grant_id', 'bench-' || nth, 'sub', ${ofUser}, 'client_id', ${ofClient}, 'session_uid', 'bench-' || nth,
       'scopes', '["openid"]'::jsonb, 'claims', '[]'::jsonb, 'resources', '{}'::jsonb, 'declined', '{}'::jsonb,
       'basis', 'consent', 'opened_at', ${ago(grants)}, 'revoked_at', ${every(10, 'now()')}`,
    ],
    [
      'consents',
      grants,
      `'consent_id', 'bench-user-' || nth || '.bench-client-' || nth % ${clients}, 'sub', ${ofUser},
       'client_id', ${ofClient}, 'scopes', '["openid"]'::jsonb, 'claims', '[]'::jsonb, 'resources', '{}'::jsonb,
       'granted_at', ${ago(grants)}, 'withdrawn_at', ${every(10, 'now()')}`,
    ],
    [
      'notices',
      requests,
      `'notice_id', 'bench-' || nth, 'kind', 'backchannel_logout', 'client_id', ${ofClient},
       'about', 'bench-' || nth, 'attempts', 1, 'tried_at', ${ago(requests)},
       'delivered_at', case when nth % 50 > 0 then now() end, 'error', ${every(50, `'503'`)}`,
    ],
    ['device_authorizations', requests, request],
    ['backchannel_requests', requests, request],
    [
      'tokens',
      tokens,
      `'digest', encode(sha256(('bench ' || nth)::bytea), 'base64'), 'format', 'reference',
       'kind', case nth % 4 when 0 then 'client_token' when 1 then 'access_token' when 2 then 'refresh_token'
         else 'authorization_code' end,
       'grant_id', case when nth % 4 > 0 then 'bench-' || nth % ${grants} end,
       'client_id', case when nth % 4 = 0 then ${ofClient} end, 'scopes', '["openid"]'::jsonb, 'parameters', '{}'::jsonb,
       'issued_at', ${ago(tokens)}, 'expires_at', ${ahead(tokens)} - interval '10 days',
       'redeemed_at', case when nth % 4 = 3 then now() end, 'revoked_at', ${every(20, 'now()')}`,
    ],
  ];
}

/** Events for each token, in the audit index alone: what it is asked for is answered without the log. */
const EVENTS = `insert into audit_1.events select e.* from generate_series(1, $1::int) nth
  cross join lateral jsonb_populate_record(null::audit_1.events, jsonb_build_object(
    'position', '1' || lpad(nth::text, 19, '0'), 'at', now() - ($1 - nth) * interval '30 days' / $1,
    'type', case when nth % 4 = 0 then 'ClientTokenIssued' when nth % 1000 = 1 then 'ClientSecretAdded'
      else 'AccessTokenIssued' end,
    'category', case when nth % 4 = 0 then 'token' when nth % 1000 = 1 then 'client' else 'grant' end,
    'entity_id', 'bench-' || nth, 'revision', 0, 'actor_type', 'client', 'actor_id', 'bench-client-' || nth % $2::int,
    'client_id', 'bench-client-' || nth % $2, 'sub', 'bench-user-' || nth % $3::int, 'request_id', 'r' || nth,
    'correlation_id', 'c' || nth, 'address_digest', case when nth % 100 = 0 then (select address_digest
      from audit_1.events where address_digest is not null limit 1) else 'a' || nth % 1000 end)) e`;

/**
 * @param {import('pg').Client} client
 * @param {string} read the schema of the read models
 * @param {Sizes} sizes
 */
export async function fillForAdministrators(client, read, sizes) {
  for (const [table, rows, says] of contents(sizes)) {
    // What is not said is as it is of a row that is there, if there is one.
    await client.query(
      `with model as (select * from ${read}.${table} limit 1)
       insert into ${read}.${table} select r.* from generate_series(1, $1::int) nth
       left join model on true cross join lateral
       jsonb_populate_record(null::${read}.${table}, coalesce(to_jsonb(model), '{}') || jsonb_build_object('revision', 0, ${says})) r`,
      [rows],
    );
  }
  await client.query(EVENTS, [sizes.tokens, sizes.clients, sizes.users]);
  await client.query('vacuum analyze');
}
