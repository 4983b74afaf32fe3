import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, fetchExchange, gql } from '@urql/core';
import * as oidc from 'openid-client';
import { digest } from '../../src/platform/secrets.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import type { Person } from '../support/admin.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

// biome-ignore lint/suspicious/noExplicitAny: what comes back is whatever the test asked for
type Data = any;

describe.each(ENGINES)('what an auditor finds out, on %s:', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  let auditor: Client;
  let person: Person;
  let app: ClientApp;
  let clientId: string;
  /** The token value that fell into the wrong hands, and what came before and after it. */
  const tokens: Record<string, string> = {};
  let secrets: { secretId: string; description: string }[];
  let registered: string;
  let later: string;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    api = await adminApi(server);
    auditor = new Client({
      url: `${server.node.adminUrl}/graphql`,
      exchanges: [fetchExchange],
      preferGetMethod: false,
      requestPolicy: 'network-only',
      fetchOptions: { headers: { authorization: `Bearer ${api.accessToken}` } },
    });
    await live();
  });
  afterAll(() => server?.stop());

  async function ask(query: string, variables: object = {}): Promise<Data> {
    const { data, error } = await auditor.query(gql(query), variables).toPromise();
    if (error) throw error;
    return data;
  }

  async function wish(mutation: string, variables: object): Promise<Data> {
    const { data, error } = await auditor.mutation(gql(mutation), variables).toPromise();
    if (error) throw error;
    return data;
  }

  /** The story: registered, rotated, agreed to, issued, refreshed, leaked. */
  async function live(): Promise<void> {
    person = await server.admin.person();
    const first = await server.admin.client();
    clientId = first.clientId;
    const { clientSecretAdd } = await wish(
      `mutation ($input: ClientSecretAddInput!) {
         clientSecretAdd(input: $input) { secret position userErrors { message } } }`,
      { input: { clientId, description: 'the second' } },
    );
    registered = clientSecretAdd.position;
    ({ secrets } = (
      await ask(
        `query ($id: String!, $min: Position) { client(clientId: $id, minPosition: $min) {
           secrets { secretId description } } }`,
        { id: clientId, min: registered },
      )
    ).client);
    app = await ClientApp.connect(server, { clientId, secret: clientSecretAdd.secret });
    const { tokens: issued } = await app.signIn(newBrowser(server), person);
    tokens.access = issued.access_token;
    tokens.refresh = issued.refresh_token ?? '';
    const refreshed = await app.refresh(tokens.refresh);
    tokens.secondAccess = refreshed.access_token;
    tokens.secondRefresh = refreshed.refresh_token ?? '';
    tokens.own = (await oidc.clientCredentialsGrant(app.config)).access_token;
    // Times of issue are told in whole seconds.
    later = new Date(Date.now() + 1_000).toISOString();
  }

  const END = 'end { at cause message event { eventId type actor { id } } }';
  const GRAPH = `subject { kind key } complete nodes { id kind end { cause } } edges { from relation to }
    timeline { type category entity clientId subject }`;

  const lineage = async (of: object): Promise<Data> =>
    (await ask(`query ($of: LineageSubject!) { lineage(of: $of) { ${GRAPH} } }`, { of })).lineage;
  const why = async (of: object): Promise<Data> =>
    (await ask(`query ($of: LineageSubject!) { whyInactive(of: $of) { active ${END} } }`, { of }))
      .whyInactive;
  const radius = async (of: object, since: string | null = null): Promise<Data> =>
    (
      await ask(
        `query ($of: Suspect!, $since: DateTime) { blastRadius(of: $of, since: $since) {
           since until counted grants { total active items { kind key clientId subject } }
           sessions { total active items { key } } tokens { total active items { kind key active } } } }`,
        { of, since },
      )
    ).blastRadius;

  test('where a token comes from, from the consent to the last refresh', async () => {
    const found = await lineage({ token: tokens.secondAccess });
    expect(found.subject.kind).toBe('ACCESS_TOKEN');
    const kind = (id: string) => found.nodes.find((node: Data) => node.id === id)?.kind;
    const relations = found.edges.map(
      ({ from, relation, to }: Data) => `${kind(from)} ${relation} ${kind(to)}`,
    );
    expect(relations.sort()).toEqual([
      'AUTHORIZATION_CODE REDEEMED_FOR ACCESS_TOKEN',
      'AUTHORIZATION_CODE REDEEMED_FOR REFRESH_TOKEN',
      'CONSENT BASIS_OF GRANT',
      'GRANT GIVEN_TO CLIENT',
      'GRANT ISSUED AUTHORIZATION_CODE',
      'REFRESH_TOKEN REDEEMED_FOR ACCESS_TOKEN',
      'REFRESH_TOKEN ROTATED_TO REFRESH_TOKEN',
      'SESSION SCENE_OF GRANT',
      'USER GAVE CONSENT',
      'USER GAVE GRANT',
      'USER GAVE SESSION',
    ]);
    expect(found.timeline.map(({ type }: Data) => type)).toEqual(
      expect.arrayContaining([
        'ClientRegistered',
        'ClientSecretAdded',
        'SessionStarted',
        'ConsentGranted',
        'GrantOpened',
        'AuthorizationCodeIssued',
        'AuthorizationCodeRedeemed',
        'RefreshTokenRedeemed',
      ]),
    );
    const grant = found.nodes.find((node: Data) => node.kind === 'GRANT');
    const byGrant = await lineage({ grant: grant.id.replace('grant:', '') });
    expect(byGrant.nodes).toEqual(found.nodes);
    for (const whole of [{ user: person.sub }, { client: clientId }]) {
      const wider = await lineage(whole);
      expect(wider.nodes).toEqual(expect.arrayContaining(found.nodes));
      expect(wider.complete).toBe(true);
    }
    const own = await lineage({ token: tokens.own });
    expect(own.edges).toMatchObject([{ from: `client:${clientId}`, relation: 'ISSUED' }]);
    expect(await lineage({ token: 'nobody’s' })).toBeNull();
  });

  test('what is still good, and what was used up', async () => {
    expect(await why({ token: tokens.secondAccess })).toEqual({ active: true, end: null });
    expect(await why({ token: tokens.refresh })).toMatchObject({
      active: false,
      end: {
        cause: 'REDEEMED',
        message: expect.stringMatching(
          /^the refresh token was redeemed, and another took its place/,
        ),
        event: { type: 'RefreshTokenRedeemed', actor: { id: clientId } },
      },
    });
    expect(await why({ digest: 'nothing' })).toBeNull();
  });

  test('what a leaked secret may have touched, and that it ends with one act', async () => {
    const second = secrets.find(({ description }) => description === 'the second');
    const before = await radius({ secret: { clientId, secretId: second?.secretId } });
    expect(before).toMatchObject({
      grants: { total: 1, active: 1, items: [{ kind: 'GRANT', clientId, subject: person.sub }] },
      // A code, two access tokens, two refresh tokens, one of the client's own; two are used up.
      tokens: { total: 6, active: 4 },
    });
    expect((await radius({ client: clientId })).sessions).toMatchObject({ total: 1, active: 1 });
    expect((await radius({ client: clientId }, later)).tokens.total).toBe(0);
    const here = await radius({ address: '127.0.0.1' });
    expect(here.grants.total).toBeGreaterThanOrEqual(1);
    expect((await radius({ address: '192.0.2.1' })).grants.total).toBe(0);
    const never = await radius({ secret: { clientId, secretId: 'never' } });
    expect(never).toBeNull();

    const of = { client: clientId };
    const { leakPreview } = await ask(
      `query ($of: Suspect!) { leakPreview(of: $of) { grants { total items { key } }
         sessions { total } clientTokens { total items { key } } } }`,
      { of },
    );
    expect(leakPreview).toMatchObject({
      grants: { total: 1 },
      sessions: { total: 0 },
      clientTokens: { total: 1, items: [{ key: digest(tokens.own ?? '') }] },
    });
    const contain = (input: object) =>
      wish(
        `mutation ($input: LeakContainInput!) { leakContain(input: $input) {
           position userErrors { code field } touched { grants sessions clientTokens } } }`,
        { input },
      ).then(({ leakContain }) => leakContain);
    const none = await contain({ of, since: later });
    expect(none).toMatchObject({ position: null, touched: { grants: 0 } });
    expect(await contain({ of: { key: 'never' } })).toMatchObject({
      userErrors: [{ code: 'NOT_FOUND', field: 'of' }],
    });
    expect(await contain({ of, reason: 'its secret leaked' })).toEqual({
      position: expect.stringMatching(/^\d+$/),
      userErrors: [],
      touched: { grants: 1, sessions: 0, clientTokens: 1 },
    });
    const ended = await server.admin.events();
    const act = ended.find(({ type }) => type === 'LeakContained');
    const because = ended.filter(({ metadata }) => metadata.$causationId === act?.id);
    expect(because.map(({ type, stream }) => `${type} ${stream}`)).toEqual([
      `GrantRevoked grant-${leakPreview.grants.items[0].key}`,
      `ClientTokenRevoked token-${digest(tokens.own ?? '')}`,
    ]);
    for (const { metadata } of because) {
      expect(metadata.$correlationId).toBe(act?.metadata.$correlationId);
    }
    expect(await radius({ client: clientId })).toMatchObject({
      grants: { total: 1, active: 0 },
      tokens: { total: 6, active: 0 },
    });
  });

  test('why a token is not good any more, in words, with the event', async () => {
    const { events } = await ask(
      `query ($id: String!) { events(filter: { clientId: $id, types: ["LeakContained"] }) {
         nodes { eventId position } } }`,
      { id: clientId },
    );
    const [{ eventId }] = events.nodes;
    for (const token of [tokens.access, tokens.secondAccess, tokens.secondRefresh, tokens.own]) {
      expect(await why({ token })).toMatchObject({
        active: false,
        end: {
          cause: token === tokens.own ? 'REVOKED' : 'GRANT_REVOKED',
          message: expect.stringMatching(
            new RegExp(`because a leak was contained: its secret leaked \\(event ${eventId}\\)$`),
          ),
          event: { eventId, type: 'LeakContained' },
        },
      });
    }
  });

  test('the client as it was before, and what is different since', async () => {
    await wish(
      'mutation ($input: ClientDisableInput!) { clientDisable(input: $input) { position } }',
      { input: { clientId, reason: 'until it has another secret' } },
    );
    const { client } = await ask(
      `query ($id: String!, $at: AsOf, $from: AsOf!) { client(clientId: $id, asOf: $at) {
         disabled asOf { position } secrets { description } diff(from: $from) { changes { field } } } }`,
      { id: clientId, at: { position: registered }, from: { position: '0' } },
    );
    expect(client).toMatchObject({ disabled: false, asOf: { position: registered } });
    expect(client.secrets).toHaveLength(2);
    const { client: now } = await ask(
      `query ($id: String!, $from: AsOf!) { client(clientId: $id) {
         diff(from: $from) { events changes { field before after } } } }`,
      { id: clientId, from: { position: registered } },
    );
    expect(now.diff).toEqual({
      events: 1,
      changes: [{ field: 'status', before: 'enabled', after: 'disabled' }],
    });
  });

  test('and every answer is the same after the read models were dropped and rebuilt', async () => {
    const answers = async () => ({
      lineage: await lineage({ token: tokens.secondAccess }),
      why: await Promise.all(Object.values(tokens).map((token) => why({ token }))),
      radius: { ...(await radius({ client: clientId })), until: null },
      events: await ask(
        `query ($id: String!) { events(first: 100, filter: { clientId: $id }) { totalCount nodes {
           position eventId type at actor { type id } subject data source { address } } } }`,
        { id: clientId },
      ),
    });
    const before = await answers();
    const { code, stdout, stderr } = await server.run('rebuild');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('The audit index is as it was.');
    expect(await answers()).toEqual(before);
  });

  test('and after what is over was taken out of the read models', async () => {
    const tokenId = digest(tokens.access ?? '');
    const past = async (position: string) =>
      (
        await ask(
          `query ($tokenId: String!, $at: AsOf) { token(tokenId: $tokenId, asOf: $at) { kind asOf { position } } }`,
          { tokenId, at: { position } },
        )
      ).token;
    const { timeline } = await ask(
      `query ($of: LineageSubject!) { lineage(of: $of) { timeline { position } } }`,
      { of: { digest: tokenId } },
    ).then(({ lineage }) => lineage);
    const { position } = timeline.at(-1);
    const answers = async () => [
      await past(position),
      await past(registered),
      await lineage({ digest: tokenId }),
      await lineage({ user: person.sub }),
      await why({ token: tokens.access }),
    ];
    const before = await answers();
    expect(before.slice(0, 2)).toEqual([{ kind: 'ACCESS_TOKEN', asOf: { position } }, null]);
    await server.admin.pool.query(
      `delete from ${READ_SCHEMA}.tokens where grant_id is not null; delete from ${READ_SCHEMA}.grants`,
    );
    expect(await answers()).toEqual(before);
  });

  test('no token that was asked about is in the log', async () => {
    for (const value of Object.values(tokens)) expect(server.output()).not.toContain(value);
    const { rows } = await server.admin.pool.query('select * from audit_1.events');
    expect(rows.length).toBeGreaterThan(50);
  });
});
