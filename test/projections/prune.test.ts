import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { type ConsentTerms, consent } from '../../src/domain/consent.ts';
import { type GrantWishes, grant } from '../../src/domain/grant.ts';
import { session } from '../../src/domain/session.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { type Act, act, type Execute, executor } from '../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { LOCKS } from '../../src/platform/locks.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { inlineProjection, migrateReadModels, READ_SCHEMA } from '../../src/projections/apply.ts';
import {
  cutoffsAt,
  type HousekeepingPolicy,
  keepHouse,
} from '../../src/projections/housekeeping.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { ProtocolReads } from '../../src/projections/protocol-reads.ts';
import { type Cutoffs, prune, readPruning, savePruning } from '../../src/projections/prune.ts';
import { rebuild } from '../../src/projections/rebuild.ts';
import { envelope } from '../support/log-events.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const policy: HousekeepingPolicy = {
  enabled: true,
  period: 3600,
  tokens: true,
  authorizations: true,
  minimumTokenLifespan: 600,
  minimumAuthorizationLifespan: 600,
  unusedClients: 90 * 86_400,
};

let database: TestDatabase;
let pool: pg.Pool;
let store: EventStore;
let execute: Execute;
let reads: ProtocolReads;

beforeAll(async () => {
  database = await createDatabase();
  pool = connectPostgres(database.connection);
  await migrateLog(pool);
  const client = await pool.connect();
  await migrateReadModels(client, READ_SCHEMA, protocolReadModels);
  client.release();
  store = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
  execute = executor(store);
  reads = new ProtocolReads(pool);
});

afterAll(async () => {
  await store.close();
  await pool.end();
  await database.drop();
});

const count = async (table: string): Promise<number> =>
  (await pool.query(`select count(*)::int as n from ${READ_SCHEMA}.${table}`)).rows[0].n;
const rebuilt = () => rebuild({ pool, store, projections: protocolReadModels });

/** Prunes in batches of two, so that there are many. */
async function pruneTo(cutoffs: Cutoffs): Promise<void> {
  const client = await pool.connect();
  try {
    await savePruning(client, READ_SCHEMA, { ...cutoffs, ran_at: null, pruned: {} });
    await prune(READ_SCHEMA, cutoffs, {
      size: 2,
      batch: async (work) => {
        await work(client);
        return true;
      },
    });
  } finally {
    client.release();
  }
}

type Kind = 'code' | 'access' | 'refresh' | 'long';
const LIFETIMES: Readonly<Record<Kind, number>> = {
  code: MINUTE,
  access: HOUR,
  refresh: 8 * HOUR,
  long: 1000 * HOUR,
};
const ISSUE = {
  code: 'IssueAuthorizationCode',
  access: 'IssueAccessToken',
  refresh: 'IssueRefreshToken',
  long: 'IssueRefreshToken',
} as const;

/** A server's life as the protocol lets it be, told in steps; time goes on between them. */
class World {
  readonly grants: string[] = [];
  readonly sessions: string[] = [];
  readonly tokens = new Map<string, { grantId: string; kind: Kind }>();

  constructor(
    readonly run: string,
    public now: number,
  ) {}

  at(offset = 0): string {
    return new Date(this.now + offset).toISOString();
  }

  async wish(...acts: Act[]): Promise<void> {
    await execute(acts, envelope({ at: this.at() })).catch((error) => {
      if (error.name !== 'DomainError') throw error;
    });
  }

  grantWish(grantId: string, type: keyof GrantWishes, data: object): Promise<void> {
    return this.wish(act(grant, grantId, [{ type, data } as never]));
  }

  /** All that says something is good now, with what the protocol would read of it. */
  async answers(): Promise<object> {
    const tokens = await Promise.all(
      [...this.tokens.keys()].map(async (digest) => {
        const token = await reads.token(digest);
        const good =
          token?.grant &&
          !token.revoked_at &&
          !token.grant.revoked_at &&
          Date.parse(token.expires_at) > this.now;
        return good ? token : null;
      }),
    );
    const sessions = await Promise.all(
      this.sessions.map(async (uid) => {
        const known = await reads.session(uid);
        return known?.live && !known.ended_at ? known : null;
      }),
    );
    const grants = await Promise.all(
      this.grants.map(async (id) => ((await this.usable(id)) ? reads.grant(id) : null)),
    );
    const given = await reads.consent(`ada-${this.run}.shop`);
    return { tokens, sessions, grants, consent: given && !given.withdrawn_at ? given : null };
  }

  /** Whether the protocol still gets to a grant: by a token that can be redeemed, or by its session. */
  async usable(grantId: string): Promise<boolean> {
    const row = await reads.grant(grantId);
    if (!row || row.revoked_at) return false;
    const known = row.session_uid ? await reads.session(row.session_uid) : undefined;
    if (known?.live && !known.ended_at) return true;
    for (const [digest, token] of this.tokens) {
      if (token.grantId !== grantId || token.kind === 'access') continue;
      const each = await reads.token(digest);
      if (each && !each.revoked_at && Date.parse(each.expires_at) > this.now) return true;
    }
    return false;
  }
}

type Step = (world: World) => Promise<void>;

const nth = fc.nat(5);
const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % (list.length || 1)];

const signIn = fc.boolean().map(
  (anonymous): Step =>
    async (world) => {
      const uid = `s${world.sessions.length}-${world.run}`;
      const grantId = `g${world.grants.length}-${world.run}`;
      const sessionUid = anonymous ? null : uid;
      if (!anonymous) {
        world.sessions.push(uid);
        await pool.query(
          `insert into state.entries (model, id, lookup, expires_at) values ('Session', $1, $1, null)`,
          [uid],
        );
        const start = { uid, sub: 'ada', authTime: world.at(), acr: null, amr: [] };
        const join = { clientId: 'shop', sid: 'x', grantId, persistsLogout: false };
        await world.wish(
          act(session, uid, [
            { type: 'StartSession', data: start },
            { type: 'JoinSession', data: join },
          ]),
        );
      }
      await openGrant(world, grantId, sessionUid);
      await issue(world, grantId, 'code');
    },
);

async function openGrant(world: World, grantId: string, sessionUid: string | null): Promise<void> {
  world.grants.push(grantId);
  await world.grantWish(grantId, 'OpenGrant', {
    grantId,
    sub: 'ada',
    clientId: 'shop',
    sessionUid,
    scopes: [],
    claims: [],
    resources: {},
    declined: { scopes: [], claims: [], resources: {} },
    basis: 'consent',
    assertedBy: null,
  });
}

async function issue(world: World, grantId: string, kind: Kind): Promise<void> {
  const digest = `t${world.tokens.size}-${world.run}`;
  world.tokens.set(digest, { grantId, kind });
  await world.grantWish(grantId, ISSUE[kind], {
    digest,
    issuedAt: world.at(),
    expiresAt: world.at(LIFETIMES[kind]),
    scopes: [],
    parameters: {},
    format: 'reference',
    audience: null,
    exchangedFrom: null,
    clientId: null,
    rotations: 0,
  });
}

const issuing = fc.tuple(nth, fc.constantFrom<Kind>('code', 'access', 'refresh')).map(
  ([n, kind]): Step =>
    async (world) => {
      const grantId = pick(world.grants, n);
      if (grantId && (await world.usable(grantId))) await issue(world, grantId, kind);
    },
);

const using = fc.tuple(nth, fc.constantFrom('redeem', 'revoke')).map(
  ([n, what]): Step =>
    async (world) => {
      const [digest, token] = pick([...world.tokens], n) ?? [];
      const row = digest && (await reads.token(digest));
      if (!token || !row) return;
      const { grantId, kind } = token;
      const now = world.at();
      if (what === 'revoke' && kind === 'access') {
        await world.grantWish(grantId, 'RevokeAccessToken', { digest });
      } else if (what === 'revoke' && kind === 'refresh') {
        await world.grantWish(grantId, 'RevokeRefreshToken', { digest });
      } else if (kind === 'refresh') {
        const data = { digest, expiresAt: row.expires_at, successor: null, now, leeway: 0 };
        await world.grantWish(grantId, 'RedeemRefreshToken', data);
      } else if (kind === 'code') {
        await world.grantWish(grantId, 'RedeemAuthorizationCode', { digest, now });
      }
    },
);

const ending = fc.tuple(nth, fc.constantFrom('session', 'cookie', 'grant')).map(
  ([n, what]): Step =>
    async (world) => {
      const [uid, grantId] = [pick(world.sessions, n), pick(world.grants, n)];
      // An administrator may end what nobody uses any more, too.
      if (what === 'grant' && grantId) {
        await world.grantWish(grantId, 'RevokeGrant', { reason: 'administrator' });
      } else if (what === 'session' && uid) {
        await world.wish(
          act(session, uid, [{ type: 'EndSession', data: { reason: 'administrator' } }]),
        );
      } else if (uid) await pool.query('delete from state.entries where lookup = $1', [uid]);
    },
);

const consenting = fc.boolean().map(
  (grants): Step =>
    async (world) => {
      const terms: ConsentTerms = {
        sub: 'ada',
        clientId: 'shop',
        scopes: ['openid'],
        claims: [],
        resources: {},
      };
      await world.wish(
        act(consent, `ada-${world.run}.shop`, [
          grants
            ? { type: 'GrantConsent', data: terms }
            : { type: 'WithdrawConsent', data: { by: 'user' } },
        ]),
      );
    },
);

const passing = fc.constantFrom(MINUTE, 20 * MINUTE, 3 * HOUR, 12 * HOUR).map(
  (ms): Step =>
    async (world) => {
      world.now += ms;
    },
);

const pruning = fc.boolean().map(
  (both): Step =>
    async (world) => {
      const before = await world.answers();
      await pruneTo(cutoffsAt(world.now, { ...policy, tokens: both }));
      expect(await world.answers()).toEqual(before);
    },
);

const step = fc.oneof(
  signIn,
  { arbitrary: issuing, weight: 2 },
  { arbitrary: using, weight: 2 },
  ending,
  consenting,
  { arbitrary: passing, weight: 2 },
  pruning,
);

test('whatever happened and whenever it is done, what is good stays good, and a rebuild ends with the same rows', async () => {
  let run = 0;
  let now = Date.parse('2026-01-01T08:00:00.000Z');
  let gone = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 30 }),
      pruning,
      async (steps, last) => {
        const world = new World(String(run++), now);
        for (const each of steps) await each(world);
        const tokens = await count('tokens');
        await last(world);
        // All runs share a log, so each begins after the one before.
        now = world.now;
        gone += tokens - (await count('tokens'));
        expect((await rebuilt()).divergences).toEqual([]);
      },
    ),
    // Histories of a known seed, of which it is certain that something in them goes.
    { numRuns: 12, seed: 3 },
  );
  expect(gone).toBeGreaterThan(0);
}, 60_000);

describe('housekeeping', () => {
  const { signal } = new AbortController();
  const run = (force = true, part: Partial<HousekeepingPolicy> = {}) =>
    keepHouse({ pool, policy: { ...policy, ...part } }, { force, signal });
  /** Grants of long ago with a token each, of which some have expired. */
  async function old(grants: number): Promise<World> {
    const world = new World(`old-${grants}`, Date.now() - 24 * HOUR);
    for (let n = 0; n < grants; n++) {
      const grantId = `g${n}-${world.run}`;
      await openGrant(world, grantId, null);
      await issue(world, grantId, n === 0 ? 'long' : 'access');
    }
    return world;
  }

  beforeAll(() => run());

  test('takes away what is over, says how much, and leaves what is not', async () => {
    const world = await old(3);
    expect(await run()).toEqual({ tokens: 2, grants: 2 });
    expect(await run()).toEqual({});
    expect(await reads.token(`t0-${world.run}`)).toBeDefined();
    expect(await reads.grant(`g0-${world.run}`)).toBeDefined();
    expect(await reads.grant(`g1-${world.run}`)).toBeUndefined();
    const { ran_at, pruned } = await readPruning(pool, READ_SCHEMA);
    expect([Date.parse(ran_at ?? '') > Date.now() - MINUTE, pruned]).toEqual([true, {}]);
    expect((await rebuilt()).divergences).toEqual([]);
  });

  test('leaves tokens, or authorizations, where it is told to', async () => {
    await old(2);
    expect(await run(true, { tokens: false })).toEqual({});
    expect(await run(true, { authorizations: false })).toEqual({ tokens: 1 });
    expect(await run()).toEqual({ grants: 1 });
    expect((await rebuilt()).divergences).toEqual([]);
  });

  test('keeps tokens where clients register themselves, for as long as they tell whether one is used', async () => {
    const world = await old(6);
    // Beside the log: a rebuild comes only once it is gone.
    await pool.query(
      `insert into ${READ_SCHEMA}.clients select (jsonb_populate_record(null::${READ_SCHEMA}.clients,
         (select jsonb_object_agg(column_name, case data_type when 'jsonb' then '{}'::jsonb
            when 'integer' then '0' when 'boolean' then 'false'
            when 'timestamp with time zone' then '"2026-01-01"' else '"dynamic"' end)
          from information_schema.columns where table_schema = $1 and table_name = 'clients'))).*`,
      [READ_SCHEMA],
    );
    expect(await run()).toEqual({});
    await pool.query(`delete from ${READ_SCHEMA}.clients where client_id = 'dynamic'`);
    expect(await run()).toEqual({ tokens: 5, grants: 5 });
    expect(await reads.token(`t0-${world.run}`)).toBeDefined();
  });

  test('is not due again before half its period is over, on any node', async () => {
    expect(await run()).not.toBeNull();
    expect(await run(false)).toBeNull();
    expect(await run(false, { period: 0 })).not.toBeNull();
  });

  test('is left to whoever is at it, and to a rebuild', async () => {
    const other = await pool.connect();
    await other.query('begin');
    await other.query('select pg_advisory_xact_lock($1)', [LOCKS.prune]);
    expect(await run()).toBeNull();
    await other.query('rollback');
    other.release();
    expect(await run()).not.toBeNull();
  });

  test('goes past a row that is being written, and takes it the next time', async () => {
    const world = await old(4);
    const writing = await pool.connect();
    await writing.query('begin');
    await writing.query(`update ${READ_SCHEMA}.tokens set audience = audience where digest = $1`, [
      `t1-${world.run}`,
    ]);
    expect(await run()).toEqual({ tokens: 2, grants: 2 });
    await writing.query('rollback');
    writing.release();
    expect(await run()).toEqual({ tokens: 1, grants: 1 });
  });

  test('never goes back: a longer lifespan brings nothing back, and a rebuild knows', async () => {
    await run();
    const before = await readPruning(pool, READ_SCHEMA);
    await run(true, { minimumTokenLifespan: 86_400, minimumAuthorizationLifespan: 86_400 });
    expect(await readPruning(pool, READ_SCHEMA)).toMatchObject({
      tokens: before.tokens,
      authorizations: before.authorizations,
    });
    expect((await rebuilt()).divergences).toEqual([]);
  });

  test('a late event does not bring a part of a row back', async () => {
    const world = await old(5);
    await run();
    await world.grantWish(`g1-${world.run}`, 'RevokeGrant', { reason: 'administrator' });
    expect(await reads.grant(`g1-${world.run}`)).toBeUndefined();
    expect((await rebuilt()).divergences).toEqual([]);
  });
});
