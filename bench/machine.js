import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the numbers depend on. */
export function machineFacts() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

/**
 * CPU seconds used so far by the whole machine, and by two processes, each with its children. Only
 * Linux tells; elsewhere the answer is null.
 *
 * @typedef {{ machine: number, server: number, database: number }} CpuSeconds
 * @param {{ server: number, database: number | null }} pids
 * @returns {CpuSeconds | null}
 */
export function cpuSeconds({ server, database }) {
  if (process.platform !== 'linux') return null;
  return {
    machine: machineSeconds(),
    server: processes((pid, parent) => [pid, parent].includes(server)),
    database: database === null ? 0 : processes((pid, parent) => [pid, parent].includes(database)),
  };
}

/** Cores that others on the machine may take before a window says little. */
export const NOISE = 0.25;
const QUIET_MS = 500;

/**
 * Waits until the machine is idle but for a little, while nothing of ours runs.
 *
 * @param {number} patience seconds after which it is as it is
 */
export async function untilQuiet(patience) {
  if (process.platform !== 'linux') return;
  const deadline = Date.now() + 1000 * patience;
  for (let busy = 1; busy > NOISE && Date.now() < deadline; ) {
    const before = machineSeconds();
    await sleep(QUIET_MS);
    busy = (machineSeconds() - before) / (QUIET_MS / 1000);
  }
}

/** CPU seconds of the whole machine, those that its host withheld (steal) among them. */
function machineSeconds() {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .split(/\s+/)
    .map(Number);
  return inSeconds(user + nice + system + irq + softirq + steal);
}

/** USER_HZ, which Linux fixes at 100 for what it shows to programs. */
const TICKS_PER_SECOND = 100;

/** @param {number} ticks */
function inSeconds(ticks) {
  return ticks / TICKS_PER_SECOND;
}

/** @param {(pid: number, parent: number) => boolean} counts */
function processes(counts) {
  let sum = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The command in parentheses may hold spaces; the fields after it do not.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (!counts(pid, Number(fields[1]))) continue;
      // utime, stime, and the same of children that ended.
      for (const field of fields.slice(11, 15)) sum += Number(field);
    } catch {
      // The process ended while we looked.
    }
  }
  return inSeconds(sum);
}
