import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadConfig, settings } from '../src/platform/config.ts';

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const variables = settings.map(({ variable }) => variable);

interface Service {
  image?: string;
  environment: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
}

describe('docker-compose.yml', () => {
  const text = read('docker-compose.yml');
  const compose: { services: Record<string, Service>; volumes: object } = parse(text);
  const { server, postgres, kurrentdb } = compose.services as Record<
    'server' | 'postgres' | 'kurrentdb',
    Service
  >;

  /** As Compose puts them in: `${NAME:-default}`, `${NAME:?message}`. */
  const filled = (values: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(server.environment).map(([name, value]) => [
        name,
        value.replace(
          /\$\{(\w+):[-?]([^}]*)\}/g,
          (_, variable, byDefault) => values[variable] ?? byDefault,
        ),
      ]),
    );

  test('gives the server variables that it reads', () => {
    expect(variables).toEqual(expect.arrayContaining(Object.keys(server.environment)));
    const asked = [...text.matchAll(/\$\{(\w+)/g)].map(([, variable]) => variable);
    expect([...variables, 'POSTGRES_PASSWORD']).toEqual(expect.arrayContaining(asked));
  });

  test('gives the server a configuration that it accepts', () => {
    const MASTER_KEY = Buffer.from(variables.join()).toString('base64url').slice(0, 43);
    const config = loadConfig(filled({ MASTER_KEY, POSTGRES_PASSWORD: 'c0ffee' }));
    expect(config).toMatchObject({
      databaseUrl: 'postgres://muniment:c0ffee@postgres:5432/muniment',
      eventStoreUrl: 'esdb://kurrentdb:2113?tls=false',
      adminPassword: null,
      demo: false,
    });
  });

  test('has no secret of its own, and asks for each by name', () => {
    for (const name of ['POSTGRES_PASSWORD', 'MASTER_KEY']) {
      expect(text).toMatch(new RegExp(`\\$\\{${name}:\\?[^}]+\\}`));
      expect(text).not.toMatch(new RegExp(`\\$\\{${name}(:-[^}]*)?\\}`));
    }
  });

  test('shows the public listener only, and the admin listener to this machine', () => {
    expect(server.ports).toEqual(['3000:3000', '127.0.0.1:3001:3001']);
    expect(postgres.ports).toBeUndefined();
    expect(kurrentdb.ports).toBeUndefined();
  });

  test('waits for its databases, and keeps what they hold', () => {
    for (const [name, service] of Object.entries({ postgres, kurrentdb })) {
      expect(server.depends_on?.[name]).toEqual({ condition: 'service_healthy' });
      expect(service.healthcheck?.test[0]).toBe('CMD');
      for (const volume of service.volumes ?? []) {
        expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
      }
      expect(service.volumes).not.toHaveLength(0);
    }
  });
});

describe('Dockerfile', () => {
  const text = read('Dockerfile');

  test('runs the server as an ordinary user, and asks it for its health', () => {
    const last = text.slice(text.lastIndexOf('\nFROM '));
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^HEALTHCHECK [\s\S]*\/health\/ready/m);
    const [, environment = ''] = /^ENV (.*)$/m.exec(last) ?? [];
    const env = Object.fromEntries(environment.split(' ').map((pair) => pair.split('=')));
    expect(loadConfig(env)).toMatchObject({ host: '0.0.0.0', dataDir: '/data' });
  });

  test('starts what `npm start` starts', () => {
    const [, command = ''] = /^CMD (\["node", "--enable.*)$/m.exec(text) ?? [];
    expect(JSON.parse(command).join(' ')).toBe(JSON.parse(read('package.json')).scripts.start);
  });

  test('copies only what is there, and not ignored', () => {
    const ignored = read('.dockerignore').trim().split('\n');
    const sources = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    );
    expect(sources).toContain('package.json');
    for (const source of sources) {
      expect(existsSync(new URL(`../${source}`, import.meta.url))).toBe(true);
      expect(ignored).not.toContain(source);
    }
    for (const needed of ['src', 'tsconfig.json', 'tsconfig.build.json']) {
      expect(ignored).not.toContain(needed);
    }
    expect(ignored).toEqual(expect.arrayContaining(['node_modules', '.git', '.muniment']));
  });
});

describe('.ci/run', () => {
  test('can be executed, and is valid bash', () => {
    const script = new URL('../.ci/run', import.meta.url).pathname;
    expect(statSync(script).mode & 0o111).not.toBe(0);
    execFileSync('bash', ['-n', script]);
  });
});
