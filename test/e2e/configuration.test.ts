import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { digest, randomToken } from '../../src/platform/secrets.ts';
import { ClientApp } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

describe.each(ENGINES)('configuration as a file, on %s', (engine) => {
  const secret = randomToken();
  let server: TestServer;
  let folder: string;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    folder = await mkdtemp(join(tmpdir(), 'muniment-configuration-'));
  });
  afterAll(async () => {
    await server?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  const file = async (content: string) => {
    const path = join(folder, `${randomToken(6)}.yaml`);
    await writeFile(path, content);
    return path;
  };

  const reports = `
apiResources: [{ identifier: https://reports.example, displayName: Reports }]
scopes: [{ name: reports, displayName: Reports, resources: [https://reports.example] }]
clients:
  - clientId: reporter
    displayName: Reporter
    clientType: confidential
    permissions: { grantTypes: [client_credentials], responseTypes: [], scopes: [reports] }
    secrets: [{ digest: ${digest(secret)} }]
`;

  test('is planned, applied, and in effect in the running server', async () => {
    const path = await file(reports);
    const planned = await server.run('plan', path);
    expect(planned).toMatchObject({ code: 0, stderr: '' });
    expect(planned.stdout).toContain('+ clients reporter');
    expect(planned.stdout).toContain('displayName: null → "Reporter"');

    expect(await server.run('apply', path)).toMatchObject({ code: 0, stdout: planned.stdout });
    const app = await ClientApp.connect(server, { clientId: 'reporter', secret });
    const tokens = await eventually('the server knows of the scope', () =>
      oidc.clientCredentialsGrant(app.config, { scope: 'reports' }).catch(() => undefined),
    );
    expect(tokens.scope).toBe('reports');
    const again = await server.run('apply', path);
    expect(again).toMatchObject({ code: 0, stdout: 'Everything is as declared.\n' });
  });

  test('is exported, and to apply the export changes nothing', async () => {
    for (const format of ['yaml', 'json']) {
      const exported = await server.run('export', format);
      expect(exported.code).toBe(0);
      expect(exported.stdout).not.toContain(secret);
      expect(await server.run('plan', await file(exported.stdout))).toMatchObject({
        code: 0,
        stdout: 'Everything is as declared.\n',
      });
    }
  });

  test('with mistakes is refused with their lines', async () => {
    const before = (await server.admin.events()).length;
    const path = await file(reports.replace('displayName: Reporter', 'displayname: Reporter'));
    const { code, stderr } = await server.run('apply', path);
    expect(code).toBe(1);
    expect(stderr).toContain('clients.0.displayName');
    expect(stderr).toMatch(/\(line 5\)/);
    expect((await server.admin.events()).length).toBe(before);
    expect(await server.run('apply')).toMatchObject({ code: 1 });
  });
});
