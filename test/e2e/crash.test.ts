import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Position, RecordedEvent } from '../../src/eventstore/event-store.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import { checkpoint } from '../../src/projections/projector.ts';
import type { RegisteredClient } from '../support/admin.ts';
import { ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type EngineName, startTestServer, type TestServer } from '../support/server.ts';

const scenes: { engine: EngineName; rounds: number }[] = [
  { engine: 'postgres', rounds: 25 },
  { engine: 'eventstoredb', rounds: 5 },
];
const FAMILIES = 4;
const MACHINES = 4;

/** What one request of the load records, all of it or nothing. */
const WHOLE = [
  ['ClientTokenIssued'],
  ['RefreshTokenRedeemed', 'RefreshTokenIssued', 'AccessTokenIssued'],
];

describe.each(scenes)('killed $rounds times under load, on $engine,', ({ engine, rounds }) => {
  let server: TestServer;
  let client: RegisteredClient;
  /** The newest refresh token of each family. */
  const families: string[] = [];
  /** Position of the last event that was looked at. */
  let seen: Position | undefined;
  let issued = 0;

  beforeAll(async () => {
    server = await startTestServer({ engine, env: { REFRESH_TOKEN_LEEWAY: '300' } });
    client = await server.admin.client();
    const app = await ClientApp.connect(server, client);
    const person = await server.admin.person();
    for (let nth = 0; nth < FAMILIES; nth++) {
      const { tokens } = await app.signIn(newBrowser(server), person);
      families.push(tokens.refresh_token ?? '');
    }
    issued += tokensIn(await newEvents()).length;
  });
  afterAll(() => server?.stop());

  async function newEvents(): Promise<RecordedEvent[]> {
    const events = await server.admin.events(seen);
    seen = events.at(-1)?.position ?? seen;
    return events;
  }

  const token = (parameters: Record<string, string>) =>
    post(server, '/connect/token', parameters, { client });

  const refresh = async (nth: number): Promise<string> => {
    const refreshToken = families[nth] ?? '';
    const { status, body } = await token({
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    expect({ status, body }).toMatchObject({ status: 200 });
    families[nth] = String(body.refresh_token);
    return String(body.access_token);
  };

  const mint = async (): Promise<string> => {
    const { status, body } = await token({ grant_type: 'client_credentials' });
    expect({ status, body }).toMatchObject({ status: 200 });
    return String(body.access_token);
  };

  /** Asks for tokens from all sides until the server is killed. @returns those acknowledged */
  async function loadUntilKilled(acknowledgements: number): Promise<string[]> {
    const acknowledged: string[] = [];
    let dead: Promise<void> | undefined;
    const keepOn = async (ask: () => Promise<string>): Promise<void> => {
      while (!dead) {
        let answer: string;
        try {
          answer = await ask();
        } catch (error) {
          // A request that the kill cut off has no answer; any other must have succeeded.
          if (!dead) throw error;
          return;
        }
        acknowledged.push(answer);
        if (acknowledged.length >= acknowledgements) dead ??= server.node.kill('SIGKILL');
      }
    };
    await Promise.all([
      ...Array.from({ length: FAMILIES }, (_, nth) => keepOn(() => refresh(nth))),
      ...Array.from({ length: MACHINES }, () => keepOn(mint)),
    ]);
    await dead;
    return acknowledged;
  }

  const projected = (position: Position | undefined) =>
    eventually('the read models have caught up', async () => {
      if (engine === 'postgres' || !position) return true;
      return ((await checkpoint(server.admin.pool, READ_SCHEMA)) ?? '') >= position;
    });

  test('loses nothing it has acknowledged and leaves nothing half done', async () => {
    const { pool } = server.admin;
    for (let round = 0; round < rounds; round++) {
      const acknowledged = await loadUntilKilled(8 + ((round * 7) % 40));
      await server.node.restart();
      const events = await newEvents();
      await projected(seen);

      const active = await Promise.all(
        acknowledged.map(async (each) => {
          const { body } = await post(server, '/connect/introspect', { token: each }, { client });
          return body.active;
        }),
      );
      expect({ round, active }).toEqual({ round, active: acknowledged.map(() => true) });

      for (const types of requestsIn(events)) expect(WHOLE).toContainEqual(types);
      const digests = tokensIn(events);
      issued += digests.length;
      const { rows } = await pool.query(
        `select count(*) filter (where digest = any($1))::int as new, count(*)::int as "all"
         from ${READ_SCHEMA}.tokens`,
        [digests],
      );
      expect({ round, ...rows[0] }).toEqual({ round, new: digests.length, all: issued });

      // A family whose last answer was cut off gets it now: the client has not lost its access.
      for (const nth of families.keys()) await refresh(nth);
      issued += tokensIn(await newEvents()).length;
    }
    const { stdout } = await server.run('rebuild');
    expect(stdout).toContain('The read models are as they were.');
  }, 180_000);
});

/** The facts of each request, in their order. */
function requestsIn(events: readonly RecordedEvent[]): string[][] {
  const requests = new Map<string, string[]>();
  for (const { type, metadata } of events) {
    const types = requests.get(metadata.requestId) ?? [];
    requests.set(metadata.requestId, [...types, type]);
  }
  return [...requests.values()];
}

/** Digests of the tokens and codes issued. */
function tokensIn(events: readonly RecordedEvent[]): string[] {
  return events
    .filter(({ type }) => /^(AuthorizationCode|(Access|Refresh|Client)Token)Issued$/.test(type))
    .map(({ data }) => (data as { digest: string }).digest);
}
