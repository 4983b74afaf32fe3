import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { fillForAdministrators, sizesFor } from './admin-filler.js';
import { lists } from './admin-lists.js';
import { numberGiven, startAlone } from './alone.js';
import { post } from './http.js';

/**
 * How fast the lists of the Admin API are when there is much to list, and whether any of them reads a
 * large table from end to end. `npm run bench:admin -- --tokens 1000000`
 */

const tokens = numberGiven('tokens', 200_000);
const seconds = numberGiven('seconds', 3);
const connections = numberGiven('connections', 8);

/** A table with fewer rows may well be read as a whole. */
const LARGE = 20_000;
const PAGE = 50;
/** So many full pages before the one in the middle. */
const PAGES_BEFORE = 20;
/** What a session of PostgreSQL has read is counted a second later at most. */
const COUNTED_MS = 1_100;

const { server, client, stop } = await startAlone();

try {
  if (!server.admin) throw new Error('the server has no Admin API');
  const { graphql, credentials } = server.admin;
  const { access_token: token } = await post(server.endpoints.token_endpoint, credentials, {
    grant_type: 'client_credentials',
    scope: 'admin:*',
  });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };

  const { rows: schemas } = await client.query(
    `select table_schema as schema from information_schema.tables where table_name = 'grants'`,
  );
  const begin = performance.now();
  const sizes = sizesFor(tokens);
  await fillForAdministrators(client, schemas[0].schema, sizes);
  console.log(
    `Filled in ${Math.round((performance.now() - begin) / 1_000)} s: ${JSON.stringify(sizes)}.\n`,
  );

  console.log('| list | filter | requests/s | p50 ms | p99 ms | errors | read from end to end |');
  console.log('|---|---|---|---|---|---|---|');
  for (const { list, fields, asked } of lists) {
    const page = (/** @type {string} */ more) =>
      `{ ${list}(first: ${PAGE}${more && `, ${more}`}) { nodes { ${fields} } pageInfo { endCursor hasNextPage } } }`;
    const cells = { 'first page': '', ...asked };
    for (const [name, more] of Object.entries(cells)) await measure(list, name, page(more));
    const cursor = await deep(page, list);
    if (cursor) await measure(list, 'a page further on', page(`after: "${cursor}"`));
  }

  /** The cursor some pages further on; null when there is one page only. @param {(more: string) => string} page @param {string} list */
  async function deep(page, list) {
    /** @type {string | null} */
    let cursor = null;
    for (let nth = 0; nth < PAGES_BEFORE; nth++) {
      const answer = await ask(page(cursor ? `after: "${cursor}"` : ''));
      /** @type {{ hasNextPage: boolean, endCursor: string }} */
      const pageInfo = answer[list].pageInfo;
      if (!pageInfo.hasNextPage) break;
      cursor = pageInfo.endCursor;
    }
    return cursor;
  }

  /** @param {string} query @returns {Promise<Record<string, any>>} */
  async function ask(query) {
    const body = JSON.stringify({ query });
    const response = await fetch(graphql, { method: 'POST', headers, body });
    const { data, errors } = /** @type {any} */ (await response.json());
    if (errors) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  }

  /** @param {string} list @param {string} name @param {string} query */
  async function measure(list, name, query) {
    const load = {
      ...{ url: graphql, method: /** @type {const} */ ('POST'), headers, connections },
      body: JSON.stringify({ query }),
      verifyBody: (/** @type {any} */ body) => !String(body).includes('"errors"'),
    };
    // With the next that a session does, what it read before is counted.
    await autocannon({ ...load, amount: 8 * connections });
    await sleep(COUNTED_MS);
    const before = await scans();
    const { requests, latency, errors, non2xx, mismatches } = await autocannon({
      ...load,
      duration: seconds,
    });
    await sleep(COUNTED_MS);
    const after = await scans();
    // What the cell before has left uncounted is a small part of what this one asked.
    const read = [...after]
      .filter(([table, count]) => count - (before.get(table) ?? 0) > requests.total / 2)
      .map(([table]) => table);
    const failed = errors + non2xx + mismatches;
    if (read.length > 0 || failed > 0) process.exitCode = 1;
    console.log(
      `| ${list} | ${name} | ${Math.round(requests.total / seconds)} | ${latency.p50} | ${latency.p99} | ${failed} | ${read.join(', ')} |`,
    );
  }

  /** How often each large table was read from end to end. @returns {Promise<Map<string, number>>} */
  async function scans() {
    const { rows } = await client.query(
      `select relname, seq_scan::int as count from pg_stat_user_tables where n_live_tup >= $1`,
      [LARGE],
    );
    return new Map(rows.map(({ relname, count }) => [relname, count]));
  }
} finally {
  await stop();
}
