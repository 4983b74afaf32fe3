import { eventually } from '../support/eventually.ts';
import type { EngineName, TestNode, TestServer } from '../support/server.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { findLeader, type Leader } from './leader.ts';
import type { Ledger } from './ledger.ts';
import type { Load } from './load.ts';
import type { Machine } from './machine.ts';
import type { OwnPostgres } from './postgres.ts';
import type { Random } from './random.ts';
import { livingWorkers } from './workers.ts';

/** What a fault befalls. */
export interface Scene {
  readonly engine: EngineName;
  readonly server: TestServer;
  readonly postgres: OwnPostgres;
  /** Of each node, where each has one. */
  readonly machines: readonly Machine[];
  /** The way of each node to Postgres. */
  readonly proxies: readonly TcpProxy[];
  readonly load: Load;
  readonly random: Random;
  readonly ledger: Ledger;
  /** Milliseconds until the next one led, by what had befallen the one before. */
  readonly takeOvers: { readonly fault: string; readonly ms: number }[];
}

/** Begins, lasts until it has met the load, and is over when this resolves. */
export type Fault = (scene: Scene) => Promise<void>;

/** Answers of the other nodes that a fault has to outlast. */
const MEANWHILE = 5;

export const FAULTS: Readonly<Record<string, Fault>> = {
  async 'a node is killed'(scene) {
    const node = scene.random.pick(scene.server.nodes);
    await node.kill('SIGKILL');
    await scene.load.answers(MEANWHILE, others(scene, node));
    await node.restart();
  },

  async 'the leader is killed'(scene) {
    const leader = await findLeader(scene.server.admin.pool, scene.engine);
    const node = nodeOf(scene, leader);
    await node.kill('SIGKILL');
    await measureTakeOver(scene, 'killed', leader);
    await scene.load.answers(MEANWHILE, others(scene, node));
    await node.restart();
  },

  async 'all sessions with Postgres are ended'({ server }) {
    await server.admin.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'node-%'`,
    );
  },

  async 'a node loses its way to Postgres'({ random, proxies }) {
    await random.pick(proxies).interrupt();
  },

  async 'the leader is cut off from Postgres'(scene) {
    const leader = await findLeader(scene.server.admin.pool, scene.engine);
    const proxy = scene.proxies[leader.node];
    proxy?.hold();
    try {
      await measureTakeOver(scene, 'cut off', leader);
      await scene.load.answers(MEANWHILE, others(scene, nodeOf(scene, leader)));
    } finally {
      proxy?.release();
    }
  },

  async 'Postgres is slow'({ load, proxies }) {
    for (const proxy of proxies) proxy.delay = 20;
    await load.answers(MEANWHILE).finally(() => {
      for (const proxy of proxies) proxy.delay = 0;
    });
  },

  async 'Postgres is killed'(scene) {
    await scene.postgres.kill();
    await failures(scene);
    await scene.postgres.start();
  },

  async 'Postgres starts again'({ postgres }) {
    await postgres.stop();
    await postgres.start();
  },

  async 'Postgres is held'(scene) {
    scene.postgres.signal('SIGSTOP');
    await failures(scene).finally(() => scene.postgres.signal('SIGCONT'));
  },
};

/** Those of nodes that are one process, which a signal holds altogether. */
export const HELD_FAULTS: Readonly<Record<string, Fault>> = {
  async 'a node is held'(scene) {
    const node = scene.random.pick(scene.server.nodes);
    node.signal('SIGSTOP');
    await scene.load.answers(MEANWHILE, others(scene, node)).finally(() => node.signal('SIGCONT'));
  },

  async 'the leader is held'(scene) {
    const leader = await findLeader(scene.server.admin.pool, scene.engine);
    const node = nodeOf(scene, leader);
    node.signal('SIGSTOP');
    try {
      await measureTakeOver(scene, 'held', leader);
      await scene.load.answers(MEANWHILE, others(scene, node));
    } finally {
      node.signal('SIGCONT');
    }
  },
};

/** Those of nodes that have machines of their own. */
export const MACHINE_FAULTS: Readonly<Record<string, Fault>> = {
  async 'a machine is cut off'(scene) {
    await cutOff(scene, scene.random.pick(scene.server.nodes), async () => {});
  },

  async 'the machine of the leader is cut off'(scene) {
    const leader = await findLeader(scene.server.admin.pool, scene.engine);
    await cutOff(scene, nodeOf(scene, leader), () => measureTakeOver(scene, 'cut off', leader));
  },
};

/** Those that a log in EventStoreDB can suffer. */
export const LOG_FAULTS: Readonly<Record<string, Fault>> = {
  async 'EventStoreDB starts again'({ server }) {
    await server.double?.restart();
  },

  async 'EventStoreDB loses all calls'({ server }) {
    server.double?.faults.breakConnections();
  },

  async 'appends are lost'(scene) {
    await untilUsedUp(scene, 'lostRequests');
  },

  async 'answers to appends are lost'(scene) {
    await untilUsedUp(scene, 'lostReplies');
  },

  async 'connections break after appends'(scene) {
    await untilUsedUp(scene, 'brokenReplies');
  },

  async 'EventStoreDB is slow'({ load, server }) {
    const faults = server.double?.faults;
    if (!faults) return;
    faults.appendTime = 200;
    await load.answers(MEANWHILE).finally(() => {
      faults.appendTime = 0;
    });
  },
};

/** Those of nodes that are several processes. */
export const WORKER_FAULTS: Readonly<Record<string, Fault>> = {
  async 'a worker is killed'({ server, random }) {
    process.kill(random.pick(livingWorkers(server)), 'SIGKILL');
  },

  async 'a worker is held'({ server, random, load }) {
    const worker = random.pick(livingWorkers(server));
    process.kill(worker, 'SIGSTOP');
    await load.answers(MEANWHILE).finally(() => process.kill(worker, 'SIGCONT'));
  },
};

const others = ({ server }: Scene, node: TestNode) => server.nodes.filter((each) => each !== node);

const nodeOf = ({ server }: Scene, { node }: Leader) => server.nodes[node] as TestNode;

async function cutOff(scene: Scene, node: TestNode, meanwhile: () => Promise<void>): Promise<void> {
  const machine = scene.machines[scene.server.nodes.indexOf(node)];
  machine?.cut();
  try {
    await meanwhile();
    await scene.load.answers(MEANWHILE, others(scene, node));
  } finally {
    machine?.mend();
  }
}

async function measureTakeOver(scene: Scene, fault: string, from: Leader): Promise<void> {
  const start = performance.now();
  await findLeader(scene.server.admin.pool, scene.engine, from);
  scene.takeOvers.push({ fault, ms: Math.round(performance.now() - start) });
}

/** Resolves when some more requests could not be answered. */
async function failures({ ledger }: Scene): Promise<void> {
  const count = () => ledger.failures.unanswered + ledger.failures.unavailable;
  const before = count();
  await eventually('requests fail', () => count() >= before + MEANWHILE);
}

async function untilUsedUp(
  { server, load }: Scene,
  which: 'lostRequests' | 'lostReplies' | 'brokenReplies',
): Promise<void> {
  const faults = server.double?.faults;
  if (!faults) return;
  faults[which] = 3;
  while (faults[which] > 0) await load.answers(1);
}
