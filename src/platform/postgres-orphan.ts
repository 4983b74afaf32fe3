import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE: readonly [NodeJS.Signals, number][] = [
  ['SIGINT', 60_000],
  ['SIGQUIT', 10_000],
];

/**
 * Ends the PostgreSQL that a killed Muniment left on the folder `cluster`, and clears away the files
 * by which PostgreSQL would take an unrelated process, with the same number, for itself. The caller
 * holds the folder's lock, so no living Muniment owns it.
 * @throws Error naming the folder when someone started a PostgreSQL on it by hand
 */
export async function endOrphan(cluster: string, socketDir: string): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid');
  const pid = readPid(pidFile);
  const runs = () => pid !== null && commandOf(pid).includes(cluster);

  if (pid !== null && runs()) {
    if (!commandOf(pid).includes(socketDir)) {
      throw new Error(`another PostgreSQL (process ${pid}) runs on ${cluster}; stop it first`);
    }
    for (const [signal, patience] of PATIENCE) {
      const deadline = Date.now() + patience;
      signalUnlessGone(pid, signal);
      while (runs() && Date.now() < deadline) await sleep(20);
    }
    if (runs()) throw new Error(`PostgreSQL (process ${pid}) on ${cluster} does not end`);
  }
  rmSync(pidFile, { force: true });
  for (const name of ['.s.PGSQL.5432', '.s.PGSQL.5432.lock']) {
    rmSync(join(socketDir, name), { force: true });
  }
}

function readPid(pidFile: string): number | null {
  try {
    return Number.parseInt(readFileSync(pidFile, 'utf8'), 10) || null;
  } catch {
    return null;
  }
}

/** The command line of a process; empty when it has ended. */
function commandOf(pid: number): string {
  if (process.platform !== 'linux') {
    return spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
      .stdout;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function signalUnlessGone(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
