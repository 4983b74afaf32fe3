import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { munimentIsBuilt, startContender } from './contenders.js';
import { startDatabase } from './database.js';
import { machineFacts } from './machine.js';
import { readOptions, USAGE } from './options.js';
import { describeAnswers, differences } from './parity.js';
import { asMarkdown } from './report.js';

const LOAD = fileURLToPath(new URL('load.js', import.meta.url));

const options = readOptions();
if (options.help) console.log(USAGE);
else await main();

async function main() {
  const servers = options.servers.filter((name) => name !== 'muniment' || munimentIsBuilt());
  if (servers.length < options.servers.length) say('There is no dist/: only the peers run.');

  const database = await startDatabase();
  /** @type {import('./contenders.js').Contender[]} */
  const contenders = [];
  process.once('SIGINT', () => stopAll().finally(() => process.exit(130)));
  const stopAll = async () => {
    await Promise.all(contenders.splice(0).map((each) => each.stop()));
    await database.stop();
  };
  try {
    for (const name of servers) contenders.push(await startContender(name, database, []));
    const answers = new Map();
    for (const each of contenders) answers.set(each.title, await describeAnswers(each));
    const rows = [];
    for (const cell of options.cells) rows.push(await measure(cell, contenders, database));
    /** @type {import('./report.js').Report} */
    const report = {
      date: new Date().toISOString().slice(0, 16),
      commit: execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
      machine: machineFacts(),
      database: database.facts,
      conditions: {
        connections: options.connections,
        rounds: options.rounds,
        seconds: options.seconds,
        warmUpSeconds: options.warmUpSeconds,
        codes: options.codes,
      },
      servers,
      rows,
      differences: differences(answers),
    };
    console.log(options.json ? JSON.stringify(report, asJson, 2) : asMarkdown(report));
  } finally {
    await stopAll();
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
      const { warmUpBodies, bodies } = await cell.prepare(contender, options);
      await database.settle();
      const result = await load({
        url: contender.endpoints[cell.endpoint],
        use: cell.use,
        expect: cell.expect,
        warmUpBodies,
        bodies,
        connections: options.connections,
        warmUpSeconds: options.warmUpSeconds,
        seconds: options.seconds,
        pids: { server: contender.pid, database: database.pid },
      });
      rounds[contender.name] = [...(rounds[contender.name] ?? []), result];
      const { perSecond, p50, p99, cores } = result;
      say(
        `${cell.name} ${round + 1}/${options.rounds} ${contender.title}: ${Math.round(perSecond)}/s, p50 ${p50?.toFixed(1)}, p99 ${p99?.toFixed(1)}${cores ? `, others ${cores.others.toFixed(2)} cores` : ''}`,
      );
    }
  }
  return { cell: cell.name, title: cell.title, rounds };
}

/**
 * @param {import('./load.js').Job} job
 * @returns {Promise<import('./load.js').Result>}
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
