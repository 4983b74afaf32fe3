import { titles } from './contenders.js';
import { NOISE } from './machine.js';

/**
 * @typedef {import('./contenders.js').ContenderName} ContenderName
 * @typedef {import('./load.js').Result} Result
 *
 * @typedef {object} Row
 * @property {string} cell
 * @property {string} title
 * @property {Partial<Record<ContenderName, Result[]>>} rounds
 *
 * @typedef {object} Report
 * @property {string} date
 * @property {string} commit
 * @property {ReturnType<typeof import('./machine.js').machineFacts>} machine
 * @property {Record<string, string>} database
 * @property {Record<string, string | number>} conditions
 * @property {readonly ContenderName[]} servers
 * @property {Row[]} rows
 * @property {ReturnType<typeof import('./parity.js').differences>} differences
 */

/** @param {Result} result whether others on the machine, or its host, took CPU time meanwhile */
export function disturbed({ cores }) {
  return cores !== null && cores.others > NOISE;
}

/** The round in the middle by requests per second. @param {Result[]} results */
export function median(results) {
  const sorted = [...results].sort((a, b) => a.perSecond - b.perSecond);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** @param {Report} report */
export function asMarkdown(report) {
  const { machine, database, servers, rows } = report;
  const peers = servers.includes('muniment') ? servers.filter((name) => name !== 'muniment') : [];
  const header = [
    'requests/s (p50, p99 ms)',
    ...servers.map((name) => titles[name]),
    ...peers.map((name) => `Muniment ÷ ${name}`),
  ];
  const lines = rows.map(({ title, rounds }) => [
    title,
    ...servers.map((name) => shown(rounds[name])),
    ...peers.map((name) => ratio(rounds.muniment, rounds[name])),
  ]);
  const cpu = rows.map(({ title, rounds }) => [
    title,
    ...servers.map((name) => cpuOf(rounds[name])),
  ]);
  return [
    '# Benchmark',
    '',
    `${report.date}, commit ${report.commit}. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.platform}; Node ${machine.node}; PostgreSQL ${database.server_version}.`,
    '',
    table([header, ...lines]),
    '',
    'An `!` marks a cell in which requests failed, a `~` one in which other programs on the machine used more than a quarter of a core.',
    '',
    ...errors(report),
    '## CPU time per request in µs: server / PostgreSQL / load generator',
    '',
    table([['', ...servers.map((name) => titles[name])], ...cpu]),
    '',
    '## Conditions',
    '',
    ...Object.entries(report.conditions).map(([name, value]) => `- ${name}: ${value}`),
    ...Object.entries(database).map(([name, value]) => `- PostgreSQL ${name}: ${value}`),
    '',
    ...differing(report.differences),
  ].join('\n');
}

/** @param {Report} report */
function errors({ rows, servers }) {
  const failed = rows.flatMap(({ cell, rounds }) =>
    servers.flatMap((name) => {
      const results = rounds[name] ?? [];
      const sum = (/** @type {'errors' | 'non2xx' | 'wrong'} */ what) =>
        results.reduce((all, each) => all + each[what], 0);
      if (!results.some(hasFailures)) return [];
      const complaint = results.find((each) => each.complaint)?.complaint ?? '';
      return [
        `- ${cell}, ${titles[name]}: ${sum('errors')} connection errors, ${sum('non2xx')} non-2xx, ${sum('wrong')} wrong answers. ${complaint}`,
      ];
    }),
  );
  return failed.length > 0 ? ['## Errors', '', ...failed, ''] : ['No request failed.', ''];
}

/** @param {Report['differences']} all */
function differing(all) {
  if (all.length === 0) return ['All servers gave the same kind of answers.'];
  return [
    '## Where the answers differ',
    '',
    ...all.flatMap(({ request, answers }) => [
      `- ${request}`,
      ...answers.map(([title, answer]) => `  - ${title}: ${answer}`),
    ]),
  ];
}

/** @param {Result[] | undefined} results */
function shown(results) {
  if (!results) return '';
  const { perSecond, p50, p99 } = median(results);
  const marks = `${results.some(hasFailures) ? ' !' : ''}${disturbed(median(results)) ? ' ~' : ''}`;
  return `${Math.round(perSecond).toLocaleString('en')} (${p50.toFixed(1)}, ${p99.toFixed(1)})${marks}`;
}

/**
 * @param {Result[] | undefined} ours
 * @param {Result[] | undefined} theirs
 */
function ratio(ours, theirs) {
  if (!ours || !theirs) return '';
  return (median(ours).perSecond / median(theirs).perSecond).toFixed(2);
}

/** @param {Result[] | undefined} results */
function cpuOf(results) {
  if (!results) return '';
  const { cores, perSecond } = median(results);
  if (!cores) return '';
  return [cores.server, cores.database, cores.load]
    .map((each) => Math.round((1e6 * each) / perSecond))
    .join(' / ');
}

/** @param {Result} result */
function hasFailures({ errors, non2xx, wrong }) {
  return errors + non2xx + wrong > 0;
}

/** @param {string[][]} rows the first is the header */
function table([header, ...rows]) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}
