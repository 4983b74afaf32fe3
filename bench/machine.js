import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

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
 * CPU seconds used so far by the whole machine, by one process, and by one process with its
 * children. Only Linux tells; elsewhere the answer is null.
 *
 * @typedef {{ machine: number, server: number, database: number }} CpuSeconds
 * @param {{ server: number, database: number | null }} pids
 * @returns {CpuSeconds | null}
 */
export function cpuSeconds({ server, database }) {
  if (process.platform !== 'linux') return null;
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .split(/\s+/)
    .map(Number);
  return {
    machine: inSeconds(user + nice + system + irq + softirq + steal),
    server: processes((pid) => pid === server),
    database: database === null ? 0 : processes((pid, parent) => [pid, parent].includes(database)),
  };
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
      if (counts(pid, Number(fields[1]))) sum += Number(fields[11]) + Number(fields[12]);
    } catch {
      // The process ended while we looked.
    }
  }
  return inSeconds(sum);
}
