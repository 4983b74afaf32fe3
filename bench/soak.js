import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { numberGiven, startAlone } from './alone.js';
import { API_SCOPE } from './conditions.js';
import { auditLag } from './filler.js';
import { inParallel, post } from './http.js';
import { UserAgent } from './user-agent.js';

/**
 * Many requests for a long time, at a steady rate: memory, connections and latency at the end must be
 * those of the beginning. `npm run bench:soak -- --minutes 30 --rate 150`
 */

const minutes = numberGiven('minutes', 30);
const rate = numberGiven('rate', 150);
/** More requests under way than this, and the rate is more than the server can do. */
const MOST_UNDER_WAY = 256;
const SAMPLES = 12;
/** Seconds. Tokens expire as fast as they are issued for most of the time, as in a server that runs for days. */
const ACCESS_TOKEN_LIFETIME = 300;
/** After so long another token is introspected. */
const RENEWED_MS = 60_000;

const given = { accessTokenLifetime: ACCESS_TOKEN_LIFETIME };
const { server, client: observer, stop } = await startAlone(given);

try {
  const { token_endpoint: tokens, introspection_endpoint: introspection } = server.endpoints;
  const { opaque, web } = server.clients;
  const families = await inParallel(web.length, async (nth) => {
    const client = web[nth];
    const browser = new UserAgent(server.person);
    const { code, codeVerifier } = await browser.authorize(
      server.endpoints.authorization_endpoint,
      client,
    );
    const { refresh_token } = await post(tokens, client, {
      grant_type: 'authorization_code',
      code,
      code_verifier: codeVerifier,
      redirect_uri: client.redirectUris[0],
    });
    return { client, token: String(refresh_token), busy: false };
  });
  const issue = () => post(tokens, opaque, { grant_type: 'client_credentials', scope: API_SCOPE });
  let introspected = await issue();
  let renewed = performance.now();

  /** Half introspection, a third new tokens, the rest rotations. */
  const request = async (/** @type {number} */ nth) => {
    if (nth % 2 === 0) {
      const { active } = await post(introspection, opaque, { token: introspected.access_token });
      if (!active) throw new Error('a token that is good was called inactive');
      return;
    }
    const family = families[nth % families.length];
    if (nth % 3 === 0 || family.busy) {
      const issued = await issue();
      if (performance.now() - renewed < RENEWED_MS) return;
      renewed = performance.now();
      introspected = issued;
      return;
    }
    family.busy = true;
    const { refresh_token } = await post(tokens, family.client, {
      grant_type: 'refresh_token',
      refresh_token: family.token,
    });
    family.token = String(refresh_token);
    family.busy = false;
  };

  console.log(
    '| minute | requests | failed | p50 ms | p99 ms | resident MiB | connections | events in the log | not yet in the audit index |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  let [sent, underWay, failed] = [0, 0, 0];
  /** @type {number[]} */
  let times = [];
  const begin = performance.now();
  const end = begin + minutes * 60_000;
  let report = begin + (minutes * 60_000) / SAMPLES;
  while (report <= end) {
    const due = ((performance.now() - begin) / 1000) * rate;
    while (sent < due && underWay < MOST_UNDER_WAY) {
      const started = performance.now();
      underWay++;
      request(sent++)
        .catch(() => failed++)
        .finally(() => {
          underWay--;
          times.push(performance.now() - started);
        });
    }
    if (performance.now() > report) {
      report += (minutes * 60_000) / SAMPLES;
      times.sort((a, b) => a - b);
      const at = (/** @type {number} */ share) =>
        times[Math.floor(times.length * share)].toFixed(1);
      const minute = ((performance.now() - begin) / 60_000).toFixed(1);
      const cells = [
        minute,
        sent,
        failed,
        at(0.5),
        at(0.99),
        await resident(),
        await connections(),
        await events(),
        await auditLag(observer),
      ];
      console.log(`| ${cells.join(' | ')} |`);
      times = [];
    }
    await sleep(5);
  }
} finally {
  await stop();
}

async function resident() {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

async function connections() {
  const { rows } = await observer.query(
    'select count(*)::int as n from pg_stat_activity where datname = current_database()',
  );
  return rows[0].n - 1;
}

async function events() {
  const { rows } = await observer.query('select max(position) as n from log.events');
  return rows[0].n;
}
