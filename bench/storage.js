import { numberGiven, startAlone } from './alone.js';
import { API_SCOPE } from './conditions.js';
import { inParallel, post } from './http.js';
import { UserAgent } from './user-agent.js';

/**
 * What things cost in PostgreSQL: bytes of an event, a live token, a grant; and what is given back when
 * they are over. `npm run bench:storage -- --tokens 20000 --grants 2000`
 */

const TABLES = [
  'log.events',
  'read.tokens',
  'read.grants',
  'read.sessions',
  'read.session_clients',
];

const tokens = numberGiven('tokens', 20_000);
const grants = numberGiven('grants', 2_000);

const { server, client, stop } = await startAlone();

try {
  const { rows: schemas } = await client.query(
    `select table_schema as schema from information_schema.tables where table_name = 'grants'`,
  );
  /** @type {string} */
  const read = schemas[0].schema;
  const real = (/** @type {string} */ table) => table.replace('read.', `${read}.`);

  const before = await measure(real);
  const { token_endpoint: endpoint, authorization_endpoint: authorize } = server.endpoints;
  await inParallel(tokens, () =>
    post(endpoint, server.clients.opaque, {
      grant_type: 'client_credentials',
      scope: API_SCOPE,
    }),
  );
  const withTokens = await measure(real);

  // Sixteen grants to a session: as many applications as somebody has signed in to.
  const web = server.clients.web;
  await inParallel(Math.ceil(grants / web.length), async () => {
    const browser = new UserAgent(server.person);
    for (const each of web) {
      const { code, codeVerifier } = await browser.authorize(authorize, each);
      await post(endpoint, each, {
        grant_type: 'authorization_code',
        code,
        code_verifier: codeVerifier,
        redirect_uri: each.redirectUris[0],
      });
    }
  });
  const withGrants = await measure(real);

  const of = (/** @type {Sizes} */ a, /** @type {Sizes} */ b, /** @type {string} */ table) => ({
    rows: b[table].rows - a[table].rows,
    bytes: b[table].bytes - a[table].bytes,
  });
  const each = (/** @type {{ rows: number, bytes: number }} */ { rows, bytes }) =>
    rows > 0 ? Math.round(bytes / rows) : 0;
  console.log('| | rows | bytes each, with indexes |\n|---|---|---|');
  const line = (/** @type {string} */ what, /** @type {{ rows: number, bytes: number }} */ size) =>
    console.log(
      `| ${what} | ${size.rows.toLocaleString('en')} | ${each(size).toLocaleString('en')} |`,
    );
  line('event of a client token', of(before, withTokens, 'log.events'));
  line('live client token', of(before, withTokens, 'read.tokens'));
  line(
    'event of a sign-in with code, access and refresh token',
    of(withTokens, withGrants, 'log.events'),
  );
  line('token of a grant (code, access, refresh)', of(withTokens, withGrants, 'read.tokens'));
  line('grant', of(withTokens, withGrants, 'read.grants'));

  const given = await givenBack(read, real);
  console.log(`\nPruned when all was over: ${JSON.stringify(given.pruned)};`);
  console.log(`read models before ${given.before} bytes, after vacuum ${given.after} bytes.`);
} finally {
  await stop();
}

/**
 * @typedef {Record<string, { rows: number, bytes: number }>} Sizes
 * @param {(table: string) => string} real
 * @returns {Promise<Sizes>}
 */
async function measure(real) {
  /** @type {Sizes} */
  const sizes = {};
  for (const table of TABLES) {
    await client.query(`vacuum (analyze) ${real(table)}`);
    const { rows } = await client.query(
      `select count(*)::int as rows, pg_total_relation_size('${real(table)}')::int as bytes from ${real(table)}`,
    );
    sizes[table] = rows[0];
  }
  return sizes;
}

/**
 * What pruning gives back, once everything has expired.
 *
 * @param {string} read
 * @param {(table: string) => string} real
 */
async function givenBack(read, real) {
  /** @type {typeof import('../src/projections/prune.ts')} */
  const { prune } = await import(new URL('../dist/projections/prune.js', import.meta.url).href);
  const total = async () => {
    const { rows } = await client.query(
      `select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c
       join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'r'`,
      [read],
    );
    return Number(rows[0].bytes).toLocaleString('en');
  };
  const before = await total();
  const later = new Date(Date.now() + 10 * 365 * 86_400_000).toISOString();
  const pruned = await prune(
    read,
    { tokens: later, authorizations: later },
    { size: 500, batch: (work) => work(client).then(() => true) },
  );
  for (const table of TABLES.filter((name) => name.startsWith('read.'))) {
    await client.query(`vacuum full ${real(table)}`);
  }
  return { before, after: await total(), pruned };
}
