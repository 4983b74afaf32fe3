import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { versionOf } from '../../src/projections/versions.ts';
import type { RegisteredClient } from '../support/admin.ts';
import { type Answer, ClientApp, newBrowser, post } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { type OtherRelease, otherRelease } from '../support/release.ts';
import {
  ENGINES,
  MAIN,
  startTestServer,
  type TestNode,
  type TestServer,
} from '../support/server.ts';

const FAMILIES = 3;
/** Answers that each node gives before the next one is replaced. */
const ENOUGH = 15;

describe.each(ENGINES)(
  'replacing nodes one after the other by another release, on %s',
  (engine) => {
    let server: TestServer;
    let release: OtherRelease;
    let client: RegisteredClient;
    let revoked = '';
    const lasting: string[] = [];
    const families: string[] = [];
    /** Nodes that are being replaced: what is asked of them may find nobody. */
    const away = new Set<TestNode>();
    const answers = new Map<TestNode, number>();
    const wrong: unknown[] = [];
    const done = new AbortController();
    let load: Promise<unknown>;

    beforeAll(async () => {
      release = otherRelease();
      server = await startTestServer({ engine, nodes: 2, env: { REFRESH_TOKEN_LEEWAY: '60' } });
      client = await server.admin.client();
      const app = await ClientApp.connect(server, client);
      const person = await server.admin.person();
      for (let nth = 0; nth < FAMILIES; nth++) {
        const { tokens } = await app.signIn(newBrowser(server), person);
        lasting.push(tokens.access_token);
        families.push(tokens.refresh_token ?? '');
      }
      const { tokens } = await app.signIn(newBrowser(server), person);
      revoked = tokens.access_token;
      await post(server, '/connect/revoke', { token: revoked }, { client });
      load = Promise.all(families.map((_, nth) => keepOn(nth)));
    });
    afterAll(async () => {
      done.abort();
      await load;
      await server?.stop();
      release?.remove();
    });

    /** The answer of a node; of one that is being replaced perhaps none. */
    async function ask(
      node: TestNode,
      path: string,
      parameters: Record<string, string>,
    ): Promise<Answer | null> {
      try {
        const answer = await post(server, path, parameters, { client, node });
        answers.set(node, (answers.get(node) ?? 0) + 1);
        return answer;
      } catch (error) {
        if (!away.has(node)) wrong.push(error);
        return null;
      }
    }

    const introspect = (node: TestNode, token: string) =>
      ask(node, '/connect/introspect', { token });

    /** A client that talks to either node, as a load balancer would have it. */
    async function keepOn(nth: number): Promise<void> {
      for (let turn = nth; !done.signal.aborted; turn++) {
        const node = server.nodes[turn % server.nodes.length] as TestNode;
        const good = await introspect(node, lasting[nth] ?? '');
        if (good && good.body.active !== true) wrong.push(good);
        const bad = await introspect(node, revoked);
        if (bad && bad.body.active !== false) wrong.push(bad);
        await rotate(node, nth);
      }
    }

    async function rotate(node: TestNode, nth: number): Promise<void> {
      const token = families[nth] ?? '';
      const refreshed = await ask(node, '/connect/token', {
        grant_type: 'refresh_token',
        refresh_token: token,
      });
      if (!refreshed) return;
      if (refreshed.status === 200) families[nth] = String(refreshed.body.refresh_token);
      else wrong.push(refreshed);
    }

    async function replace(node: TestNode, main: string): Promise<void> {
      away.add(node);
      await node.kill();
      await node.restart({ main });
      away.delete(node);
      answers.clear();
      await eventually('both serve', () =>
        server.nodes.every((each) => (answers.get(each) ?? 0) >= ENOUGH),
      );
      expect(wrong).toEqual([]);
    }

    const state = async (schema: string) => (await versionOf(server.admin.pool, schema))?.state;

    const alone = (schema: string, former: string) =>
      eventually(`${schema} is alone`, async () => {
        return (await state(schema)) === 'active' && (await state(former)) === 'previous';
      });

    test('gives no wrong answer, and keeps the former read models', async () => {
      const [one, two] = server.nodes as [TestNode, TestNode];
      await replace(two, release.main);
      expect([await state(READ_SCHEMA), await state(release.schema)]).toEqual(['active', 'ready']);
      await replace(one, release.main);
      await alone(release.schema, READ_SCHEMA);
      const { rows } = await server.admin.pool.query(
        `select count(another)::int as told, count(*)::int as all from ${release.schema}.scopes`,
      );
      expect(rows).toEqual([{ told: 0, all: expect.any(Number) }]);
    });

    test('can be undone, by the former release and in the same way', async () => {
      const [one, two] = server.nodes as [TestNode, TestNode];
      await replace(one, MAIN);
      await replace(two, MAIN);
      await alone(READ_SCHEMA, release.schema);
      done.abort();
      await load;
      expect(wrong).toEqual([]);
      expect((await server.run('verify')).code).toBe(0);
    });
  },
);
