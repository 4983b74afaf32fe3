import { parseArgs } from 'node:util';
import { cells } from './cells.js';
import { titles } from './contenders.js';

export const USAGE = `Usage: npm run bench -- [options]

  --quick                one short round, for a first look
  --only <cell,…>        ${cells.map(({ name }) => name).join(', ')}
  --servers <server,…>   ${Object.keys(titles).join(', ')}
  --connections <n>      kept-alive connections (32)
  --workers <n>          processes of Muniment (1)
  --tokens <n>           expired tokens that the databases hold before anything begins (0)
  --rounds <n>           interleaved rounds, of which the median counts (3)
  --seconds <n>          timed window of a cell (5)
  --warm-up <n>          seconds before it (2)
  --codes <n>            codes per window of the code exchange (10000)
  --patience <n>         seconds to wait for an idle machine before a window (10)
  --retries <n>          how often a window is repeated that others on the machine disturbed (2)
  --json                 the whole result as JSON instead of tables
  --profile              CPU profile of each server over the timed windows; one round
`;

/** @typedef {ReturnType<typeof readOptions>} Options */

/** @throws Error naming the option that is wrong */
export function readOptions() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      only: { type: 'string' },
      servers: { type: 'string' },
      connections: { type: 'string' },
      workers: { type: 'string' },
      tokens: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      codes: { type: 'string' },
      patience: { type: 'string' },
      retries: { type: 'string' },
    },
  });
  const { quick, profile } = values;
  const codes = amount('codes', values.codes, quick ? 1500 : 10_000);
  return {
    help: values.help,
    json: values.json,
    profile,
    cells: chosen('only', values.only, cells, (cell) => cell.name),
    servers: chosen(
      'servers',
      values.servers,
      /** @type {import('./contenders.js').ContenderName[]} */ (Object.keys(titles)),
      (name) => name,
    ),
    connections: amount('connections', values.connections, 32),
    workers: amount('workers', values.workers, 1),
    tokens: amount('tokens', values.tokens, 0, 0),
    rounds: amount('rounds', values.rounds, quick || profile ? 1 : 3),
    seconds: amount('seconds', values.seconds, quick ? 2 : 5),
    warmUpSeconds: amount('warm-up', values['warm-up'], quick ? 1 : 2),
    patience: amount('patience', values.patience, quick ? 0 : 10, 0),
    retries: amount('retries', values.retries, quick ? 0 : 2, 0),
    codes,
    warmUpCodes: Math.ceil(codes / 10),
  };
}

/**
 * @template T
 * @param {string} option
 * @param {string | undefined} value
 * @param {readonly T[]} all
 * @param {(one: T) => string} nameOf
 * @returns {readonly T[]}
 */
function chosen(option, value, all, nameOf) {
  if (value === undefined) return all;
  const names = value.split(',');
  for (const name of names) {
    if (!all.some((one) => nameOf(one) === name)) {
      throw new Error(`--${option}: ${name} is none of ${all.map(nameOf).join(', ')}`);
    }
  }
  return all.filter((one) => names.includes(nameOf(one)));
}

/**
 * @param {string} option
 * @param {string | undefined} value
 * @param {number} standard
 * @param {number} [least]
 */
function amount(option, value, standard, least = 1) {
  const number = value === undefined ? standard : Number(value);
  if (!(number >= least)) throw new Error(`--${option}: ${value} is not a number from ${least}`);
  return number;
}
