import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/platform/config.ts';
import { mtlsOrigin, mtlsServer } from '../../src/platform/mtls-listener.ts';
import { makeCertificate } from '../support/certificates.ts';

describe('the listener for mutual TLS', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-listener-'));
    const [one, another] = [makeCertificate(), makeCertificate()];
    await writeFile(join(folder, 'cert.pem'), one.cert);
    await writeFile(join(folder, 'key.pem'), one.key);
    await writeFile(join(folder, 'other.pem'), another.key);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const config = (env: Record<string, string> = {}) =>
    loadConfig({
      ISSUER: 'https://login.example',
      MTLS_PORT: '8443',
      MTLS_CERT_FILE: join(folder, 'cert.pem'),
      MTLS_KEY_FILE: join(folder, 'key.pem'),
      ...env,
    });
  const server = (env?: Record<string, string>) => mtlsServer(config(env), () => {});

  test('is there only where it is configured', async () => {
    expect(await server()).toBeDefined();
    expect(await mtlsServer(loadConfig({}), () => {})).toBeUndefined();
  });

  test.each([
    [
      'that is not there',
      { MTLS_KEY_FILE: '/nowhere/key.pem' },
      'MTLS_KEY_FILE cannot be read: ENOENT',
    ],
    ['for another key', { MTLS_KEY_FILE: 'other.pem' }, 'MTLS_CERT_FILE cannot be used'],
    [
      'that is no certificate',
      { MTLS_CA_FILE: 'key.pem' },
      'MTLS_CA_FILE has no certificate in it',
    ],
  ])('says what is wrong with a file %s', async (_, env, message) => {
    const placed = Object.fromEntries(
      Object.entries(env).map(([name, file]) => [
        name,
        file.startsWith('/') ? file : join(folder, file),
      ]),
    );
    await expect(server(placed)).rejects.toThrow(message);
  });

  test('has an address for clients: its own, or the one they are told', () => {
    expect(mtlsOrigin(config())).toBe('https://login.example:8443');
    expect(mtlsOrigin(config({ MTLS_URL: 'https://mtls.example' }))).toBe('https://mtls.example');
    expect(mtlsOrigin(config({ MTLS_PORT: '443' }))).toBeNull();
    expect(mtlsOrigin(loadConfig({}))).toBeNull();
  });
});
