import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import {
  addClientSecret,
  changeClientRedirectUris,
  disableClient,
  localizeClient,
  removeClient,
} from '../../src/commands/clients.ts';
import { createInitialAccessToken } from '../../src/commands/initial-access-tokens.ts';
import { defineScope, localizeScope, removeScope } from '../../src/commands/scopes.ts';
import { trustIssuer } from '../../src/commands/trusted-issuers.ts';
import { changeUserRoles, disableUser, eraseUser } from '../../src/commands/users.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';
import { everyRow } from '../support/tables.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';

describe.each(ENGINES)('rebuilding the read models while the server runs, on %s', (engine) => {
  let server: TestServer;
  let receiver: Receiver;
  let app: ClientApp;
  let person: Person;

  beforeAll(async () => {
    receiver = await startReceiver();
    server = await startTestServer({ engine, env: { ALLOWED_PRIVATE_HOSTS: '127.0.0.1' } });
    person = await server.admin.person();
    app = await ClientApp.connect(server, await server.admin.client());
    await live();
  });
  afterAll(async () => {
    await server?.stop();
    await receiver?.close();
  });

  /** A history in which every read model has rows, and rows that changed and went. */
  async function live(): Promise<void> {
    const { admin } = server;
    const identifier = 'https://orders.example';
    await admin.run(defineApiResource, { identifier, displayName: 'Orders' });
    await admin.run(defineScope, {
      name: 'orders',
      displayName: 'Orders',
      resources: [identifier],
    });
    await admin.run(localizeScope, {
      name: 'orders',
      locale: 'de',
      text: { displayName: 'Bestellungen' },
    });
    await admin.run(defineScope, { name: 'gone', displayName: 'Gone' });
    await admin.run(removeScope, { name: 'gone' });

    const changed = await admin.client();
    await admin.run(addClientSecret, { clientId: changed.clientId });
    await admin.run(changeClientRedirectUris, {
      clientId: changed.clientId,
      redirectUris: [`${REDIRECT_URI}/other`],
    });
    await admin.run(localizeClient, {
      clientId: changed.clientId,
      locale: 'de',
      text: { displayName: 'Das Programm' },
    });
    await admin.run(disableClient, { clientId: changed.clientId, reason: 'test' });
    const { clientId } = await admin.client();
    await admin.run(removeClient, { clientId });

    const [disabled, erased] = [await admin.person(), await admin.person()];
    await admin.run(changeUserRoles, { sub: disabled.sub, roles: ['tester'] });
    await admin.run(disableUser, { sub: disabled.sub, reason: 'test' });
    await admin.run(eraseUser, { sub: erased.sub });

    const [browser, other] = [newBrowser(server), newBrowser(server)];
    const { tokens } = await app.signIn(browser, person);
    await app.refresh(tokens.refresh_token ?? '');
    await oidc.tokenRevocation(app.config, tokens.access_token);
    await app.signIn(other, person, { scope: 'openid email' }, { declines: ['email'] });
    await app.signOut(other, { client_id: app.registered.clientId });
    await oidc.clientCredentialsGrant(app.config);

    const television = await admin.client({
      clientType: 'public',
      redirectUris: [],
      permissions: {
        grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'],
        responseTypes: [],
        scopes: ['openid'],
      },
    });
    const device = await ClientApp.connect(server, television);
    await oidc.initiateDeviceAuthorization(device.config, { scope: 'openid' });

    const till = await admin.client({
      redirectUris: [],
      permissions: { grantTypes: [CIBA], responseTypes: [], scopes: ['openid'] },
    });
    await admin.run(localizeClient, {
      clientId: till.clientId,
      locale: 'de',
      text: { displayName: 'Kasse' },
    });
    await oidc.initiateBackchannelAuthentication((await ClientApp.connect(server, till)).config, {
      scope: 'openid',
      login_hint: person.username,
    });

    await admin.run(trustIssuer, {
      issuer: 'https://partner.example',
      displayName: 'Partner',
      jwksUri: 'https://partner.example/jwks',
      subjectMapping: 'sub',
      clientIds: [till.clientId],
      scopes: ['orders'],
    });
    await admin.run(createInitialAccessToken, {
      description: 'for a partner',
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      policy: { grantTypes: ['client_credentials'], scopes: ['orders'], consentType: 'explicit' },
    });
    await tellOfLogout();
  }

  /** A notice that has been delivered: what is tried again would change its row meanwhile. */
  async function tellOfLogout(): Promise<void> {
    const logout = { backchannelUri: `${receiver.origin}/logout` };
    const shop = await ClientApp.connect(server, await server.admin.client({ logout }));
    const browser = newBrowser(server);
    await shop.signIn(browser, person);
    await shop.signOut(browser, { client_id: shop.registered.clientId });
    await eventually('the client is told', async () => {
      const { rows } = await server.admin.pool.query(
        `select from ${READ_SCHEMA}.notices where delivered_at is not null`,
      );
      return rows.length > 0;
    });
  }

  const readModels = async () => {
    const rows = await everyRow(server.admin.pool, READ_SCHEMA);
    // How far the projections are, and how much of them was over, is no part of what they show.
    for (const table of ['checkpoint', 'pruning']) rows.delete(`${READ_SCHEMA}.${table}`);
    return Object.fromEntries(rows);
  };

  test('gives the same rows to the byte, and what lives goes on living', async () => {
    const browser = newBrowser(server);
    const { tokens } = await app.signIn(browser, person);
    const before = await readModels();
    for (const [table, rows] of Object.entries(before)) {
      expect({ table, empty: rows.length === 0 }).toEqual({ table, empty: false });
    }

    const { code, stdout, stderr } = await server.run('rebuild');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('The read models are as they were.');
    expect(await readModels()).toEqual(before);

    expect(await app.isActive(tokens.access_token)).toBe(true);
    const refreshed = await app.refresh(tokens.refresh_token ?? '');
    expect(await app.isActive(refreshed.access_token)).toBe(true);
    expect((await app.signIn(browser, person)).pages).toEqual([]);
  });

  test('mends rows that are not what the log tells, and says how many', async () => {
    const { tokens } = await app.signIn(newBrowser(server), person);
    const before = await readModels();
    const { pool } = server.admin;
    await pool.query(
      `update ${READ_SCHEMA}.tokens set revoked_at = now() where revoked_at is null`,
    );
    expect(await app.isActive(tokens.access_token)).toBe(false);

    const { stdout } = await server.run('rebuild');
    expect(stdout).toMatch(/ {2}tokens: \d+ rows differed/);
    expect(await readModels()).toEqual(before);
    expect(await app.isActive(tokens.access_token)).toBe(true);
  });

  test('verify names each row that is not what the log tells, and mends it when asked to', async () => {
    const before = await readModels();
    const { pool } = server.admin;
    const { rows } = await pool.query<{ name: string }>(
      `update ${READ_SCHEMA}.scopes set display_name = 'Forged' where name = 'orders' returning name`,
    );
    expect(rows).toHaveLength(1);
    await pool.query(`delete from ${READ_SCHEMA}.users where sub = $1`, [person.sub]);
    const found = await server.run('verify');
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(
      /scopes \{"name":"orders"\} differs in display_name; last told of by \w+, revision \d+ of scope-orders/,
    );
    expect(found.stdout).toContain(`users {"sub":"${person.sub}"} is missing; last told of by`);
    expect(found.stdout).not.toContain('Forged');

    const dry = await server.run('rebuild', '--dry-run');
    expect(dry.stdout).toContain('  users: 1 rows differed');
    expect((await server.run('verify', '--repair')).stdout).toContain('2 rows have been mended.');
    expect(await readModels()).toEqual(before);
    expect((await server.run('verify')).code).toBe(0);
  });

  test('refuses no request that comes in meanwhile', async () => {
    const { tokens } = await app.signIn(newBrowser(server), person);
    let rebuilding = true;
    const statuses = new Map<number, number>();
    const client = { client: app.registered };
    const ask = async (): Promise<void> => {
      while (rebuilding) {
        for (const { status } of [
          await post(server, '/connect/token', { grant_type: 'client_credentials' }, client),
          await post(server, '/connect/introspect', { token: tokens.access_token }, client),
        ]) {
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      }
    };
    const asking = Promise.all([ask(), ask(), ask(), ask()]);
    const { code, stdout } = await server.run('rebuild').finally(() => {
      rebuilding = false;
    });
    await asking;
    expect(code).toBe(0);
    expect(stdout).toContain('The read models are as they were.');
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(20);
  });
});
