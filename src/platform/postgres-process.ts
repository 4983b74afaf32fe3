import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Launcher } from './postgres-launcher.ts';

/** Crash recovery replays at most max_wal_size (4 GB); this is ample even on a slow disk. */
const START_TIMEOUT_MS = 300_000;
/** Fast shutdown ends open transactions, immediate shutdown leaves the rest to crash recovery. */
const SHUTDOWN: readonly [NodeJS.Signals, number][] = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 10_000],
  ['SIGKILL', 10_000],
];
const LINES_OF_A_FAILURE = 20;

/** A running server, and the child process of ours that it is. */
export interface PostgresProcess {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends open transactions and shuts down cleanly; after 30 s, at once. May be repeated. */
  stop(): Promise<void>;
}

/**
 * Starts `postgres` on the folder `cluster` and waits until it takes connections.
 * @throws Error with the last of what it said, when it did not come up
 */
export async function startProcess(
  launcher: Launcher,
  postgres: string,
  cluster: string,
  settings: Readonly<Record<string, string>>,
  log?: (line: string) => void,
): Promise<PostgresProcess> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [file, args, options] = launcher.command(postgres, ['-D', cluster, ...flags]);
  const child = spawn(file, args, {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // Ctrl-C is for us, who stop it last.
  });
  const said: string[] = [];
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    said.push(line);
    if (said.length > LINES_OF_A_FAILURE) said.shift();
    log?.(line);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => said.push(error.message));
  });
  const endWithUs = () => child.kill('SIGINT');
  process.once('exit', endWithUs);
  ended.then(() => process.off('exit', endWithUs));

  try {
    await untilReady(cluster, ended);
  } catch (error) {
    await shutDown(child, ended);
    throw new Error(`PostgreSQL did not start on ${cluster}: ${said.join('\n')}`, { cause: error });
  }
  let stopping: Promise<void> | undefined;
  return {
    pid: child.pid as number,
    ended,
    stop() {
      stopping ??= shutDown(child, ended);
      return stopping;
    },
  };
}

/** It writes into its lock file when it takes connections; reading that troubles nobody. */
async function untilReady(cluster: string, ended: Promise<void>): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (statusIn(join(cluster, 'postmaster.pid')) !== 'ready') {
    if (await within(10, ended)) throw new Error('it ended');
    if (Date.now() > deadline) throw new Error(`not ready after ${START_TIMEOUT_MS / 1000} s`);
  }
}

/** The eighth line of PostgreSQL's lock file. */
function statusIn(pidFile: string): string | undefined {
  try {
    return readFileSync(pidFile, 'utf8').split('\n')[7]?.trim();
  } catch {
    return undefined;
  }
}

async function shutDown(child: ChildProcess, ended: Promise<void>): Promise<void> {
  for (const [signal, patience] of SHUTDOWN) {
    child.kill(signal);
    if (await within(patience, ended)) return;
  }
}

/** Whether `event` happens in so many milliseconds. */
async function within(milliseconds: number, event: Promise<void>): Promise<boolean> {
  const waiting = new AbortController();
  const late = sleep(milliseconds, false, { signal: waiting.signal }).catch(() => false);
  const happened = await Promise.race([event.then(() => true), late]);
  waiting.abort();
  return happened;
}
