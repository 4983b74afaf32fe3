import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeClients } from './conditions.js';
import { fill } from './filler.js';
import { ADMIN_CLIENT, munimentEnvironment, registerClients } from './muniment.js';

/**
 * THE LIST of servers that are compared, each a process of its own on the loopback interface.
 *
 * @typedef {ReturnType<typeof makeClients>} Clients
 *
 * @typedef {object} Contender
 * @property {ContenderName} name
 * @property {string} title
 * @property {number} pid
 * @property {Record<'authorization_endpoint' | 'token_endpoint' | 'introspection_endpoint' | 'userinfo_endpoint', string>} endpoints
 * @property {Clients} clients
 * @property {import('./user-agent.js').Person} person
 * @property {{ graphql: string, credentials: import('./conditions.js').Credentials }} [admin] of Muniment
 * @property {() => Promise<void>} stop
 */

const START_TIMEOUT_MS = 60_000;
const MUNIMENT = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

export const titles = {
  muniment: 'Muniment',
  memory: 'oidc-provider, in memory',
  postgres: 'oidc-provider, CRUD on PostgreSQL',
};

/** @typedef {keyof typeof titles} ContenderName */

/** Whether this checkout has a Muniment to start. */
export function munimentIsBuilt() {
  return existsSync(MUNIMENT);
}

/**
 * @param {ContenderName} name
 * @param {import('./database.js').Database} database
 * @param {{ nodeFlags: string[], algorithms: import('./conditions.js').Algorithms, workers: number, tokens: number, accessTokenLifetime?: number }} options
 * Muniment's access tokens live for so many seconds, where it is said
 * @returns {Promise<Contender>} when it serves its discovery document and knows its clients
 */
export async function startContender(name, database, options) {
  const [port, adminPort] = await freePorts(2);
  const issuer = `http://127.0.0.1:${port}`;
  const start = name === 'muniment' ? startMuniment : startPeer;
  return start({ name, database, port, adminPort, issuer, ...options });
}

/**
 * @typedef {{ name: ContenderName, database: import('./database.js').Database, nodeFlags: string[],
 *   algorithms: import('./conditions.js').Algorithms, workers: number, tokens: number,
 *   accessTokenLifetime?: number, port: number, adminPort: number, issuer: string }} Place
 */

/** @param {Place} place @returns {Promise<Contender>} */
async function startPeer({ name, database, nodeFlags, algorithms, port, issuer, tokens }) {
  const clients = makeClients();
  const databaseUrl = name === 'postgres' ? await database.create('bench_postgres') : undefined;
  const server = await startServer(
    [...nodeFlags, fileURLToPath(new URL(`peers/${name}.js`, import.meta.url))],
    {
      ISSUER: issuer,
      PORT: String(port),
      ALGORITHMS: JSON.stringify(algorithms),
      CLIENTS: JSON.stringify([clients.opaque, clients.jwt, ...clients.web]),
      ...(databaseUrl && { DATABASE_URL: databaseUrl }),
    },
    issuer,
  );
  if (databaseUrl) await fill(databaseUrl, 'postgres', tokens);
  return { name, title: titles[name], ...server, clients, person: { username: '', password: '' } };
}

/** @param {Place} place @returns {Promise<Contender>} */
async function startMuniment(place) {
  const { name, database, nodeFlags, workers, port, adminPort, issuer, tokens } = place;
  const databaseUrl = await database.create('bench_muniment');
  const { env, person, administrator } = munimentEnvironment({
    issuer,
    port,
    adminPort,
    databaseUrl,
    workers,
  });
  const server = await startServer([...nodeFlags, MUNIMENT, 'serve'], env, issuer);
  try {
    const graphql = `http://127.0.0.1:${adminPort}/graphql`;
    const clients = await registerClients(makeClients(), {
      graphql,
      tokenEndpoint: server.endpoints.token_endpoint,
      administrator,
      accessTokenLifetime: place.accessTokenLifetime,
    });
    await fill(databaseUrl, 'muniment', tokens);
    const admin = { graphql, credentials: { clientId: ADMIN_CLIENT, clientSecret: administrator } };
    return { name, title: titles[name], ...server, clients, person, admin };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/**
 * @param {string[]} args
 * @param {Record<string, string>} env
 * @param {string} issuer
 */
async function startServer(args, env, issuer) {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said = (said + chunk).slice(-4000);
    });
  }
  const ended = once(child, 'close');
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };

  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended:\n${said}`);
    try {
      const response = await fetch(`${issuer}/.well-known/openid-configuration`);
      if (response.ok) {
        const endpoints = /** @type {Contender['endpoints']} */ (await response.json());
        return { pid: Number(child.pid), endpoints, stop };
      }
    } catch (error) {
      if (Date.now() > deadline) {
        await stop();
        throw new Error(`${args.join(' ')} does not answer (${error}):\n${said}`);
      }
    }
    await sleep(50);
  }
}

/** @param {number} count */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map(
    (server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port,
  );
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
