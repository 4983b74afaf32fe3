import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

/** A PostgreSQL that nobody else needs, as durable as an operator's. */
export interface OwnPostgres {
  readonly url: string;
  /** Kills its first process: those that serve sessions see that and end, and nothing is put in order. */
  kill(): Promise<void>;
  /** Ends all sessions and shuts down. */
  stop(): Promise<void>;
  /** Starts it again where it was; resolves when it takes connections. */
  start(): Promise<void>;
  /** Holds all of its processes where they are, or lets them go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Stops it and takes its files away. */
  remove(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'muniment-chaos-'));
  const start = () => startEmbeddedPostgres({ dataDir, settings: { max_connections: '300' } });
  let server = await start();
  return {
    url: server.url,

    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
    },

    stop: () => server.stop(),

    async start() {
      server = await start();
    },

    signal(signal) {
      // The first one makes the others: held first, it makes none meanwhile.
      process.kill(server.pid, signal);
      for (const pid of childrenOf(server.pid)) process.kill(pid, signal);
    },

    async remove() {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function childrenOf(pid: number): number[] {
  const listed =
    process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      : execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
  return listed.split(/\s+/).filter(Boolean).map(Number);
}
