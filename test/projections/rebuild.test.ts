import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import type { ClientRegistration } from '../../src/domain/client.ts';
import { client } from '../../src/domain/client.ts';
import { PROTECTED_BY_DEFAULT } from '../../src/domain/client-responses.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { act, type Execute, executor } from '../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { inlineProjection, migrateReadModels, READ_SCHEMA } from '../../src/projections/apply.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { rebuild } from '../../src/projections/rebuild.ts';
import { envelope } from '../support/log-events.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let pool: pg.Pool;
let store: EventStore;
let execute: Execute;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await migrateLog(pool);
  const migrating = await pool.connect();
  await migrateReadModels(migrating, READ_SCHEMA, protocolReadModels);
  migrating.release();
  store = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
  execute = executor(store);
  for (const name of ['alpha', 'beta', 'gamma']) await register(name);
  await execute(
    [act(client, 'beta', [{ type: 'DisableClient', data: { reason: 'a test' } }])],
    envelope(),
  );
  await execute([act(client, 'gamma', [{ type: 'RemoveClient', data: {} }])], envelope());
});

afterAll(async () => {
  await store.close();
  await pool.end();
  await database.drop();
});

async function register(clientId: string) {
  const registration: ClientRegistration = {
    clientId,
    origin: 'administrator',
    displayName: clientId,
    description: '',
    clientUri: null,
    logoUri: null,
    policyUri: null,
    tosUri: null,
    clientType: 'confidential',
    applicationType: 'web',
    authenticationMethod: 'client_secret_basic',
    certificateSubject: null,
    profile: 'none',
    consentType: 'explicit',
    consentLifetime: null,
    redirectUris: [],
    postLogoutRedirectUris: [],
    permissions: {
      endpoints: ['*'],
      authorizationDetailTypes: [],
      grantTypes: ['client_credentials'],
      responseTypes: [],
      scopes: ['*'],
    },
    requirements: {
      pkce: true,
      pushedAuthorizationRequests: false,
      signedRequestObjects: false,
      dpop: false,
      dpopNonce: false,
      certificateBoundTokens: false,
    },
    tokenExchange: { impersonation: true, delegation: true, resources: ['*'], once: false },
    tokenPolicy: {
      accessTokenFormat: 'reference',
      accessTokenSigningAlg: null,
      claims: {},
      claimsPrefix: 'client_',
      accessTokenLifetime: null,
      refreshTokenLifetime: null,
      authorizationCodeLifetime: null,
      idTokenLifetime: null,
      refreshTokenUsage: 'one_time',
      refreshTokenAbsoluteLifetime: null,
    },
    responseProtection: PROTECTED_BY_DEFAULT,
    jwks: null,
    jwksUri: null,
    subjectType: 'public',
    logout: {
      backchannelUri: null,
      frontchannelUri: null,
      sessionRequired: false,
      revokesOfflineAccess: null,
    },
    ciba: {
      deliveryMode: 'poll',
      notificationEndpoint: null,
      userCodeParameter: false,
      requestSigningAlg: null,
    },
    allowedOrigins: [],
    properties: {},
  };
  await execute(
    [act(client, clientId, [{ type: 'RegisterClient', data: registration }])],
    envelope(),
  );
}

const run = () => rebuild({ pool, store, projections: protocolReadModels });
const rows = async () =>
  (await pool.query(`select t::text as row from ${READ_SCHEMA}.clients t order by client_id`)).rows;

describe('a rebuild', () => {
  test('makes the same rows from the log, to the letter', async () => {
    const before = await rows();
    const { events, divergences } = await run();
    expect(events).toBe(5);
    expect(divergences).toEqual([]);
    expect(before).toHaveLength(2);
    expect(await rows()).toEqual(before);
  });

  test('repairs what the log does not tell, and says where it was', async () => {
    const before = await rows();
    await pool.query(
      `update ${READ_SCHEMA}.clients set disabled_at = null where client_id = 'beta'`,
    );
    await pool.query(
      `insert into ${READ_SCHEMA}.client_secrets values ('alpha', 's', 'd', '', now(), null, 9)`,
    );
    expect((await run()).divergences).toMatchObject([
      {
        table: 'clients',
        key: { client_id: 'beta' },
        expected: { disabled_at: expect.any(String) },
      },
      { table: 'client_secrets', key: { client_id: 'alpha' }, expected: null },
    ]);
    expect(await rows()).toEqual(before);
  });

  test('goes on while others append, and misses nothing of what they do', async () => {
    const rebuilding = run();
    const names = Array.from({ length: 40 }, (_, nth) => `during-${String(nth).padStart(2, '0')}`);
    for (const name of names) await register(name);
    await rebuilding;
    await register('after');
    const { rows } = await pool.query(
      `select client_id from ${READ_SCHEMA}.clients where client_id ~ '^(during|after)' order by 1`,
    );
    expect(rows.map(({ client_id }) => client_id)).toEqual(['after', ...names]);
    expect((await run()).divergences).toEqual([]);
  });

  test('tells how far it is', async () => {
    const told: number[] = [];
    const { events } = await rebuild({
      pool,
      store,
      projections: protocolReadModels,
      progress(done) {
        told.push(done.events);
      },
    });
    expect(told.at(-1)).toBe(events);
  });
});
