import { writeFileSync } from 'node:fs';
import { isTransient } from '../../src/platform/postgres.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import { checkpoint } from '../../src/projections/projector.ts';
import { eventually } from '../support/eventually.ts';
import { type EngineName, startTestServer, type TestServer } from '../support/server.ts';
import {
  FAULTS,
  type Fault,
  HELD_FAULTS,
  LOG_FAULTS,
  MACHINE_FAULTS,
  type Scene,
  WORKER_FAULTS,
} from './faults.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { logViolations } from './log-check.ts';
import { type Machine, makeMachine } from './machine.ts';
import { startOwnPostgres } from './postgres.ts';
import { Random } from './random.ts';
import { Ways } from './ways.ts';

/** Answers of each node between two faults: it has come back from the first. */
const RECOVERED = 3;

export interface ChaosOptions {
  readonly engine: EngineName;
  readonly seed: number;
  readonly nodes: number;
  /** Processes of each node. */
  readonly workers?: number;
  /** Whether each node has a machine of its own, so to speak: {@link makeMachine}. */
  readonly machines?: boolean;
  /** How long faults are begun: to the end of a round in which each kind of them comes once. */
  readonly seconds?: number;
  /** Those to choose from; all of the engine when absent. */
  readonly faults?: readonly string[];
  /** Told what is about to befall the nodes. */
  readonly tell?: (fault: string) => void;
  /** A file for what the servers have said. */
  readonly output?: string;
}

export interface ChaosReport {
  readonly seconds: number;
  readonly operations: Readonly<Record<string, number>>;
  readonly failures: Ledger['failures'];
  readonly faults: Readonly<Record<string, number>>;
  readonly takeOvers: Scene['takeOvers'];
  readonly violations: readonly string[];
  readonly events: number;
}

/**
 * Lets several nodes serve a load while faults befall them in an order that the seed chooses, and
 * holds every answer, the log and the read models against what was acknowledged.
 * Their Postgres is nobody else's, so that it can fail as a whole.
 * @throws Error when nodes do not come back from a fault
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const postgres = await startOwnPostgres();
  const machines: Machine[] = [];
  try {
    while (options.machines && machines.length < options.nodes) machines.push(makeMachine());
    return await chaosOn({ postgres, machines }, options);
  } finally {
    for (const machine of machines) machine.remove();
    await postgres.remove();
  }
}

async function chaosOn(
  { postgres, machines }: Pick<Scene, 'postgres' | 'machines'>,
  options: ChaosOptions,
): Promise<ChaosReport> {
  const { engine, seed, nodes, workers = 1, seconds = 0, tell } = options;
  const ways = new Ways(machines);
  const server = await startTestServer({
    engine,
    nodes,
    postgres: postgres.url,
    errors: true,
    env: { REFRESH_TOKEN_LEEWAY: '300', WORKERS: String(workers) },
    machines,
    nodeEnv: (...node) => ways.of(...node),
  });
  const ledger = new Ledger();
  const random = new Random(seed);
  const kinds: Readonly<Record<string, Fault>> = {
    ...FAULTS,
    ...(options.machines ? MACHINE_FAULTS : {}),
    ...(workers > 1 ? WORKER_FAULTS : HELD_FAULTS),
    ...(engine === 'eventstoredb' ? LOG_FAULTS : {}),
  };
  const takeOvers: Scene['takeOvers'] = [];
  const befallen: Record<string, number> = {};
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const watch = watchCheckpoint(server, ledger);
  let load: Load | undefined;
  try {
    load = await Load.begin(server, new Random(seed + 1), ledger);
    const scene: Scene = {
      engine,
      server,
      postgres,
      machines,
      proxies: ways.toPostgres,
      load,
      random,
      ledger,
      takeOvers,
    };
    await load.answers(RECOVERED);
    do {
      for (const name of random.shuffled(options.faults ?? Object.keys(kinds))) {
        const fault = kinds[name];
        if (!fault) throw new Error(`there is no fault by the name of ${name}`);
        tell?.(name);
        await fault(scene);
        befallen[name] = (befallen[name] ?? 0) + 1;
        await load.answers(RECOVERED);
        if (seconds > 0 && elapsed() > seconds) break;
      }
    } while (elapsed() < seconds);
    await load.stop();
    await watch.stop();
    const events = await server.admin.events();
    await allProjected(server, engine, events.at(-1)?.position);
    await load.checkAll();
    for (const violation of logViolations(events, ledger, engine)) ledger.violated(violation);
    const { code, stdout, stderr } = await server.run('rebuild');
    if (code !== 0 || !stdout.includes('The read models are as they were.')) {
      ledger.violated(`a rebuild made other read models: ${stdout}${stderr}`);
    }
    for (const line of ended(server)) ledger.violated(line);
    return {
      seconds: Math.round(elapsed()),
      operations: ledger.operations,
      failures: ledger.failures,
      faults: befallen,
      takeOvers,
      violations: ledger.violations,
      events: events.length,
    };
  } finally {
    await load?.stop();
    await watch.stop();
    if (options.output) writeFileSync(options.output, server.output());
    await server.stop();
    await ways.stop();
  }
}

/** What is projected stays projected: a leader that was deposed would set it back. */
function watchCheckpoint(server: TestServer, ledger: Ledger): { stop(): Promise<void> } {
  let watching = true;
  const watched = (async () => {
    let last = '';
    while (watching) {
      const read = checkpoint(server.admin.pool, READ_SCHEMA);
      const now = (await read.catch(whenAway(last))) ?? '';
      if (now < last) ledger.violated(`the checkpoint went back from ${last} to ${now}`);
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    async stop() {
      watching = false;
      await watched;
    },
  };
}

/** What to go on with when the database does not answer. */
function whenAway(last: string): (error: unknown) => string {
  return (error) => {
    if (!isTransient(error)) throw error;
    return last;
  };
}

async function allProjected(server: TestServer, engine: EngineName, end = ''): Promise<void> {
  if (engine === 'postgres') return;
  await eventually('the read models have caught up', async () => {
    return ((await checkpoint(server.admin.pool, READ_SCHEMA)) ?? '') >= end;
  });
}

/** Log lines of nodes that have ended though nobody had killed them. */
function ended(server: TestServer): string[] {
  const lines = server.output().split('\n');
  return lines.filter((line) => line.startsWith('{"level":"fatal"'));
}
