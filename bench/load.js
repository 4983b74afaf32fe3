import { once } from 'node:events';
import autocannon from 'autocannon';
import { cpuSeconds } from './machine.js';

/**
 * The load generator, a process of its own: receives one job, drives autocannon in a closed loop
 * (each connection sends its next request when the last one is answered), and reports.
 *
 * How the connections pick the bodies they send:
 * - `repeat`: each connection goes round in its share of the bodies;
 * - `once`: each body is sent exactly once, and the window ends with the last one;
 * - `chain`: the bodies are first refresh requests; each connection keeps as many chains as it got
 *   bodies and goes round in them, always with the refresh token of the answer before.
 *
 * @typedef {object} Job
 * @property {string} url
 * @property {'repeat' | 'once' | 'chain'} use
 * @property {Body[]} warmUpBodies
 * @property {Body[]} bodies
 * @property {string} expect part of every right answer
 * @property {number} connections
 * @property {number} warmUpSeconds
 * @property {number} seconds
 * @property {{ server: number, database: number | null }} pids
 *
 * @typedef {{ authorization: string, form: Record<string, string> }} Body
 *
 * @typedef {object} Result
 * @property {number} requests
 * @property {number} seconds
 * @property {number} perSecond
 * @property {number} p50 milliseconds
 * @property {number} p99 milliseconds
 * @property {number} errors broken connections and time-outs
 * @property {number} non2xx
 * @property {number} wrong answers without what was expected
 * @property {string | null} complaint the first answer that was not right
 * @property {{ server: number, database: number, load: number, others: number } | null} cores used
 * @property {[bigint, bigint]} window begin and end by the monotonic clock, nanoseconds
 */

// An interrupted bench takes its load along.
process.once('disconnect', () => process.exit());

const [job] = /** @type {[Job]} */ (await once(process, 'message'));
await run(job, job.warmUpBodies, job.warmUpSeconds);
process.send?.(await run(job, job.bodies, job.seconds));
process.disconnect();

/**
 * @param {Job} job
 * @param {Body[]} bodies
 * @param {number} seconds
 * @returns {Promise<Result>}
 */
async function run(job, bodies, seconds) {
  /** @type {number[]} */
  const latencies = [];
  /** @type {string | null} */
  let complaint = null;
  let connection = 0;

  /** @param {string | Buffer | undefined} body */
  const right = (body = '') => {
    const isRight = body.includes(job.expect);
    if (!isRight) complaint ??= body.toString().slice(0, 300);
    return isRight;
  };

  /** @type {ReturnType<typeof usage> | undefined} */
  let before;
  let end = 0n;
  /** @type {PromiseWithResolvers<autocannon.Result>} */
  const finished = Promise.withResolvers();
  /** @type {autocannon.Options} */
  const options = {
    url: job.url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    connections: job.connections,
    ...(job.use === 'once' ? { amount: bodies.length } : { duration: seconds }),
    // Finer than the second that is the default, so that a short window keeps its length.
    sampleInt: 50,
    verifyBody: right,
    setupClient: (client) => {
      const index = connection++;
      const share =
        bodies.length < job.connections
          ? bodies
          : bodies.filter((_, at) => at % job.connections === index);
      client.setRequests(job.use === 'chain' ? [chained(share)] : share.map(request));
    },
  };
  const instance = autocannon(options, (error, result) =>
    error ? finished.reject(error) : finished.resolve(result),
  );
  instance.on('start', () => {
    before = usage(job);
  });
  instance.on('response', (_, status, __, milliseconds) => {
    end = process.hrtime.bigint();
    if (status === 200) latencies.push(milliseconds);
  });
  const { errors, non2xx, mismatches } = await finished.promise;
  const after = usage(job);
  const begin = before?.at ?? after.at;
  const elapsed = Number(end - begin) / 1e9;
  latencies.sort((a, b) => a - b);
  return {
    requests: latencies.length,
    seconds: elapsed,
    perSecond: latencies.length / elapsed,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    errors,
    non2xx,
    wrong: mismatches,
    complaint,
    cores: before ? cores(before, after) : null,
    window: [begin, end],
  };
}

/** @param {Body} body @returns {autocannon.Request} */
function request({ authorization, form }) {
  return { headers: { authorization }, body: new URLSearchParams(form).toString() };
}

/** @param {Body[]} firsts @returns {autocannon.Request} */
function chained(firsts) {
  const chains = firsts.map((body) => ({ ...body, form: { ...body.form } }));
  let sent = -1;
  const current = () => chains[sent % chains.length];
  return {
    setupRequest: (defaults) => {
      sent++;
      const next = request(current());
      return { ...defaults, ...next, headers: { ...defaults.headers, ...next.headers } };
    },
    onResponse: (status, body) => {
      if (status === 200) current().form.refresh_token = JSON.parse(body).refresh_token;
    },
  };
}

/**
 * @param {number[]} sorted
 * @param {number} q
 */
function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** @param {Job} job */
function usage(job) {
  const { user, system } = process.cpuUsage();
  return { at: process.hrtime.bigint(), load: (user + system) / 1e6, ...cpuSeconds(job.pids) };
}

/**
 * @param {ReturnType<typeof usage>} before
 * @param {ReturnType<typeof usage>} after
 * @returns {Result['cores']}
 */
function cores(before, after) {
  const elapsed = Number(after.at - before.at) / 1e9;
  /** @param {'machine' | 'server' | 'database' | 'load'} who */
  const used = (who) => ((after[who] ?? Number.NaN) - (before[who] ?? Number.NaN)) / elapsed;
  const [server, database, load] = [used('server'), used('database'), used('load')];
  if (Number.isNaN(server)) return null;
  return { server, database, load, others: used('machine') - server - database - load };
}
