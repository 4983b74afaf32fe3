import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where a server's CPU time went during the timed windows, from what `node --cpu-prof` left.
 *
 * @typedef {{ functionName: string, url: string, lineNumber: number }} CallFrame
 * @typedef {{ startTime: number, samples: number[], timeDeltas: number[],
 *   nodes: { id: number, callFrame: CallFrame }[] }} CpuProfile microseconds, monotonic clock
 */

const FUNCTIONS = 40;
/** Places and functions below this share of the time are left out. */
const LEAST = 0.005;
const IDLE = '(idle)';

/**
 * @param {string} folder with the one profile in it
 * @param {[bigint, bigint][]} windows nanoseconds by the monotonic clock
 * @returns {string} markdown: self time by package or file, and by function
 */
export function profileAsMarkdown(folder, windows) {
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  if (!file) return `There is no profile in ${folder}: did the server end by itself?`;
  const path = join(folder, file);
  const spent = selfTimes(JSON.parse(readFileSync(path, 'utf8')), windows);
  const busy = [...spent].filter(([frame]) => frame.functionName !== IDLE);
  const total = busy.reduce((sum, [, time]) => sum + time, 0);
  const share = (/** @type {number} */ time) => `${((100 * time) / total).toFixed(1)} %`;

  const places = summed(busy, (frame) => place(frame)).filter(([, time]) => time / total > LEAST);
  const functions = summed(
    busy,
    (frame) =>
      `${frame.functionName || '(anonymous)'} ${place(frame)}${frame.url ? `:${frame.lineNumber + 1}` : ''}`,
  ).slice(0, FUNCTIONS);
  return [
    `${path}: ${(total / 1e6).toFixed(1)} s of CPU in the timed windows`,
    '',
    ...places.map(([name, time]) => `- ${share(time)} ${name}`),
    '',
    ...functions.map(([name, time]) => `- ${share(time)} ${name}`),
  ].join('\n');
}

/**
 * @param {CpuProfile} profile
 * @param {[bigint, bigint][]} windows
 * @returns {Map<CallFrame, number>} microseconds
 */
function selfTimes({ startTime, samples, timeDeltas, nodes }, windows) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const spans = windows.map(([begin, end]) => [Number(begin) / 1000, Number(end) / 1000]);
  /** @type {Map<CallFrame, number>} */
  const spent = new Map();
  let now = startTime;
  samples.forEach((id, at) => {
    now += timeDeltas[at];
    const frame = frames.get(id);
    if (!frame || !spans.some(([begin, end]) => now >= begin && now <= end)) return;
    spent.set(frame, (spent.get(frame) ?? 0) + timeDeltas[at]);
  });
  return spent;
}

/**
 * @param {[CallFrame, number][]} spent
 * @param {(frame: CallFrame) => string} keyOf
 * @returns {[string, number][]} the most first
 */
function summed(spent, keyOf) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const [frame, time] of spent) sums.set(keyOf(frame), (sums.get(keyOf(frame)) ?? 0) + time);
  return [...sums].sort(([, a], [, b]) => b - a);
}

/** The package, our own file, or what V8 calls it. @param {CallFrame} frame */
function place({ url, functionName }) {
  const installed = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (installed) return installed;
  if (!url) return functionName.startsWith('(') ? functionName : '(native)';
  return /\/(dist|bench)\/.*/.exec(url)?.[0].slice(1) ?? url;
}
