import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { registerClient } from '../../../src/commands/clients.ts';
import { systemEnvelope } from '../../../src/commands/command.ts';
import { registerSelf } from '../../../src/commands/registrations.ts';
import { grant } from '../../../src/domain/grant.ts';
import { openPolicy } from '../../../src/domain/registration-policy.ts';
import { clientToken } from '../../../src/domain/token.ts';
import type { EventStore } from '../../../src/eventstore/event-store.ts';
import { act, executor } from '../../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../../src/eventstore/postgres.ts';
import { migrateLog } from '../../../src/eventstore/postgres-schema.ts';
import { described } from '../../../src/oidc/clients/client-registration-metadata.ts';
import {
  removeUnusedRegistrations,
  type UnusedRegistrations,
} from '../../../src/oidc/clients/unused-registrations.ts';
import { connectPostgres } from '../../../src/platform/postgres.ts';
import { Secrets } from '../../../src/platform/secrets.ts';
import {
  inlineProjection,
  migrateReadModels,
  READ_SCHEMA,
} from '../../../src/projections/apply.ts';
import { protocolReadModels } from '../../../src/projections/index.ts';
import { ProtocolReads } from '../../../src/projections/protocol-reads.ts';
import { createDatabase, type TestDatabase } from '../../support/postgres.ts';

const DAY_MS = 86_400_000;
const policy = openPolicy(['openid']);

let database: TestDatabase;
/** Two nodes, with connections of their own. */
let nodes: (UnusedRegistrations & { store: EventStore; reads: ProtocolReads })[];

beforeAll(async () => {
  database = await createDatabase();
  nodes = Array.from({ length: 2 }, () => {
    const pool = connectPostgres(database.connection, { max: 4 });
    const store = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
    return { pool, store, reads: new ProtocolReads(pool), execute: executor(store), days: 30 };
  });
  const { pool } = node();
  await migrateLog(pool);
  const migrating = await pool.connect();
  await migrateReadModels(migrating, READ_SCHEMA, protocolReadModels);
  migrating.release();
});

afterAll(async () => {
  for (const { store, pool } of nodes) {
    await store.close();
    await pool.end();
  }
  await database.drop();
});

function node() {
  const [first] = nodes;
  if (!first) throw new Error('there is no node');
  return first;
}

const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();
const envelopeAt = (at: string) => ({ ...systemEnvelope(), at });

async function registered(days: number): Promise<string> {
  const now = daysAgo(days);
  const metadata = { redirect_uris: ['https://app.example/'], token_endpoint_auth_method: 'none' };
  const said = described(metadata, policy.scopes);
  const { acts, registration } = registerSelf(said, {
    policy,
    tokenId: null,
    now,
    signingAlgorithms: [],
  });
  await node().execute(acts, envelopeAt(now));
  return registration.clientId;
}

/** Somebody signed in so long ago, and got a refresh token that is good for some days. */
async function signedIn(clientId: string, days: number, goodFor: number): Promise<void> {
  const grantId = randomUUID();
  const terms = {
    grantId,
    sub: 'ada',
    clientId,
    sessionUid: null,
    scopes: ['openid'],
    claims: [],
    resources: {},
    declined: { scopes: [], claims: [], resources: {} },
    basis: 'consent' as const,
    assertedBy: null,
  };
  const token = {
    digest: `of ${grantId}`,
    issuedAt: daysAgo(days),
    expiresAt: daysAgo(days - goodFor),
    scopes: ['openid'],
    parameters: {},
    rotations: 0,
  };
  await node().execute(
    [
      act(grant, grantId, [
        { type: 'OpenGrant', data: terms },
        { type: 'IssueRefreshToken', data: token },
      ]),
    ],
    envelopeAt(daysAgo(days)),
  );
}

async function hadToken(clientId: string, days: number): Promise<void> {
  const digest = randomUUID();
  const data = {
    digest,
    clientId,
    issuedAt: daysAgo(days),
    expiresAt: daysAgo(days),
    scopes: [],
    parameters: {},
    format: 'reference' as const,
    audience: null,
  };
  await node().execute(
    [act(clientToken, digest, [{ type: 'IssueClientToken', data }])],
    envelopeAt(daysAgo(days)),
  );
}

async function byAdministrator(): Promise<string> {
  const { execute, store } = node();
  const context = {
    execute,
    store,
    secrets: new Secrets(Buffer.alloc(32, 7)),
    subjectKeys: null,
    signingAlgorithms: [],
  };
  const input = {
    displayName: 'Old',
    clientType: 'public',
    redirectUris: ['https://app.example/'],
  };
  const { clientId } = await registerClient(
    context as unknown as Parameters<typeof registerClient>[0],
    input as Parameters<typeof registerClient>[1],
    envelopeAt(daysAgo(400)),
  );
  return clientId;
}

async function there(clientIds: Readonly<Record<string, string>>): Promise<string[]> {
  const { reads } = node();
  const found = await Promise.all(
    Object.entries(clientIds).map(async ([name, id]) => ((await reads.client(id)) ? [name] : [])),
  );
  return found.flat().sort();
}

test('clients that registered themselves go when they have not been used, and only they', async () => {
  const clients = {
    unused: await registered(31),
    young: await registered(29),
    forgotten: await registered(400),
    signedInLately: await registered(400),
    stillGood: await registered(400),
    hadToken: await registered(400),
    byAdministrator: await byAdministrator(),
  };
  await signedIn(clients.forgotten, 100, 60);
  await signedIn(clients.signedInLately, 29, 1);
  await signedIn(clients.stillGood, 100, 90);
  await hadToken(clients.hadToken, 10);

  const removed = await Promise.all(nodes.map(removeUnusedRegistrations));
  expect(removed.sort()).toEqual([0, 2]);
  expect(await there(clients)).toEqual([
    'byAdministrator',
    'hadToken',
    'signedInLately',
    'stillGood',
    'young',
  ]);
  const [last] = await node().store.read(`client-${clients.unused}`, { backwards: true, limit: 1 });
  expect(last).toMatchObject({
    type: 'ClientRemoved',
    metadata: { actor: { type: 'system', id: 'muniment' } },
  });
});
