import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EventStoreDouble, startEventStoreDouble } from '../support/eventstoredb/double.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { fences, read } from './markdown.ts';

const blocks = fences(read('docs/operations.md'));
const run = promisify(execFile);

/** An older pg_dump refuses the server that comes along. */
const { stdout = '' } = spawnSync('pg_dump', ['--version'], { encoding: 'utf8' });
const dumps = Number(/\d+/.exec(stdout ?? '')?.[0]) >= 18;

describe('docs/operations.md', () => {
  let server: TestServer;
  let double: EventStoreDouble;
  let other: TestDatabase;
  const folder = mkdtempSync(join(tmpdir(), 'muniment-operations-'));

  beforeAll(async () => {
    [other, double] = [await createDatabase(), await startEventStoreDouble()];
    server = await startTestServer({ engine: 'postgres' });
  });
  afterAll(async () => {
    await server?.stop();
    await double?.stop();
    await other?.drop();
    rmSync(folder, { recursive: true });
  });

  const marked = (name: string) => blocks.find(({ mark }) => mark === name)?.text ?? '';

  const shell = (script: string) =>
    run('bash', ['-euo', 'pipefail', '-c', `cd ${folder}; ${script}`], {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: server.database.url,
        NEW_DATABASE_URL: other.url,
      },
    });

  (dumps ? test : test.skip)('backs up what can be restored, and is a server again', async () => {
    await shell(marked('backup'));
    await shell(marked('restore'));
    await server.node.kill();
    await server.node.restart({ env: { DATABASE_URL: other.url } });
  });

  test('needs no other schemas than those', async () => {
    const { pool } = server.admin;
    await server.node.kill();
    const { rows } = await pool.query<{ name: string }>(
      `select nspname as name from pg_namespace where nspname ~ '^(read_|audit_|projections)'`,
    );
    expect(rows.length).toBeGreaterThan(2);
    for (const { name } of rows) await pool.query(`drop schema ${name} cascade`);
    await server.node.restart();
  });

  test.each(
    blocks
      .flatMap(({ text }) => [...text.matchAll(/^node dist\/cli\/main\.js (?!serve)(.+)$/gm)])
      .map(([, args]) => args as string),
  )('%s does what it says', async (args) => {
    const words = args
      .replace(/'esdb:[^']*'/, double.url)
      .replace(/--until-idle \d+/, '--until-idle 1');
    const { code, stderr } = await server.run(...(words.split(' ') as [string, ...string[]]));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
