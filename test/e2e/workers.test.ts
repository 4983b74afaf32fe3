import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../support/server.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SECRET = randomBytes(32).toString('base64url');
const AUTHORIZATION = `Basic ${Buffer.from(`muniment-admin:${SECRET}`).toString('base64')}`;

let dataDir: string;
let issuer: string;
let env: Record<string, string>;
let server: ChildProcess;
let output = '';

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'muniment-workers-'));
  const port = await freePort();
  issuer = `http://localhost:${port}`;
  env = {
    PATH: process.env.PATH ?? '',
    PORT: String(port),
    ADMIN_PORT: String(await freePort()),
    DATA_DIR: dataDir,
    ADMIN_CLIENT_SECRET: SECRET,
    WORKERS: '2',
  };
  server = serve(env);
  const hear = (chunk: string) => {
    output += chunk;
  };
  server.stdout?.setEncoding('utf8').on('data', hear);
  server.stderr?.setEncoding('utf8').on('data', hear);
  await until(() => {
    if (server.exitCode !== null) throw new Error(output);
    return output.includes('"serving"');
  });
});

afterAll(async () => {
  if (server.exitCode === null) {
    server.kill('SIGTERM');
    await once(server, 'close');
  }
  rmSync(dataDir, { recursive: true });
});

function serve(env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [MAIN, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What a server that cannot start says of it. */
async function failedStart(env: Record<string, string>): Promise<string> {
  const child = serve(env);
  const said = text(child.stderr as NodeJS.ReadableStream);
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  return said;
}

/** Log lines, of those that are there already. */
function lines(msg: string): { worker?: number }[] {
  const ofLog = output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  return ofLog.map((line) => JSON.parse(line)).filter((line) => line.msg === msg);
}

const workers = (msg: string) => new Set(lines(msg).map(({ worker }) => worker as number));

/** Over a connection of its own, so that whichever worker is next takes it. */
async function post(path: string, form: Record<string, string>): Promise<Record<string, unknown>> {
  const response = await fetch(`${issuer}${path}`, {
    method: 'POST',
    headers: { authorization: AUTHORIZATION, connection: 'close' },
    signal: AbortSignal.timeout(10_000),
    body: new URLSearchParams(form),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

const issue = async () =>
  (await post('/connect/token', { grant_type: 'client_credentials' })).access_token as string;
const isActive = async (token: string) =>
  (await post('/connect/introspect', { token })).active === true;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('two workers', () => {
  test('share the ports and the database, and what was made up is said once', async () => {
    const tokens = await Promise.all(Array.from({ length: 10 }, issue));
    expect(await Promise.all(tokens.map(isActive))).toEqual(tokens.map(() => true));
    expect(workers('a worker serves').size).toBe(2);
    await until(() => workers('request').size === 2);
    expect(workers('request')).toEqual(workers('a worker serves'));
    expect(output.match(/Muniment is set up/g)).toHaveLength(1);
  });

  test('tell together what each of them counts, whichever is asked', async () => {
    await Promise.all(Array.from({ length: 10 }, issue));
    const counted = async () => {
      const told = await fetch(`http://localhost:${env.ADMIN_PORT}/metrics`, {
        headers: { connection: 'close' },
      });
      const sample = /^muniment_http_requests_total\{endpoint="token".*outcome="2xx"\} (\d+)$/m;
      return Number(sample.exec(await told.text())?.[1]);
    };
    const first = await counted();
    expect(first).toBeGreaterThanOrEqual(20);
    expect(await Promise.all(Array.from({ length: 6 }, counted))).toEqual(Array(6).fill(first));
  });

  test('one that is killed under load is replaced, and nothing acknowledged is lost', async () => {
    const [victim] = workers('a worker serves') as Set<number>;
    const acknowledged: string[] = [];
    const refused: Error[] = [];
    const asking = new AbortController();
    const load = Array.from({ length: 8 }, async () => {
      while (!asking.signal.aborted) {
        await issue().then(
          (token) => acknowledged.push(token),
          (error) => refused.push(error),
        );
      }
    });
    await until(() => acknowledged.length > 20);
    process.kill(victim as number, 'SIGKILL');
    const before = acknowledged.length;
    await until(() => lines('a worker serves').length === 3 && acknowledged.length > before + 50);
    asking.abort();
    await Promise.all(load);
    expect(lines('a worker has ended')).toMatchObject([{ worker: victim, signal: 'SIGKILL' }]);
    // Only what the victim had in its hands, on connections that each carry one request.
    expect(refused.length).toBeLessThanOrEqual(8);
    expect(refused.map(({ name }) => name)).not.toContain('TimeoutError');
    const active = await Promise.all(acknowledged.slice(0, before + 20).map(isActive));
    expect(new Set(active)).toEqual(new Set([true]));
  });

  test('keep others off their ports and their data folder', async () => {
    expect(await failedStart(env)).toContain('cannot listen on 127.0.0.1');
    const elsewhere = { PORT: String(await freePort()), ADMIN_PORT: String(await freePort()) };
    expect(await failedStart({ ...env, ...elsewhere })).toContain('in use by another Muniment');
  });

  test('end together, and with them the database, once requests are answered', async () => {
    const all = [...workers('a worker serves')];
    const token = issue();
    await until(() => lines('request').length > 0);
    await token;
    server.kill('SIGTERM');
    const [code] = await once(server, 'close');
    expect(code).toBe(0);
    expect(lines('stopped')).toHaveLength(1);
    expect(all.filter(isAlive)).toEqual([]);
    await expect(issue()).rejects.toThrow();
  });
});
