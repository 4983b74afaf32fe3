import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { pino } from 'pino';
import type { CommandContext } from '../../src/commands/command.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { defineScope } from '../../src/commands/scopes.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { executor } from '../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { Secrets } from '../../src/platform/secrets.ts';
import { SubjectKeys } from '../../src/platform/subject-keys.ts';
import { applyEvents, inlineProjection, migrateReadModels } from '../../src/projections/apply.ts';
import { type Engine, openEngine } from '../../src/projections/engine.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { runProjector } from '../../src/projections/projector.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import {
  attend,
  enterVersion,
  inlineVersion,
  migrateVersions,
  noteFailure,
  versionOf,
} from '../../src/projections/versions.ts';
import { eventually } from '../support/eventually.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

/** The read models of a version before this one, which happen to look the same. */
const OLD = 'read_00000001';

let database: TestDatabase;
let pool: pg.Pool;
let oldStore: EventStore;
let engine: Engine;
const oldNode = new AbortController();
let projecting: Promise<void>;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await migrateLog(pool);
  const client = await pool.connect();
  await migrateVersions(client);
  await enterVersion(client, OLD, { inline: true });
  await migrateReadModels(client, OLD, protocolReadModels);
  client.release();
  oldStore = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels, OLD) });
  await attend(pool, oldNode.signal, OLD, 'postgres');
  projecting = runProjector({
    pool,
    store: oldStore,
    schema: OLD,
    group: { lock: 1, channel: 'old_version' },
    needed: async (connection) => (await inlineVersion(connection)) !== OLD,
    write: (connection, events) => applyEvents(connection, OLD, protocolReadModels, events),
    signal: oldNode.signal,
    failed: () => {},
  });
  for (const name of ['one', 'two', 'three']) await define(oldStore, name);
});

afterAll(async () => {
  oldNode.abort();
  await projecting;
  await engine?.close();
  await oldStore.close();
  await pool.end();
  await database.drop();
});

async function define(store: EventStore, name: string): Promise<void> {
  const secrets = new Secrets(Buffer.alloc(32, 7));
  const context: CommandContext = {
    execute: executor(store),
    store,
    secrets,
    subjectKeys: new SubjectKeys(pool, secrets),
    signingAlgorithms: ['RS256'],
  };
  await defineScope(context, { name, displayName: name }, systemEnvelope());
}

async function scopes(schema: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select name from ${schema}.scopes order by 1`,
  );
  return rows.map(({ name }) => name);
}

const shows = (schema: string, name: string) =>
  eventually(`${name} in ${schema}`, async () => (await scopes(schema)).includes(name));

const state = async (schema: string) => (await versionOf(pool, schema))?.state;

describe('a node with another version of the read models', () => {
  test('builds it beside the one in use, which goes on being written with the events', async () => {
    const waited: string[] = [];
    const masterKey = randomBytes(32).toString('base64');
    engine = await openEngine(
      loadConfig({
        ISSUER: 'http://localhost:1',
        DATABASE_URL: database.url,
        MASTER_KEY: masterKey,
      }),
      pino({ level: 'silent' }),
      { project: true, waiting: (reason) => waited.push(reason) },
    );
    expect(waited[0]).toMatch(/^the read models are being built: 0%/);
    expect(await scopes(READ_SCHEMA)).toEqual(await scopes(OLD));
    expect([await state(OLD), await state(READ_SCHEMA)]).toEqual(['active', 'ready']);
    expect(await inlineVersion(pool)).toBe(OLD);
    await define(oldStore, 'old-inline');
    expect(await scopes(OLD)).toContain('old-inline');
    await shows(READ_SCHEMA, 'old-inline');
  });

  test('from its first append on each version follows the log, and who appends sees it at once', async () => {
    await define(engine.store, 'new');
    expect(await scopes(READ_SCHEMA)).toContain('new');
    expect(await inlineVersion(pool)).toBeNull();
    await shows(OLD, 'new');
    await define(oldStore, 'old-follows');
    await shows(OLD, 'old-follows');
    await shows(READ_SCHEMA, 'old-follows');
  });

  test('is alone when the nodes of the other have gone, and keeps theirs for the way back', async () => {
    oldNode.abort();
    await eventually('it is alone', async () => (await inlineVersion(pool)) === READ_SCHEMA);
    expect([await state(OLD), await state(READ_SCHEMA)]).toEqual(['previous', 'active']);
    await define(engine.store, 'alone');
    expect(await scopes(READ_SCHEMA)).toContain('alone');
    expect(await scopes(OLD)).not.toContain('alone');
  });

  test('gives way again when a node of the former version comes back and appends', async () => {
    await define(oldStore, 'back');
    expect(await inlineVersion(pool)).toBeNull();
    await shows(READ_SCHEMA, 'back');
    await eventually('it is alone', async () => (await inlineVersion(pool)) === READ_SCHEMA);
    expect(await scopes(READ_SCHEMA)).toEqual(
      ['alone', 'back', 'new', 'old-follows', 'old-inline', 'one', 'three', 'two'].sort(),
    );
  });

  test('is not said to stand still because the node that wrote it has lost its session', async () => {
    const lost = Object.assign(new Error('idle-in-transaction timeout'), { code: '25P03' });
    await noteFailure(pool, READ_SCHEMA, lost);
    expect((await versionOf(pool, READ_SCHEMA))?.failure).toBeNull();
  });
});
