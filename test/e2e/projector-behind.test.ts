import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { standingStill } from '../../src/projections/rebuild.ts';
import { ClientApp } from '../support/client-app.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

describe('while nobody projects', () => {
  let server: TestServer;
  let app: ClientApp;
  let token: string;

  beforeAll(async () => {
    server = await startTestServer({ engine: 'eventstoredb', errors: true });
    app = await ClientApp.connect(server, await server.admin.client());
    token = (await oidc.clientCredentialsGrant(app.config)).access_token;
  });
  afterAll(async () => server?.stop());

  async function revoke(): Promise<Response> {
    const { clientId, secret } = app.registered;
    return server.node.fetch(`${server.issuer}/connect/revoke`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` },
      body: new URLSearchParams({ token }),
    });
  }

  test('a revocation is recorded, but acknowledged only when it can be seen', async () => {
    const answers = await standingStill(server.admin.pool, () =>
      // One of them records it; the other finds nothing left to do.
      Promise.all([revoke(), revoke()]),
    );
    for (const { status, headers } of answers) {
      expect({ status, retryAfter: headers.get('retry-after') }).toEqual({
        status: 503,
        retryAfter: expect.stringMatching(/^\d+$/),
      });
    }
    const types = (await server.admin.events()).map(({ type }) => type);
    expect(types.filter((type) => type === 'ClientTokenRevoked')).toHaveLength(1);

    expect((await revoke()).status).toBe(200);
    expect((await oidc.tokenIntrospection(app.config, token)).active).toBe(false);
  });
});
