import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestNode, type TestServer } from '../support/server.ts';
import {
  type CollectedSpan,
  startTraceCollector,
  type TraceCollector,
} from '../support/trace-collector.ts';

describe.each(ENGINES)('an operator, on %s,', (engine) => {
  const bearer = randomBytes(24).toString('base64url');
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
  let collector: TraceCollector;
  let server: TestServer;
  let api: AdminApi;
  let token: string;
  const secrets: string[] = [];

  beforeAll(async () => {
    collector = await startTraceCollector();
    server = await startTestServer({
      engine,
      env: {
        METRICS: bearer,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
    });
    api = await adminApi(server);
    const traced: TestNode = {
      ...server.node,
      fetch: (url, init) =>
        server.node.fetch(url, { ...init, headers: { ...headersOf(init), traceparent } }),
    };
    const client = await server.admin.client();
    const app = await ClientApp.connect(server, client, { node: traced });
    const person = await server.admin.person();
    const { tokens, callback } = await app.signIn(newBrowser(server, traced), person);
    const { access_token } = await oidc.clientCredentialsGrant(app.config);
    token = access_token;
    await expect(oidc.clientCredentialsGrant(app.config, { scope: 'unheard' })).rejects.toThrow();
    for (const secret of [
      ...[client.secret, person.username, person.password, person.sub, access_token],
      ...[tokens.access_token, tokens.refresh_token, tokens.id_token],
      ...[callback.searchParams.get('code'), callback.searchParams.get('state'), bearer],
      ...[api.accessToken, server.adminClientSecret],
    ]) {
      secrets.push(secret ?? 'missing');
    }
    await oidc.tokenIntrospection(app.config, tokens.access_token);
    await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub);
    await api.call('{ clients(first: 1) { totalCount } }');
    await fetch(`${server.node.adminUrl}/graphql`, {
      method: 'POST',
      headers: {
        traceparent,
        authorization: `Bearer ${api.accessToken}`,
        'content-type': 'application/json',
      },
      body: '{ "query": "mutation { housekeepingRun { ran } }" }',
    });
    await server.node.fetch(`${server.issuer}/no/such/${randomBytes(12).toString('hex')}`);
  });
  afterAll(async () => {
    await server?.stop();
    await collector?.close();
  });

  const metrics = async (authorization = `Bearer ${bearer}`) =>
    fetch(`${server.node.adminUrl}/metrics`, { headers: { authorization } });

  test('reads how often requests were made, and what became of them', async () => {
    await eventually('all of it is counted', async () => {
      const text = await (await metrics()).text();
      const lines = [
        'muniment_http_requests_total{endpoint="token",method="POST",outcome="2xx"} ',
        'muniment_http_requests_total{endpoint="token",method="POST",outcome="invalid_scope"} 1',
        'muniment_http_requests_total{endpoint="other",method="GET",outcome="not_found"} 1',
        'muniment_graphql_operations_total{type="query",outcome="ok"} 1',
        'muniment_log_events_appended_total{type="ClientTokenIssued"} ',
        'muniment_log_appends_total{outcome="appended"} ',
        'muniment_projection_lag_positions{group="audit"} 0',
        'muniment_projector_leader{group="audit"} 1',
        'muniment_postgres_up 1',
        'muniment_signing_key_age_seconds{algorithm="RS256"} ',
        `muniment_build_info{version="0.1.0",node="${process.version}",engine="${engine}"} 1`,
        engine === 'postgres'
          ? 'muniment_commit_batch_size_count '
          : 'muniment_projector_leader{group="protocol"} 1',
      ];
      return lines.every((line) => text.includes(`\n${line}`));
    });
  });

  test('shows the token that METRICS asks for, and nothing else', async () => {
    for (const authorization of ['', `Bearer ${token}`, 'Bearer on']) {
      expect((await metrics(authorization)).status).toBe(401);
    }
  });

  describe('traces', () => {
    const spans = () => collector.spans().filter((span) => span.traceId === traceId);
    /** The names of a span and of those it is below, the innermost first. */
    const lineOf = (span: CollectedSpan | undefined): string[] =>
      span
        ? [span.name, ...lineOf(spans().find(({ spanId }) => spanId === span.parentSpanId))]
        : [];
    const lines = () => spans().map((span) => lineOf(span).join(' < '));

    test('a request of a caller’s trace down to the log and the database', async () => {
      await eventually('the spans have arrived', async () => {
        const found = lines();
        return [
          'POST token',
          'GET authorization',
          'POST interaction',
          'postgres read < POST token',
          'execute < POST token',
          `${engine} append < execute < POST token`,
          'graphql mutation < POST graphql',
        ].every((line) => found.includes(line));
      });
      if (engine === 'postgres') {
        await eventually('so has the batch', async () =>
          collector.spans().some(({ name }) => name === 'commit batch'),
        );
      }
    });

    test('finds that what a request presents is read together with its client', async () => {
      const reads = (request: string) =>
        spans().filter((span) => lineOf(span).join(' < ').startsWith(`postgres read < ${request}`));
      await eventually(
        'the spans have arrived, of which those of requests are the last',
        async () =>
          ['POST introspection', 'GET userinfo'].every((request) =>
            spans().some(({ name }) => name === request),
          ),
      );
      const begun = reads('POST introspection').map(({ startTimeUnixNano: at }) => BigInt(at));
      const ended = reads('POST introspection').map(({ endTimeUnixNano: at }) => BigInt(at));
      expect(begun).toHaveLength(2);
      expect(begun.every((start) => ended.every((end) => start < end))).toBe(true);
      expect(reads('GET userinfo')).toHaveLength(1);
    });

    test('and finds the lines of the log that belong to it', () => {
      const line = server
        .output()
        .split('\n')
        .find((each) => each.includes('"path":"/connect/token"') && each.includes(traceId));
      expect(JSON.parse(line ?? '{}')).toMatchObject({ traceId, requestId: expect.any(String) });
    });

    test('without a secret, a token or a person in it', () => {
      const text = collector.text();
      expect(text).toContain('ClientTokenIssued');
      expect(secrets).not.toContain('missing');
      expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    });
  });
});

function headersOf(init: RequestInit | undefined): Record<string, string> {
  return Object.fromEntries(new Headers(init?.headers));
}
