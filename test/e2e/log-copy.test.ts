import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { localizeClient } from '../../src/commands/clients.ts';
import { type Person, REDIRECT_URI, type RegisteredClient } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../support/eventstoredb/double.ts';
import { eventually } from '../support/eventually.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import type { UserAgent } from '../support/user-agent.ts';

/** What auditors see of a client as it is and was, and of others: all but positions. */
const RECORD = `query ($clientId: String!, $then: DateTime!) {
  client(clientId: $clientId) {
    displayName
    history(first: 50) { totalCount nodes {
      eventId type version at actor { type id } correlationId reason changes { field before after } } }
  }
  then: client(clientId: $clientId, asOf: { time: $then }) { version asOf { time } }
  events(first: 100, filter: { types: ["ClientRegistered", "UserRegistered", "GrantOpened"] }) {
    nodes { eventId type at version entity } }
}`;

describe('the log of a server', () => {
  let server: TestServer;
  let double: EventStoreDouble;
  let api: AdminApi;
  let client: RegisteredClient;
  let app: ClientApp;
  let person: Person;
  let browser: UserAgent;
  let access = '';
  let refresh = '';
  let redeemed: Record<string, string>;
  /** Before the client was changed. */
  let then: string;

  beforeAll(async () => {
    double = await startEventStoreDouble();
    server = await startTestServer({ engine: 'postgres' });
    api = await adminApi(server);
    client = await server.admin.client();
    then = new Date().toISOString();
    await eventually('the clock has moved', () => Date.now() > Date.parse(then));
    await server.admin.run(localizeClient, {
      clientId: client.clientId,
      locale: 'de',
      text: { displayName: 'Laden' },
    });
    person = await server.admin.person();
    app = await ClientApp.connect(server, client);
    browser = newBrowser(server);
    const { tokens } = await app.signIn(browser, person);
    access = tokens.access_token;
    refresh = tokens.refresh_token ?? '';
    await redeemOne();
  });
  afterAll(async () => {
    await server?.stop();
    await double?.stop();
  });

  const token = (parameters: Record<string, string>) =>
    post(server, '/connect/token', parameters, { client });

  /** Redeems a code, which is good for nothing from then on. */
  async function redeemOne(): Promise<void> {
    const { code, codeVerifier } = await app.code(newBrowser(server), person);
    redeemed = {
      grant_type: 'authorization_code',
      redirect_uri: REDIRECT_URI,
      code,
      code_verifier: codeVerifier,
    };
    expect((await token(redeemed)).status).toBe(200);
  }

  async function rotate(): Promise<void> {
    refresh = (await app.refresh(refresh)).refresh_token ?? '';
  }

  async function record() {
    const asked = JSON.stringify({
      query: RECORD,
      variables: { clientId: client.clientId, then },
    });
    // What is asked of the past waits for the audit index; what is asked of all events does not.
    await api.send(asked);
    const { body } = await api.send(asked);
    expect(body.errors).toBeUndefined();
    expect(body.data.client.history.totalCount).toBeGreaterThan(1);
    expect(body.data.then.version).toBeLessThan(body.data.client.history.totalCount);
    return body.data;
  }

  /** Follows the log while clients go on, until the server has been stopped. */
  async function move(from: string, to: string, ends: () => Promise<readonly unknown[]>) {
    const ways = ['--from', from, '--to', to];
    const following = server.run('log', 'copy', ...ways, '--follow', '--until-idle', '1.5');
    await eventually('the copy has begun', async () => {
      expect((await token({ grant_type: 'client_credentials' })).status).toBe(200);
      const [one, other] = await ends();
      return one === other;
    });
    await rotate();
    await server.node.kill();
    const { code, stdout, stderr } = await following;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Everything is copied');
    expect((await server.run('log', 'copy', ...ways, '--verify-only')).code).toBe(0);
  }

  /** Whatever was handed out before is what it was. */
  async function everythingGoesOn(): Promise<void> {
    expect(await app.isActive(access)).toBe(true);
    await rotate();
    expect(await token(redeemed)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
    const { pages, tokens } = await app.signIn(browser, person);
    expect(pages).toEqual([]);
    access = tokens.access_token;
  }

  test('moves from Postgres to EventStoreDB while clients go on, and nobody notices', async () => {
    const before = await record();
    await move('postgres', double.url, async () => [
      double.log.all.at(-1)?.id,
      (await server.admin.store.last())?.id,
    ]);
    await server.node.restart({ env: { EVENTSTORE_URL: double.url } });
    expect(await record()).toEqual(before);
    await everythingGoesOn();
    await redeemOne();
  });

  test('that has gone on elsewhere is not taken up again by mistake', async () => {
    await record();
    const forgotten = await server.run('serve');
    expect(forgotten.code).toBe(1);
    expect(forgotten.stderr).toMatch(
      /this log lacks what the former one held: \w+, revision \d+ of /,
    );
    const command = await server.run('verify');
    expect(command).toMatchObject({ code: 1, stderr: expect.stringContaining('eventstoredb') });
  });

  test('moves back, with what has happened in the meantime', async () => {
    const before = await record();
    await move(double.url, 'postgres', async () => [
      double.log.all.at(-1)?.id,
      (await server.admin.store.last())?.id,
    ]);
    await server.node.restart({ env: { EVENTSTORE_URL: undefined } });
    expect(await record()).toEqual(before);
    await everythingGoesOn();
    expect((await server.run('verify')).code).toBe(0);
  });

  test('is not copied to a log that holds anything else', async () => {
    const stranger = await startEventStoreDouble();
    const ways = ['--from', double.url, '--to', stranger.url];
    stranger.log.append('client-stranger', 'none', [
      {
        id: crypto.randomUUID(),
        type: 'ClientRegistered',
        contentType: 'application/json',
        data: Buffer.from('{}'),
        metadata: Buffer.from('{}'),
      },
    ]);
    const { code, stderr } = await server.run('log', 'copy', ...ways);
    expect(code).toBe(1);
    expect(stderr).toBe('muniment: the target holds what the source does not: client-stranger\n');
    expect((await server.run('log', 'copy', '--to', 'nowhere')).stderr).toContain('use it so');
    await stranger.stop();
  });
});
