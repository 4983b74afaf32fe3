import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { registerClient } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { grantConsent } from '../../src/commands/consents.ts';
import { registerUser } from '../../src/commands/users.ts';
import { grant } from '../../src/domain/grant.ts';
import { notice } from '../../src/domain/notice.ts';
import { session } from '../../src/domain/session.ts';
import { act } from '../../src/eventstore/execute.ts';
import { digest } from '../../src/platform/secrets.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import { type Data, type Harness, openHarness } from './harness.ts';

/** As many as fit on one page. */
const MANY = 100;

let api: Harness;
const subs: string[] = [];

beforeAll(async () => {
  api = await openHarness();
  await Promise.all(Array.from({ length: MANY }, (_, nth) => populate(nth)));
});

afterAll(() => api.close());

/** A person who has signed in to a client of their own, with all that follows. */
async function populate(nth: number): Promise<void> {
  const { context } = api;
  const id = String(nth).padStart(3, '0');
  const clientId = `shop-${id}`;
  const envelope = systemEnvelope();
  const { sub } = await registerUser(context, { username: `p-${id}` }, envelope);
  subs[nth] = sub;
  await registerClient(
    context,
    { clientId, displayName: clientId, clientType: 'confidential' },
    envelope,
  );
  await grantConsent({ user: true, client: true })(
    context,
    { sub, clientId, scopes: ['openid'], resources: [{ resource: 'urn:a', scopes: ['read'] }] },
    envelope,
  );
  const uid = `uid-${id}`;
  const grantId = `grant-${id}`;
  const nothing = { scopes: [], claims: [], resources: {} };
  const issued = (kind: string) => ({
    digest: digest(`${kind} ${id}`),
    issuedAt: '2026-01-01T08:00:00.000Z',
    expiresAt: '2126-01-01T08:00:00.000Z',
    scopes: ['openid'],
    parameters: {},
  });
  const told = { kind: 'backchannel_logout', clientId, about: uid, attempts: 1 } as const;
  await context.execute(
    [
      act(session, uid, [
        {
          type: 'StartSession',
          data: { uid, sub, authTime: '2026-01-01T08:00:00.000Z', acr: null, amr: ['pwd'] },
        },
        { type: 'JoinSession', data: { clientId, sid: id, grantId, persistsLogout: true } },
      ]),
      act(grant, grantId, [
        {
          type: 'OpenGrant',
          data: {
            ...{ grantId, sub, clientId, sessionUid: uid, basis: 'consent', assertedBy: null },
            ...{ ...nothing, declined: nothing },
          },
        },
        {
          type: 'IssueAccessToken',
          data: {
            ...issued('access'),
            ...{ format: 'reference', audience: null, exchangedFrom: null, clientId: null },
          },
        },
        { type: 'IssueRefreshToken', data: { ...issued('refresh'), rotations: 0 } },
      ]),
      act(notice, `notice-${id}`, [{ type: 'DeliverNotice', data: told }]),
    ],
    envelope,
  );
}

async function ask(query: string, variables = {}): Promise<Data> {
  const { data, errors } = await api.call(query, variables);
  expect(errors).toBeUndefined();
  return data;
}

describe('what is linked can be walked', () => {
  test('from a person', async () => {
    const { user } = await ask(
      `query ($sub: String!) { user(sub: $sub) {
         sessions { totalCount nodes { uid clients { sid client { clientId } } user { sub } } }
         grants { nodes { grantId basis client { clientId } session { uid } } }
         consents { nodes { scopes resources { resource scopes } grants { nodes { grantId } } } } } }`,
      { sub: subs[7] },
    );
    expect(user).toEqual({
      sessions: {
        totalCount: 1,
        nodes: [
          {
            uid: 'uid-007',
            clients: [{ sid: '007', client: { clientId: 'shop-007' } }],
            user: { sub: subs[7] },
          },
        ],
      },
      grants: {
        nodes: [
          {
            grantId: 'grant-007',
            basis: 'CONSENT',
            client: { clientId: 'shop-007' },
            session: { uid: 'uid-007' },
          },
        ],
      },
      consents: {
        nodes: [
          {
            scopes: ['openid'],
            resources: [{ resource: 'urn:a', scopes: ['read'] }],
            grants: { nodes: [{ grantId: 'grant-007' }] },
          },
        ],
      },
    });
  });

  test('from a client', async () => {
    const { client } = await ask(`{ client(clientId: "shop-007") {
      grants { nodes { grantId tokens { nodes { kind } } } } consents { nodes { sub } }
      tokens { totalCount nodes { kind status grant { grantId } client { clientId } history { totalCount } } }
      notices { nodes { status attempts about } } } }`);
    const token = {
      ...{ status: 'ACTIVE', grant: { grantId: 'grant-007' }, client: { clientId: 'shop-007' } },
      history: null,
    };
    expect(client).toMatchObject({
      grants: { nodes: [{ grantId: 'grant-007' }] },
      consents: { nodes: [{ sub: subs[7] }] },
      notices: { nodes: [{ status: 'DELIVERED', attempts: 1, about: 'uid-007' }] },
    });
    expect(client.tokens).toEqual({
      totalCount: 2,
      nodes: expect.arrayContaining([
        { kind: 'ACCESS_TOKEN', ...token },
        { kind: 'REFRESH_TOKEN', ...token },
      ]),
    });
  });

  test('by the ids of nodes', async () => {
    const { sessions, grants, consents, tokens, notices } = await ask(`{
      sessions(first: 1) { nodes { id } } grants(first: 1) { nodes { id } } notices(first: 1) { nodes { id } }
      consents(first: 1) { nodes { id } } tokens(first: 1) { nodes { id } } }`);
    const ids = [sessions, grants, consents, tokens, notices].map(({ nodes }) => nodes[0].id);
    const { nodes } = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }', {
      ids,
    });
    const kinds = ['Session', 'Grant', 'Consent', 'Token', 'Notice'];
    expect(nodes).toEqual(kinds.map((__typename, nth) => ({ id: ids[nth], __typename })));
  });

  test('page by page', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { grants }: Data = await ask(
        `query ($after: String) { grants(first: 40, after: $after) {
           nodes { grantId } pageInfo { hasNextPage endCursor } } }`,
        { after },
      );
      seen.push(...grants.nodes.map(({ grantId }: Data) => grantId));
      after = grants.pageInfo.hasNextPage ? grants.pageInfo.endCursor : null;
    } while (after);
    expect(seen).toHaveLength(MANY);
    expect(new Set(seen).size).toBe(MANY);
  });

  test('and its history read', async () => {
    const { session, grant, consent } = await ask(
      `query ($sub: String!) {
         session(uid: "uid-008") { history { nodes { type } } }
         grant(grantId: "grant-008") { history { nodes { type } } }
         consent(sub: $sub, clientId: "shop-008") { history { nodes { type } } } }`,
      { sub: subs[8] },
    );
    const types = ({ history }: Data) => history.nodes.map(({ type }: Data) => type);
    expect(types(session)).toEqual(['ClientJoinedSession', 'SessionStarted']);
    expect(types(grant)).toEqual(['RefreshTokenIssued', 'AccessTokenIssued', 'GrantOpened']);
    expect(types(consent)).toEqual(['ConsentGranted']);
  });
});

describe('filters', () => {
  test.each([
    ['sessions', '{ ended: false }', MANY],
    ['sessions', '{ ended: true }', 0],
    ['sessions', '{ since: "2126-01-01T00:00:00Z" }', 0],
    ['grants', '{ clientId: "shop-009" }', 1],
    ['grants', '{ sessionUid: "uid-009", basis: CONSENT, revoked: false }', 1],
    ['grants', '{ basis: PASSWORD }', 0],
    ['consents', '{ clientId: "shop-009", withdrawn: false }', 1],
    ['consents', '{ withdrawn: true }', 0],
    ['tokens', '{ clientId: "shop-009" }', 2],
    ['tokens', '{ kind: REFRESH_TOKEN, status: ACTIVE }', MANY],
    ['tokens', '{ grantId: "grant-009", kind: ACCESS_TOKEN }', 1],
    ['tokens', '{ status: REVOKED }', 0],
    ['tokens', '{ kind: ACCESS_TOKEN, until: "2026-01-01T09:00:00+01:00" }', MANY],
    ['notices', '{ status: DELIVERED, kind: "backchannel_logout" }', MANY],
    ['notices', '{ status: FAILED }', 0],
  ])('%s %s', async (field, filter, count) => {
    const data = await ask(`{ ${field}(filter: ${filter}) { totalCount } }`);
    expect(data[field].totalCount).toBe(count);
  });

  test('by person', async () => {
    const data = await ask(
      `query ($sub: String!) { sessions(filter: { sub: $sub }) { totalCount }
         grants(filter: { sub: $sub }) { totalCount } tokens(filter: { sub: $sub }) { totalCount }
         consents(filter: { sub: $sub }) { totalCount } }`,
      { sub: subs[9] },
    );
    const counts = Object.values(data as Record<string, Data>).map(({ totalCount }) => totalCount);
    expect(counts).toEqual([1, 1, 2, 1]);
  });

  test('refuse what is no instant', async () => {
    const { errors } = await api.call(
      '{ sessions(filter: { since: "2026-13-41T00:00:00Z" }) { totalCount } }',
    );
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'filter.since',
    });
  });
});

describe('tokens of a client', () => {
  /** Each of its grant's, of its own, and given to it in exchange under its grant. */
  const ITS = 30;
  const query = `query ($first: Int, $after: String, $last: Int, $before: String) {
    tokens(first: $first, after: $after, last: $last, before: $before, filter: { clientId: "shop-010" }) {
      totalCount nodes { tokenId } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }`;
  let all: string[];

  /** Copies of its access token, that expire from then on. */
  const insert = (name: string, count: number, columns: object, from: string) =>
    api.pool.query(
      `insert into ${READ_SCHEMA}.tokens select r.* from generate_series(1, $1::int) n
         join ${READ_SCHEMA}.tokens t on t.digest = $5,
       lateral jsonb_populate_record(t, $2::jsonb || jsonb_build_object('digest', $3 || n,
         'expires_at', $4::timestamptz + n * interval '1 minute')) r`,
      [count, JSON.stringify(columns), name, from, digest('access 010')],
    );

  beforeAll(async () => {
    const own = { kind: 'client_token', grant_id: null, client_id: 'shop-010' };
    await insert('own-', ITS, own, '2100-01-01T00:00:00Z');
    await insert('given-', ITS, { client_id: 'shop-010' }, '2100-01-01T00:00:00Z');
    await insert('under-', ITS, {}, '2100-01-01T00:00:30Z');
    const others = { ...own, client_id: 'shop-011' };
    await insert('other-', 20_000, others, '2126-01-02T00:00:00Z');
    await api.pool.query(`analyze ${READ_SCHEMA}.tokens`);
    const { tokens } = await ask(query, { first: 100 });
    all = tokens.nodes.map(({ tokenId }: Data) => tokenId);
  });
  afterAll(() =>
    api.pool.query(`delete from ${READ_SCHEMA}.tokens where digest ~ '^(own|given|under|other)-'`),
  );

  test('are its own and those of its grants, each once, in one order', async () => {
    const { rows } = await api.pool.query(
      `select digest from ${READ_SCHEMA}.tokens where client_id = 'shop-010' or grant_id = 'grant-010'
       order by expires_at desc, digest desc`,
    );
    expect(rows).toHaveLength(3 * ITS + 2);
    expect(all).toEqual(rows.map(({ digest }) => digest));
    const { tokens } = await ask(query, { first: 7 });
    expect(tokens.totalCount).toBe(rows.length);
    const nested = await ask(
      '{ client(clientId: "shop-010") { tokens(first: 100) { totalCount nodes { tokenId } } } }',
    );
    expect(nested.client.tokens.nodes.map(({ tokenId }: Data) => tokenId)).toEqual(all);
    expect(nested.client.tokens.totalCount).toBe(rows.length);
  });

  test.each([
    ['forwards', 'first', 'after', 'endCursor', 'hasNextPage'],
    ['backwards', 'last', 'before', 'startCursor', 'hasPreviousPage'],
  ])('come page by page, %s', async (_, count, place, cursor, more) => {
    const pages: string[][] = [];
    for (let at: string | null = null, next = true; next; ) {
      const { tokens }: Data = await ask(query, { [count]: 7, [place]: at });
      pages.push(tokens.nodes.map(({ tokenId }: Data) => tokenId));
      [at, next] = [tokens.pageInfo[cursor], tokens.pageInfo[more]];
    }
    expect((count === 'first' ? pages : pages.reverse()).flat()).toEqual(all);
  });

  test('are found without reading those of others', async () => {
    const { pool } = api.dependencies;
    const asked = pool.query.bind(pool) as (...args: Data[]) => Promise<Data>;
    const blocks: number[] = [];
    Object.assign(pool, {
      query: async (text: Data, values: Data) => {
        if (String(text).includes(`${READ_SCHEMA}.tokens`)) {
          const { rows } = await asked(`explain (analyze, buffers, format json) ${text}`, values);
          const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
          blocks.push(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']);
        }
        return asked(text, values);
      },
    });
    try {
      await ask(query, { first: 7 });
    } finally {
      Object.assign(pool, { query: asked });
    }
    // A page and a count. The tokens of others take some hundreds.
    expect(blocks).toHaveLength(2);
    expect(Math.max(...blocks)).toBeLessThan(100);
  });
});

describe('mutations', () => {
  async function mutate(mutation: string, input: object, fields = 'position'): Promise<Data> {
    const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
    const data = await ask(
      `mutation ($input: ${type}!) { ${mutation}(input: $input) {
         ${fields} position userErrors { code field } } }`,
      { input },
    );
    return data[mutation];
  }
  const GRANTED = { position: expect.stringMatching(/^\d+$/), userErrors: [] };

  test('sessionEnd, once', async () => {
    const fields = 'session { endReason grants { nodes { grantId } } }';
    const ended = { session: { endReason: 'ADMINISTRATOR' } };
    expect(await mutate('sessionEnd', { uid: 'uid-020' }, fields)).toMatchObject({
      ...ended,
      ...GRANTED,
    });
    expect(await mutate('sessionEnd', { uid: 'uid-020' }, fields)).toMatchObject({
      ...ended,
      position: null,
    });
  });

  test('grantRevoke, once', async () => {
    const fields = 'grant { revocationReason tokens { nodes { status } } }';
    const grant = {
      revocationReason: 'administrator',
      tokens: { nodes: [{ status: 'REVOKED' }, { status: 'REVOKED' }] },
    };
    expect(await mutate('grantRevoke', { grantId: 'grant-021' }, fields)).toEqual({
      grant,
      ...GRANTED,
    });
    expect(await mutate('grantRevoke', { grantId: 'grant-021' }, fields)).toMatchObject({
      grant,
      position: null,
    });
  });

  test('tokenRevoke, of an access token and of a refresh token', async () => {
    const fields = 'token { status grant { revocationReason } }';
    const revoke = (kind: string) =>
      mutate('tokenRevoke', { tokenId: digest(`${kind} 022`) }, fields);
    expect(await revoke('access')).toMatchObject({
      token: { status: 'REVOKED', grant: { revocationReason: null } },
    });
    expect(await revoke('refresh')).toMatchObject({
      token: { status: 'REVOKED', grant: { revocationReason: 'refresh_token_revoked' } },
    });
  });

  test('consentWithdraw, and consentGrant for a person', async () => {
    const of = { sub: subs[23], clientId: 'shop-023' };
    const fields = 'consent { scopes withdrawnAt }';
    expect(await mutate('consentWithdraw', of, fields)).toMatchObject({
      consent: { withdrawnAt: expect.any(String) },
      ...GRANTED,
    });
    expect(await mutate('consentGrant', { ...of, scopes: ['email'] }, fields)).toMatchObject({
      consent: { scopes: ['email'], withdrawnAt: null },
      ...GRANTED,
    });
  });

  test.each([
    ['userSessionsEnd', { reason: 'lost phone' }, 'UserSessionsEnded'],
    ['userGrantsRevoke', { reason: 'lost phone' }, 'UserGrantsRevoked'],
  ])('%s is an act in the history of the person', async (mutation, input, type) => {
    const { user } = await mutate(
      mutation,
      { sub: subs[24], ...input },
      'user { history(first: 1) { nodes { type reason } } }',
    );
    expect(user.history.nodes).toEqual([{ type, reason: 'lost phone' }]);
  });

  test('clientGrantsRevoke is an act in the history of the client', async () => {
    const { client } = await mutate(
      'clientGrantsRevoke',
      { clientId: 'shop-024' },
      'client { history(first: 1) { nodes { type } } }',
    );
    expect(client.history.nodes).toEqual([{ type: 'ClientGrantsRevoked' }]);
  });

  test.each([
    ['sessionEnd', { uid: 'nobody' }, 'uid'],
    ['grantRevoke', { grantId: 'nothing' }, 'grantId'],
    ['tokenRevoke', { tokenId: 'nothing' }, 'tokenId'],
    ['consentWithdraw', { sub: 'nobody', clientId: 'shop-001' }, 'clientId'],
    ['consentGrant', { sub: 'nobody', clientId: 'shop-001' }, 'sub'],
    ['userSessionsEnd', { sub: 'nobody' }, 'sub'],
    ['userGrantsRevoke', { sub: 'nobody' }, 'sub'],
    ['clientGrantsRevoke', { clientId: 'nobody' }, 'clientId'],
  ])('%s refuses %j', async (mutation, input, field) => {
    const payload = await mutate(mutation, input);
    expect(payload).toEqual({ position: null, userErrors: [{ code: 'NOT_FOUND', field }] });
  });

  test('need the scope that writes what they end', async () => {
    const { errors } = await api.call(
      'mutation { sessionEnd(input: { uid: "uid-030" }) { position } }',
      {},
      ['admin:sessions:read', 'admin:users:write'],
    );
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'FORBIDDEN',
      requiredScopes: ['admin:sessions:write'],
    });
  });

  test('give nobody a scope of this API that the caller lacks', async () => {
    const { errors } = await api.call(
      `mutation ($input: ConsentGrantInput!) { consentGrant(input: $input) { position } }`,
      {
        input: {
          ...{ sub: subs[1], clientId: 'shop-001' },
          resources: [{ resource: 'urn:muniment:admin', scopes: ['admin:users:write'] }],
        },
      },
      ['admin:consents:write'],
    );
    expect(errors?.[0]?.extensions).toMatchObject({ requiredScopes: ['admin:users:write'] });
  });
});
