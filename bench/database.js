import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/**
 * One PostgreSQL for all contenders, each with a database of its own: the one that
 * BENCH_DATABASE_URL names, or the embedded one in a temporary folder.
 *
 * @typedef {object} Database
 * @property {number | null} pid null when the server is not ours
 * @property {Record<string, string>} facts version, and the settings that durability depends on
 * @property {(name: string) => Promise<string>} create an empty database, dropped at the end; its URL
 * @property {() => Promise<void>} settle statistics and a checkpoint, so that nobody pays for another
 * @property {() => Promise<void>} stop
 *
 * @returns {Promise<Database>}
 */
export async function startDatabase() {
  const server = process.env.BENCH_DATABASE_URL
    ? { pid: null, url: process.env.BENCH_DATABASE_URL, stop: async () => {} }
    : await startEmbedded();
  const admin = new pg.Client(server.url);
  await admin.connect();
  /** @type {Map<string, string>} */
  const urls = new Map();
  return {
    pid: server.pid,
    facts: await facts(admin),
    async create(name) {
      const url = new URL(server.url);
      url.pathname = `/${name}`;
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.query(`create database ${name}`);
      urls.set(name, url.href);
      return url.href;
    },
    async settle() {
      for (const url of urls.values()) {
        const client = new pg.Client(url);
        await client.connect();
        await client.query('analyze');
        await client.end();
      }
      await admin.query('checkpoint');
    },
    async stop() {
      for (const name of urls.keys()) await admin.query(`drop database ${name} with (force)`);
      await admin.end();
      await server.stop();
    },
  };
}

/** The launcher of Muniment itself, as `npm run build` leaves it. */
const EMBEDDED = new URL('../dist/platform/embedded-postgres.js', import.meta.url).href;

async function startEmbedded() {
  /** @type {typeof import('../src/platform/embedded-postgres.ts')} */
  const { startEmbeddedPostgres } = await import(EMBEDDED);
  const dataDir = await mkdtemp(join(tmpdir(), 'muniment-bench-'));
  const postgres = await startEmbeddedPostgres({ dataDir });
  return {
    pid: postgres.pid,
    url: postgres.url,
    stop: async () => {
      await postgres.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}

/** @param {pg.Client} client */
async function facts(client) {
  const { rows } = await client.query(
    `select name, current_setting(name) as value from pg_settings
     where name in ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers')`,
  );
  return {
    ...Object.fromEntries(rows.map(({ name, value }) => [name, value])),
    'commit of one row': `${(await commitMilliseconds(client)).toFixed(2)} ms`,
  };
}

/** What durability costs on this disk: the median of some commits, one after the other. @param {pg.Client} client */
async function commitMilliseconds(client) {
  await client.query('create table if not exists muniment_bench_probe (n int)');
  const times = [];
  for (let n = 0; n < 100; n++) {
    const begin = performance.now();
    await client.query('insert into muniment_bench_probe values ($1)', [n]);
    times.push(performance.now() - begin);
  }
  await client.query('drop table muniment_bench_probe');
  return times.sort((a, b) => a - b)[50];
}
