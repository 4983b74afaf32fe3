import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../support/server.ts';
import { until } from '../support/until.ts';
import { type Fence, fences, ROOT, read } from './markdown.ts';

// As a new user would: `npm start` on an empty folder, with the PostgreSQL that comes along.
jest.setTimeout(120_000);

/** In the order in which they are run; each begins anew. */
const pages = [
  { path: 'README.md', examples: 6, compared: 4 },
  { path: 'docs/audit.md', examples: 10, compared: 8 },
];
/** In place of what is another value each time. */
const ANYTHING = '…';

describe('the examples', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muniment-readme-'));
  let server: Awaited<ReturnType<typeof npmStart>>;
  let port: number;
  let adminPort: number;

  beforeAll(async () => {
    [port, adminPort] = [await freePort(), await freePort()];
    server = await npmStart({ port, adminPort, dataDir });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('begin with the two commands', () => {
    const blocks = fences(read('README.md'));
    expect(blocks[0]?.text).toBe('npm ci && npm start\n');
    expect(blocks[1]?.text).toBe('npm run demo\n');
  });

  test.each(pages)(
    'of $path answer as printed, with the secret that the first start printed',
    async (page) => {
      const blocks = fences(read(page.path));
      const examples = blocks.filter(({ mark }) => mark === 'example');
      expect(examples).toHaveLength(page.examples);
      const secret = /Client secret +(mun_\S+)/.exec(server.output())?.[1];
      const script = examples.map(({ text }) => `${text}printf '\\0'\n`).join('');
      const { stdout } = await promisify(execFile)(
        'bash',
        ['-euo', 'pipefail', '-c', toPorts(script)],
        { env: { PATH: process.env.PATH, ADMIN_CLIENT_SECRET: secret } },
      );
      const answers = stdout.split('\0');
      expect(answers).toHaveLength(examples.length + 1);
      let compared = 0;
      examples.forEach((example, nth) => {
        const printed = answerOf(blocks, example);
        if (!printed) return;
        expect(JSON.parse(answers[nth] ?? '')).toMatchObject(wanted(toPorts(printed)));
        compared++;
      });
      expect(compared).toBe(page.compared);
    },
  );

  /** The block right after an example, where it shows the answer. */
  function answerOf(blocks: readonly Fence[], example: Fence): string | undefined {
    const next = blocks[blocks.indexOf(example) + 1];
    return next?.language === 'json' ? next.text : undefined;
  }

  /** The ports of a first start may be taken on the machine that tests. */
  function toPorts(text: string): string {
    return text
      .replaceAll('localhost:3000', `localhost:${port}`)
      .replaceAll('localhost:3001', `localhost:${adminPort}`);
  }
});

/** A printed answer, to compare with: numbers that differ each time are printed as text, too. */
function wanted(printed: string): object {
  return JSON.parse(printed, (_key, value) => (value === ANYTHING ? expect.anything() : value));
}

/** `npm start` in a process group of its own; what stands in dist/ is not built again. */
async function npmStart(options: { port: number; adminPort: number; dataDir: string }) {
  const child = spawn('npm', ['start'], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      npm_config_ignore_scripts: 'true',
      PORT: String(options.port),
      ADMIN_PORT: String(options.adminPort),
      DATA_DIR: options.dataDir,
    },
  });
  let output = '';
  const hear = (chunk: string) => {
    output += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  const gone = once(child, 'close');
  async function stop(): Promise<void> {
    if (child.exitCode === null && child.pid) process.kill(-child.pid, 'SIGTERM');
    await gone;
  }
  try {
    await until(() => {
      if (child.exitCode !== null) throw new Error(output);
      return output.includes('"serving"');
    });
  } catch (cause) {
    await stop();
    throw new Error(`npm start did not come to serve:\n${output}`, { cause });
  }
  return { output: () => output, stop };
}
