import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemEnvelope } from '../../src/commands/command.ts';
import { grant } from '../../src/domain/grant.ts';
import { leak } from '../../src/domain/leak.ts';
import { session } from '../../src/domain/session.ts';
import { clientToken } from '../../src/domain/token.ts';
import { user } from '../../src/domain/user.ts';
import { act, type Execute, executor } from '../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { type EndingPolicy, endingsOf } from '../../src/oidc/endings/ending.ts';
import {
  type EndingsContext,
  endingConsequences,
  finishEndings,
  followEndings,
} from '../../src/oidc/endings/endings.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { Secrets } from '../../src/platform/secrets.ts';
import { inlineProjection, migrateReadModels, READ_SCHEMA } from '../../src/projections/apply.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

const STRICT: EndingPolicy = {
  logoutEndsOfflineAccess: false,
  passwordChangeEnds: 'grants',
  userDisableEnds: 'grants',
  clientDisableEnds: 'grants',
};
const LAX: EndingPolicy = {
  ...STRICT,
  passwordChangeEnds: 'nothing',
  userDisableEnds: 'sessions',
  clientDisableEnds: 'nothing',
};

describe('what ends with a fact', () => {
  const write = (stream: string, ...events: { type: string; data?: object }[]) => ({
    stream,
    firstRevision: 3,
    expectedRevision: 2,
    events: events.map(({ type, data = {} }, nth) => ({
      ...{ id: `${stream} ${nth}`, type, data, metadata: systemEnvelope() },
    })),
  });
  const of = (policy: EndingPolicy, ...writes: ReturnType<typeof write>[]) =>
    endingsOf(writes, policy).map(({ of, sessions, grants }) => [
      of,
      sessions,
      grants && `${grants.select}: ${grants.reason}`,
    ]);

  test.each([
    ['client-shop', 'ClientDisabled', STRICT, { clientId: 'shop' }, null, 'all: client_disabled'],
    ['client-shop', 'ClientGrantsRevoked', LAX, { clientId: 'shop' }, null, 'all: administrator'],
    ['user-ada', 'UserDisabled', STRICT, { sub: 'ada' }, 'user_disabled', 'all: user_disabled'],
    ['user-ada', 'UserDisabled', LAX, { sub: 'ada' }, 'user_disabled', null],
    ['user-ada', 'UserErased', LAX, { sub: 'ada' }, 'user_disabled', 'all: user_disabled'],
    [
      'user-ada',
      'PasswordSet',
      STRICT,
      { sub: 'ada' },
      'password_changed',
      'all: password_changed',
    ],
    ['user-ada', 'UserSessionsEnded', LAX, { sub: 'ada' }, 'administrator', null],
    ['user-ada', 'UserGrantsRevoked', LAX, { sub: 'ada' }, null, 'all: administrator'],
    [
      ...(['consent-ada.shop.example', 'ConsentWithdrawn', LAX] as const),
      ...([
        { sub: 'ada', clientId: 'shop.example' },
        null,
        'consented: consent_withdrawn',
      ] as const),
    ],
  ] as const)('%s: %s', (stream, type, policy, whose, sessions, grants) => {
    expect(of(policy, write(stream, { type }))).toEqual([[whose, sessions, grants]]);
  });

  test.each([
    ['client-shop', 'ClientDisabled'],
    ['user-ada', 'PasswordSet'],
    ['user-ada', 'UserEnabled'],
    ['grant-1', 'GrantRevoked'],
  ])('is nothing where nothing is to end: %s %s', (stream, type) => {
    expect(of(LAX, write(stream, { type }))).toEqual([]);
  });

  test('is nothing with the first password of a person', () => {
    const writes = write('user-ada', { type: 'UserRegistered' }, { type: 'PasswordSet' });
    expect(of(STRICT, writes)).toEqual([]);
  });

  test('is one thing for sessions that end together', () => {
    const end = { type: 'SessionEnded', data: { reason: 'expired', clients: [] } };
    const signOut = { type: 'SessionEnded', data: { reason: 'signed_out', clients: [] } };
    const writes = [write('session-1', end), write('session-2', end), write('session-3', signOut)];
    expect(of(STRICT, ...writes)).toEqual([
      [{ sessionUids: ['1', '2'] }, null, 'session_bound: session_expired'],
      [{ sessionUids: ['3'] }, null, 'signed_out: signed_out'],
    ]);
  });
});

describe('the job that finishes', () => {
  let database: TestDatabase;
  let context: EndingsContext;
  let close: () => Promise<void>;
  let execute: Execute;
  /** Every statement there was. */
  const statements: string[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    const pool = connectPostgres(database.connection, { max: 4 });
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      const counted = (text: unknown, ...more: unknown[]) => {
        statements.push(String(text));
        return query(text, ...more);
      };
      Object.assign(client, { query: counted });
    });
    const store = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
    await migrateLog(pool);
    const migrating = await pool.connect();
    await migrateReadModels(migrating, READ_SCHEMA, protocolReadModels);
    migrating.release();
    const secrets = new Secrets(Buffer.alloc(32, 7));
    // As in a process that goes away after each commit: nobody follows.
    execute = executor(store, { consequences: endingConsequences(secrets, STRICT) });
    context = { pool, store, execute, secrets, policy: STRICT };
    close = async () => {
      await store.close();
      await pool.end();
      await database.drop();
    };
  });
  afterAll(() => close());

  const rows = async (text: string) => (await context.pool.query(text)).rows;

  async function signedIn(sub: string, uid: string, cookie: boolean): Promise<void> {
    const nothing = { scopes: [], claims: [], resources: {} };
    const now = new Date().toISOString();
    const terms = { grantId: `g-${uid}`, sub, clientId: 'shop', sessionUid: uid, ...nothing };
    const more = { declined: nothing, basis: 'consent', assertedBy: null } as const;
    const start = { uid, sub, authTime: now, acr: null, amr: [] };
    await execute(
      [
        act(session, uid, [{ type: 'StartSession', data: start }]),
        act(grant, `g-${uid}`, [{ type: 'OpenGrant', data: { ...terms, ...more } }]),
      ],
      { ...systemEnvelope(), at: new Date(Date.now() - 120_000).toISOString() },
      cookie
        ? [{ op: 'put', model: 'Session', id: uid, lookup: uid, payload: null, expiresAt: null }]
        : [],
    );
  }

  test('ends what a fact ends, although whoever recorded it went away; what began later stays', async () => {
    const registration = { sub: 'ada', usernameDigest: 'a', personal: '', roles: [] };
    await execute(
      [act(user, 'ada', [{ type: 'RegisterUser', data: registration }])],
      systemEnvelope(),
    );
    for (let nth = 0; nth < 120; nth++) await signedIn('ada', `s${nth}`, true);
    await execute(
      [act(user, 'ada', [{ type: 'EndUserSessions', data: { reason: '', since: null } }])],
      systemEnvelope(),
    );
    expect(await rows(`select from ${READ_SCHEMA}.sessions where ended_at is not null`)).toEqual(
      [],
    );

    await finishEndings(context);
    expect(await rows(`select from ${READ_SCHEMA}.sessions where ended_at is not null`)).toEqual(
      [],
    );

    await finishEndings(context, 0);
    const ended = `select distinct end_reason, revocation_reason from ${READ_SCHEMA}.sessions s
      join ${READ_SCHEMA}.grants g on g.session_uid = s.uid where s.sub = 'ada'`;
    await finishEndings(context, 0);
    expect(await rows(ended)).toEqual([
      { end_reason: 'administrator', revocation_reason: 'administrator' },
    ]);
    expect(await rows(`select from state.entries where model = 'Ending'`)).toEqual([]);
  });

  test('does not end what no fact has ended', async () => {
    await signedIn('bob', 'bobs', true);
    const { id, payload } = await keptRow();
    await context.pool.query(
      `insert into state.entries (model, id, payload, expires_at)
       values ('Ending', $1, $2, now() + interval '1 day')`,
      [id, payload],
    );
    await finishEndings(context, 0);
    expect(await rows(`select ended_at from ${READ_SCHEMA}.sessions where uid = 'bobs'`)).toEqual([
      { ended_at: null },
    ]);
    expect(await rows(`select from state.entries where model = 'Ending'`)).toEqual([]);
  });

  /** The row of a commit that was never written. */
  async function keptRow() {
    const write = {
      ...{ stream: 'user-bob', firstRevision: 0, expectedRevision: 'none' as const },
      events: [{ id: 'e1', type: 'UserDisabled', data: {}, metadata: systemEnvelope() }],
    };
    const consequences = endingConsequences(context.secrets, STRICT);
    const [row] = await consequences([write], systemEnvelope());
    if (row?.op !== 'put') throw new Error('there is no row');
    return row;
  }

  describe('when a leak is contained', () => {
    const LIVE = `select from ${READ_SCHEMA}.grants where client_id = 'leaky' and revoked_at is null`;
    const LIVE_TOKENS = `select from ${READ_SCHEMA}.tokens where kind = 'client_token' and revoked_at is null`;

    /** So many grants and tokens of a client for itself, all with JWTs that one key has signed. */
    async function leaked(count: number): Promise<void> {
      const now = new Date();
      const nothing = { scopes: [], claims: [], resources: {} };
      const times = {
        issuedAt: now.toISOString(),
        expiresAt: new Date(now.getTime() + 600_000).toISOString(),
      };
      const jwt = { format: 'jwt', scopes: [], audience: null, parameters: {}, ...times } as const;
      const acts = Array.from({ length: count }, (_, nth) => {
        const id = `${randomUUID()}-${nth}`;
        const terms = { grantId: id, sub: 'ada', clientId: 'leaky', sessionUid: null, ...nothing };
        const open = { ...terms, declined: nothing, basis: 'consent', assertedBy: null } as const;
        const token = { digest: `t-${id}`, exchangedFrom: null, clientId: null, ...jwt };
        const own = { digest: `c-${id}`, clientId: 'leaky', ...jwt };
        return [
          act(grant, id, [
            { type: 'OpenGrant', data: open },
            { type: 'IssueAccessToken', data: token },
          ]),
          act(clientToken, own.digest, [{ type: 'IssueClientToken', data: own }]),
        ];
      });
      await execute(acts.flat(), systemEnvelope());
    }

    /** Follows with what is given in place of `execute`. */
    async function contain(instead: Execute): Promise<string> {
      const now = Date.now();
      const of = { of: 'signing_key', kid: 'k', clientId: null, secretId: null } as const;
      const since = new Date(now - 60_000).toISOString();
      const until = new Date(now + 1_000).toISOString();
      const counts = { grants: 1, sessions: 0, clientTokens: 1 };
      const data = { ...of, addressDigest: null, since, until, reason: '', ...counts };
      const envelope = systemEnvelope();
      const id = randomUUID();
      const wish = { type: 'ContainLeak', data } as const;
      const executed = await execute([act(leak, id, [wish], { fresh: true })], envelope);
      const following = followEndings({ ...context, execute: instead }, executed, envelope);
      await expect(following).rejects.toThrow(/went away|terminat|EPIPE|connection error/);
      return id;
    }

    async function assertContained(id: string): Promise<void> {
      expect(await rows(LIVE)).toEqual([]);
      expect(await rows(LIVE_TOKENS)).toEqual([]);
      const acts = await context.store.read(`leak-${id}`);
      expect(acts.map(({ type }) => type)).toEqual(['LeakContained']);
      const { rows: ended } = await context.pool.query(
        `select count(*)::int as n from log.events where metadata->>'$causationId' = $1`,
        [acts[0]?.id],
      );
      expect(ended).toEqual([{ n: 2 * 250 }]);
      expect(await rows(`select from state.entries where model = 'Ending'`)).toEqual([]);
    }

    test('it is finished by one act, however many batches it takes, when its process went away', async () => {
      await leaked(250);
      let batches = 0;
      const id = await contain(async (...wanted) => {
        if (batches++ === 1) throw new Error('the process went away');
        return execute(...wanted);
      });
      expect(await rows(LIVE)).toHaveLength(150);
      statements.length = 0;
      await finishEndings(context, 0);
      await assertContained(id);
      // Grants, sessions and tokens are looked for once each.
      expect(statements.filter((text) => text.startsWith('declare'))).toHaveLength(3);
    });

    test('and when the connection with the rest of them went away', async () => {
      await leaked(250);
      const id = await contain(async (...wanted) => {
        await context.pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and query like 'fetch%'`,
        );
        return execute(...wanted);
      });
      expect(await rows(LIVE)).toHaveLength(150);
      await finishEndings(context, 0);
      await assertContained(id);
    });
  });

  test('ends sessions that no browser has a cookie of', async () => {
    await signedIn('cy', 'with', true);
    await signedIn('cy', 'without', false);
    await finishEndings(context, 0);
    expect(
      await rows(
        `select uid, end_reason from ${READ_SCHEMA}.sessions where sub = 'cy' order by uid`,
      ),
    ).toEqual([
      { uid: 'with', end_reason: null },
      { uid: 'without', end_reason: 'expired' },
    ]);
  });
});
