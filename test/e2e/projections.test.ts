import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clientCredentialsGrant } from 'openid-client';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { envelope, newEvent } from '../support/log-events.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const ALL = `{ projections { name version state position lag lagSeconds paused
  failure { message eventId stream position }
  operation { operationId kind endedAt events differences failure }
  divergenceCount divergences { table key what columns eventId eventType mended } lookedAt } }`;

describe.each(ENGINES)('operators and projections, on %s', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  let app: ClientApp;

  beforeAll(async () => {
    server = await startTestServer({ engine, errors: true, env: { VERIFY_PERIOD: '1' } });
    api = await adminApi(server);
    app = await ClientApp.connect(server, await server.admin.client());
  });
  afterAll(() => server?.stop());

  // biome-ignore lint/suspicious/noExplicitAny: what comes back is whatever the test asked for
  const copies = async (): Promise<any[]> => api.call(ALL);
  const copy = async (name: string, state = 'ACTIVE') =>
    (await copies()).find((each) => each.name === name && each.state === state);

  /** The answer of a mutation, refused or not. */
  async function wish(mutation: string, input: string) {
    const query = `mutation { ${mutation}(input: { ${input} }) {
      operationId position userErrors { code field message } projections { name state paused } } }`;
    const { body } = await api.send(JSON.stringify({ query }));
    if (body.errors) throw new Error(JSON.stringify(body.errors));
    return body.data[mutation];
  }

  /** Resolves with the operation once it has ended. */
  async function carriedOut(mutation: string, input: string) {
    const { operationId, userErrors } = await wish(mutation, input);
    expect(userErrors).toEqual([]);
    const name = input.includes('AUDIT') ? 'AUDIT' : 'PROTOCOL';
    return eventually(`${mutation} has ended`, async () => {
      const { operation } = await copy(name);
      return operation?.operationId === operationId && operation.endedAt !== null && operation;
    });
  }

  const damage = (set: string) =>
    server.admin.pool.query(`update ${READ_SCHEMA}.scopes set ${set} where name = 'profile'`);
  const mistakes = async () => (await copy('PROTOCOL')).divergenceCount;

  test('how far each is', async () => {
    await eventually('the index is there', async () => (await copy('AUDIT')).lag === 0);
    expect(await copies()).toMatchObject([
      { name: 'PROTOCOL', version: READ_SCHEMA, state: 'ACTIVE', lag: 0, lagSeconds: 0 },
      { name: 'AUDIT', version: 'audit_1', state: 'ACTIVE', paused: false, failure: null },
    ]);
  });

  test('a rebuild in the background that is held, switched to, and taken back', async () => {
    expect((await wish('projectionSwitch', 'name: PROTOCOL')).userErrors).toMatchObject([
      { code: 'NOT_FOUND', field: 'name' },
    ]);
    expect((await wish('projectionRollBack', 'name: AUDIT')).userErrors).toMatchObject([
      { code: 'NOT_FOUND' },
    ]);
    const held = await carriedOut('projectionRebuild', 'name: PROTOCOL, held: true');
    expect(held).toMatchObject({ kind: 'REBUILD', differences: 0, failure: null });
    expect(await copy('PROTOCOL', 'NEXT')).toBeDefined();

    await clientCredentialsGrant(app.config);
    const identity = () => oidOf(`${READ_SCHEMA}.tokens`);
    const before = await identity();
    expect(await carriedOut('projectionSwitch', 'name: PROTOCOL')).toMatchObject({
      kind: 'SWITCH',
      failure: null,
    });
    expect(await identity()).not.toBe(before);
    expect(await copy('PROTOCOL', 'NEXT')).toBeUndefined();
    const { access_token } = await clientCredentialsGrant(app.config);
    expect(await carriedOut('projectionRollBack', 'name: PROTOCOL')).toMatchObject({
      kind: 'ROLLBACK',
      failure: null,
    });
    expect(await identity()).toBe(before);
    expect(await app.isActive(access_token)).toBe(true);
    expect(await carriedOut('projectionVerify', 'name: PROTOCOL')).toMatchObject({
      kind: 'VERIFICATION',
      differences: 0,
    });
  });

  test('what is wrong is found in passing and by a verification, and mended', async () => {
    await damage(`display_name = 'wrong'`);
    await eventually('it is found in passing', async () => (await mistakes()) === 1);
    expect((await copy('PROTOCOL')).divergences).toMatchObject([
      { table: 'scopes', key: { name: 'profile' }, what: 'DIFFERENT', columns: ['display_name'] },
    ]);
    const metrics = await (await fetch(`${server.node.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/^muniment_projection_divergences 1$/m);
    expect(server.output()).toContain('a row is not what the log tells');

    const verified = await carriedOut('projectionVerify', 'name: PROTOCOL, repair: true');
    expect(verified).toMatchObject({ differences: 1, failure: null });
    expect((await copy('PROTOCOL')).divergences).toMatchObject([
      { table: 'scopes', eventType: expect.stringMatching(/^Scope/), mended: true },
    ]);
    expect(await carriedOut('projectionVerify', 'name: PROTOCOL')).toMatchObject({
      differences: 0,
    });
    expect(await mistakes()).toBe(0);
  });

  test('the audit index is built anew, and verified', async () => {
    for (const [mutation, input] of [
      ['projectionRebuild', 'name: AUDIT'],
      ['projectionVerify', 'name: AUDIT'],
    ] as const) {
      expect(await carriedOut(mutation, input)).toMatchObject({ differences: 0, failure: null });
    }
  });

  test('a projection stands still, and goes on', async () => {
    const paused = await wish('projectionPause', 'name: AUDIT, reason: "maintenance"');
    expect(paused.projections).toMatchObject([{ name: 'AUDIT', paused: true }]);
    expect((await wish('projectionPause', 'name: AUDIT')).position).toBeNull();
    await eventually('it lags', async () => {
      await clientCredentialsGrant(app.config);
      return (await copy('AUDIT')).lag > 0;
    });
    await wish('projectionResume', 'name: AUDIT');
    await eventually('it has caught up', async () => (await copy('AUDIT')).lag === 0);
    if (engine === 'postgres') {
      expect((await wish('projectionPause', 'name: PROTOCOL')).userErrors).toMatchObject([
        { code: 'INVALID', field: 'name' },
      ]);
    }
  });

  test('each wish is an event with its actor', async () => {
    const events = await server.admin.store.read('projection-protocol');
    expect(events.map(({ type }) => type).slice(0, 4)).toEqual([
      'ProjectionRebuildStarted',
      'ProjectionOperationEnded',
      'ProjectionSwitchStarted',
      'ProjectionOperationEnded',
    ]);
    expect(events[0]?.metadata).toMatchObject({ actor: { type: 'client', id: 'muniment-admin' } });
    expect(events[1]?.metadata).toMatchObject({ actor: { type: 'system' } });
  });

  test('an event that cannot be projected holds the group until it can be, and is shown', async () => {
    const stream = `probe-${crypto.randomUUID()}`;
    const poison = { ...newEvent(), metadata: envelope({ schema: 99 }) };
    const commit = { streams: [{ stream, expectedRevision: 'none' as const, events: [poison] }] };
    // Where projectors write what the protocol reads, it is waited for in vain.
    await Promise.allSettled([server.admin.store.append(commit)]);
    const { failure } = await eventually('the index stands still', async () => {
      const audit = await copy('AUDIT');
      return audit.failure !== null && audit.lag > 0 && audit;
    });
    expect(failure).toMatchObject({
      message: expect.stringContaining('schema version 99'),
      eventId: poison.id,
      stream,
    });
    await eventually('health says so', async () => {
      const { notes = [], reasons = [] } = (await (
        await fetch(`${server.node.adminUrl}/health/ready`)
      ).json()) as { notes?: string[]; reasons?: string[] };
      return [...notes, ...reasons].some((each) => each.includes('schema version 99'));
    });
    if (engine !== 'postgres') return;
    // As if a version that knows the event had come.
    await server.admin.pool.query(
      `update log.events set metadata = jsonb_set(metadata, '{schema}', '1') where id = $1`,
      [poison.id],
    );
    await eventually('it goes on, and past the event', async () => {
      const { lag, failure } = await copy('AUDIT');
      return lag === 0 && failure === null;
    });
  });

  async function oidOf(table: string): Promise<number> {
    const { rows } = await server.admin.pool.query('select $1::regclass::oid::int as oid', [table]);
    return rows[0].oid;
  }
});
