import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { numberGiven, startAlone } from './alone.js';
import { API_SCOPE, basicAuthorization } from './conditions.js';
import { untilIndexed } from './filler.js';
import { inParallel, post } from './http.js';
import { UserAgent } from './user-agent.js';

/**
 * How fast the read models are built anew from the log while the server serves, and what requests feel
 * of it. `npm run bench:rebuild -- --events 1000000 --seconds 10`
 */

const CONNECTIONS = 8;
const AT_ONCE = 500;
const DIST = new URL('../dist/', import.meta.url).href;

/**
 * Copies streams that real requests have made, under new ids, as often as it takes: a grant with its
 * code, tokens, refreshes and revocations, or the token of a client. `$1` and `$2`: from which copy to
 * which. Ids are in the names of streams and in the facts, digests in the facts alone.
 */
const MULTIPLY = `
  with copied as (
    select e.*, n, substr(e.stream, strpos(e.stream, '-') + 1) as entity,
      lpad(to_hex(n), 8, '0') as begins
    from generate_series($1::int, $2::int) n, bench_templates e
  ), begun as (select max(position) as position from log.events)
  insert into log.events (position, stream, revision, id, type, data, metadata, created)
  select b.position + row_number() over (order by n, nth),
    case when stream ~ '^token-' then 'token-' || begins || substr(entity, 9) else stream || '.' || n end,
    revision, gen_random_uuid(), type,
    replace(regexp_replace(data::text, '"[0-9a-f]{8}([0-9a-f]{56})"', '"' || begins || '\\1"', 'g'),
      '"' || entity || '"', '"' || entity || '.' || n || '"')::jsonb,
    metadata, created
  from copied c, begun b`;

if (process.argv.includes('--only-rebuild')) await rebuildOnly(process.argv.at(-1) ?? '');
else await main();

async function main() {
  const events = numberGiven('events', 1_000_000);
  const seconds = numberGiven('seconds', 10);
  const rate = numberGiven('rate', 0);
  const { server, client, stop } = await startAlone();
  try {
    await makeTemplates(server);
    await multiply(client, events);
    const { rows } = await client.query(
      'select current_database() as name, inet_server_port() port',
    );
    const url = databaseUrl(client, rows[0].name);
    // The first makes the rows of what was written by SQL; the second is measured.
    await rebuildBeside(url);
    await untilIndexed(client);
    await client.query('vacuum analyze');
    await client.query('checkpoint');
    const before = await underLoad(server, rate, async () => {
      await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    });
    /** @type {Awaited<ReturnType<typeof rebuildBeside>> | undefined} */
    let rebuilt;
    const during = await underLoad(server, rate, async () => {
      rebuilt = await rebuildBeside(url);
    });
    console.log('| | |\n|---|---|');
    console.log(`| events | ${rebuilt?.events.toLocaleString('en')} |`);
    console.log(`| built, events/s | ${rebuilt?.eventsPerSecond.toLocaleString('en')} |`);
    console.log(`| with comparison and change-over, s | ${rebuilt?.seconds} |`);
    console.log(`| rows that differ | ${rebuilt?.divergences} |`);
    for (const [when, load] of Object.entries({ before, during })) {
      const { requests, errors, p50, p99 } = load;
      console.log(`| ${when}: requests, errors | ${requests}, ${errors} |`);
      console.log(`| ${when}: p50, p99, ms | ${p50}, ${p99} |`);
    }
    if (rebuilt?.divergences !== 0 || during.errors > 0) process.exitCode = 1;
  } finally {
    await stop();
  }
}

/** @param {Server} server @typedef {Awaited<ReturnType<typeof startAlone>>['server']} Server */
async function makeTemplates({ endpoints, clients, person }) {
  await inParallel(20, () => tokenRequest({ endpoints, clients }));
  const browser = new UserAgent(person);
  const { token_endpoint: endpoint, authorization_endpoint: authorize } = endpoints;
  for (const each of clients.web) {
    const { code, codeVerifier } = await browser.authorize(authorize, each);
    let tokens = await post(endpoint, each, {
      grant_type: 'authorization_code',
      code,
      code_verifier: codeVerifier,
      redirect_uri: each.redirectUris[0] ?? '',
    });
    for (let refreshes = 0; refreshes < 3 && tokens.refresh_token; refreshes++) {
      const { refresh_token } = tokens;
      tokens = await post(endpoint, each, { grant_type: 'refresh_token', refresh_token });
    }
    await fetch(endpoint.replace(/token$/, 'revoke'), {
      method: 'POST',
      headers: { authorization: basicAuthorization(each) },
      body: new URLSearchParams({ token: tokens.access_token }),
    });
  }
}

/** @param {Pick<Server, 'endpoints' | 'clients'>} server */
function tokenRequest({ endpoints, clients }) {
  return post(endpoints.token_endpoint, clients.opaque, {
    grant_type: 'client_credentials',
    scope: API_SCOPE,
  });
}

/** @param {pg.Client} client @param {number} events */
async function multiply(client, events) {
  await client.query(`create temporary table bench_templates as
    select e.*, row_number() over (order by position) as nth from log.events e
    where stream ~ '^(grant|token)-'`);
  const { rows } = await client.query('select count(*)::int as count from bench_templates');
  const copies = Math.ceil(events / rows[0].count);
  for (let from = 1; from <= copies; from += AT_ONCE) {
    await client.query('begin');
    // That of log.append: positions have no gaps.
    await client.query('select pg_advisory_xact_lock(746601)');
    await client.query(MULTIPLY, [from, Math.min(copies, from + AT_ONCE - 1)]);
    await client.query('commit');
  }
  await client.query('vacuum analyze log.events');
}

/** @param {pg.Client} client @param {string} name */
function databaseUrl({ host, port, user, password }, name) {
  const secret = password ? `:${encodeURIComponent(password)}` : '';
  const at = host.startsWith('/') ? `/${name}?host=${encodeURIComponent(host)}&port=${port}` : '';
  return at
    ? `postgres://${user}${secret}@localhost${at}`
    : `postgres://${user}${secret}@${host}:${port}/${name}`;
}

/**
 * Rebuilds in a process of its own, as the command does.
 *
 * @param {string} url
 * @returns {Promise<{ events: number, eventsPerSecond: number, seconds: number, divergences: number }>}
 */
async function rebuildBeside(url) {
  const flags = process.argv.includes('--cpu-prof') ? ['--cpu-prof'] : [];
  const child = spawn(
    process.execPath,
    [...flags, fileURLToPath(import.meta.url), '--only-rebuild', url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error('the rebuild failed');
  return JSON.parse(text);
}

/** @param {string} url */
async function rebuildOnly(url) {
  /** @type {typeof import('../src/projections/rebuild.ts')} */
  const { rebuild } = await import(`${DIST}projections/rebuild.js`);
  /** @type {typeof import('../src/projections/index.ts')} */
  const { protocolReadModels } = await import(`${DIST}projections/index.js`);
  /** @type {typeof import('../src/eventstore/postgres.ts')} */
  const { postgresEventStore } = await import(`${DIST}eventstore/postgres.js`);
  /** @type {typeof import('../src/platform/postgres.ts')} */
  const { connectPostgres } = await import(`${DIST}platform/postgres.js`);
  const pool = connectPostgres(url);
  const store = postgresEventStore({ pool });
  const start = performance.now();
  let eventsPerSecond = 0;
  const { events, divergences } = await rebuild({
    pool,
    store,
    projections: protocolReadModels,
    progress: (done) => {
      ({ eventsPerSecond } = done);
    },
  });
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  const result = { events, eventsPerSecond, seconds, divergences: divergences.length };
  await store.close();
  await pool.end();
  process.stdout.write(JSON.stringify(result));
}

/**
 * Token requests while something goes on: so many a second, timed from when each was due, or with rate 0
 * as many as are answered, each connection the next when the last is.
 *
 * @param {Server} server
 * @param {number} rate
 * @param {() => Promise<void>} work
 */
async function underLoad(server, rate, work) {
  /** @type {number[]} */
  const took = [];
  let errors = 0;
  let over = false;
  const begun = performance.now();
  let sent = 0;
  const connection = async () => {
    while (!over) {
      const due = rate > 0 ? begun + (1_000 * sent++) / rate : 0;
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      const start = rate > 0 ? due : performance.now();
      await tokenRequest(server).catch(() => errors++);
      took.push(performance.now() - start);
    }
  };
  const all = Promise.all(Array.from({ length: CONNECTIONS }, connection));
  await work().finally(() => {
    over = true;
  });
  await all;
  took.sort((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    Number((took[Math.floor(took.length * share)] ?? 0).toFixed(1));
  return { requests: took.length, errors, p50: at(0.5), p99: at(0.99) };
}
