import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ALGORITHMS } from './conditions.js';
import { munimentIsBuilt, startContender } from './contenders.js';
import { startDatabase } from './database.js';
import { machineFacts, untilQuiet } from './machine.js';
import { readOptions, USAGE } from './options.js';
import { describeAnswers, differences } from './parity.js';
import { profileAsMarkdown } from './profile.js';
import { asMarkdown, disturbed } from './report.js';

const LOAD = fileURLToPath(new URL('load.js', import.meta.url));

/** The first warm-up of a cell is so much longer: V8 compiles what runs often. */
const FIRST_WARM_UPS = 4;

/** @typedef {import('./load.js').Result} Result */

const options = readOptions();
if (options.help) console.log(USAGE);
else await main();

async function main() {
  const servers = options.servers.filter((name) => name !== 'muniment' || munimentIsBuilt());
  if (servers.length < options.servers.length)
    say('There is no build of Muniment: only the peers run.');
  const profiles = options.profile ? mkdtempSync(join(tmpdir(), 'muniment-profile-')) : undefined;

  const database = await startDatabase();
  /** @type {import('./contenders.js').Contender[]} */
  const contenders = [];
  /** @type {Promise<void> | undefined} */
  let stopping;
  const stopAll = () => {
    stopping ??= Promise.all(contenders.map((each) => each.stop())).then(() => database.stop());
    return stopping;
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => stopAll().finally(() => process.exit(1)));
  }

  /** @type {Parameters<typeof differences>[0]} */
  const descriptions = new Map();
  let algorithms = ALGORITHMS;
  const rows = [];
  try {
    for (const name of servers) {
      const nodeFlags = profiles ? ['--cpu-prof', `--cpu-prof-dir=${join(profiles, name)}`] : [];
      const contender = await startContender(name, database, { ...options, nodeFlags, algorithms });
      contenders.push(contender);
      const description = await describeAnswers(contender);
      descriptions.set(contender.title, description);
      if (name === 'muniment') algorithms = description.algorithms;
    }
    for (const cell of options.cells) rows.push(await measure(cell, contenders, database));
  } finally {
    await stopAll();
  }

  /** @type {import('./report.js').Report} */
  const report = {
    date: new Date().toISOString().slice(0, 16),
    commit: execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
    machine: machineFacts(),
    database: database.facts,
    conditions: {
      connections: options.connections,
      workers: options.workers,
      tokens: options.tokens,
      rounds: options.rounds,
      seconds: options.seconds,
      warmUpSeconds: options.warmUpSeconds,
      codes: options.codes,
      warmUpCodes: options.warmUpCodes,
      signatureOfIdTokens: algorithms.idToken,
      signatureOfAccessTokens: algorithms.accessToken,
    },
    servers,
    rows,
    differences: differences(descriptions),
  };
  console.log(options.json ? JSON.stringify(report, asJson, 2) : asMarkdown(report));
  if (profiles && !options.json) {
    for (const name of servers) {
      const windows = rows.flatMap(({ rounds }) => (rounds[name] ?? []).map((each) => each.window));
      console.log(`\n${profileAsMarkdown(join(profiles, name), windows)}`);
    }
  }
}

/**
 * @param {import('./cells.js').Cell} cell
 * @param {import('./contenders.js').Contender[]} contenders
 * @param {import('./database.js').Database} database
 * @returns {Promise<import('./report.js').Row>}
 */
async function measure(cell, contenders, database) {
  /** @type {import('./report.js').Row['rounds']} */
  const rounds = {};
  for (let round = 0; round < options.rounds; round++) {
    // A B C, then B C A: nobody always comes after the same neighbour.
    const turn = round % contenders.length;
    for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      const warmUps = round === 0 ? FIRST_WARM_UPS : 1;
      const result = await quietest(() => timed(cell, contender, database, warmUps));
      rounds[contender.name] = [...(rounds[contender.name] ?? []), result];
    }
  }
  return { cell: cell.name, title: cell.title, rounds };
}

/** Repeats a disturbed window and takes the least disturbed. @param {() => Promise<Result>} run */
async function quietest(run) {
  let best = await run();
  for (let retry = 0; retry < options.retries && disturbed(best); retry++) {
    const next = await run();
    if ((next.cores?.others ?? 0) < (best.cores?.others ?? 0)) best = next;
  }
  return best;
}

/**
 * One window of one server. What it needs is made anew, so that no window inherits from another.
 *
 * @param {import('./cells.js').Cell} cell
 * @param {import('./contenders.js').Contender} contender
 * @param {import('./database.js').Database} database
 * @param {number} warmUps
 */
async function timed(cell, contender, database, warmUps) {
  const { warmUpBodies, bodies } = await cell.prepare(contender, {
    ...options,
    warmUpCodes: options.warmUpCodes * warmUps,
  });
  await database.settle();
  await untilQuiet(options.patience);
  const result = await load({
    url: contender.endpoints[cell.endpoint],
    use: cell.use,
    expect: cell.expect,
    warmUpBodies,
    bodies,
    connections: options.connections,
    warmUpSeconds: options.warmUpSeconds * warmUps,
    seconds: options.seconds,
    pids: { server: contender.pid, database: database.pid },
  });
  const { perSecond, p50, p99, cores } = result;
  const others = cores ? `, others ${cores.others.toFixed(2)} cores` : '';
  say(
    `${cell.name}, ${contender.title}: ${Math.round(perSecond)}/s (${p50.toFixed(1)}, ${p99.toFixed(1)})${others}`,
  );
  return result;
}

/**
 * @param {import('./load.js').Job} job
 * @returns {Promise<Result>}
 */
async function load(job) {
  const child = fork(LOAD, { serialization: 'advanced' });
  child.send(job);
  const [result] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the load generator ended with ${code}`);
    }),
  ]);
  return result;
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}

/** @param {string} _ @param {unknown} value */
function asJson(_, value) {
  return typeof value === 'bigint' ? String(value) : value;
}
