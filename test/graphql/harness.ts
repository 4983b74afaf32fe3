import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import type pg from 'pg';
import { type Logger, pino } from 'pino';
import { registerClient } from '../../src/commands/clients.ts';
import type { CommandContext } from '../../src/commands/command.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { ADMIN_RESOURCE } from '../../src/commands/seed/seed.ts';
import { grant } from '../../src/domain/grant.ts';
import { session } from '../../src/domain/session.ts';
import { clientToken } from '../../src/domain/token.ts';
import { toPosition } from '../../src/eventstore/event-store.ts';
import { act, executor } from '../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { migrateLog } from '../../src/eventstore/postgres-schema.ts';
import { auditMiddleware } from '../../src/graphql/audit/http.ts';
import { AuditReadings } from '../../src/graphql/audit/readings.ts';
import type { Dependencies } from '../../src/graphql/context.ts';
import { graphqlMiddleware, type ServerOptions } from '../../src/graphql/server.ts';
import { settingsInForce } from '../../src/platform/config.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { digest, randomToken, Secrets } from '../../src/platform/secrets.ts';
import { SubjectKeys } from '../../src/platform/subject-keys.ts';
import { inlineProjection, migrateReadModels, READ_SCHEMA } from '../../src/projections/apply.ts';
import {
  AUDIT_GROUP,
  AUDIT_SCHEMA,
  auditSql,
  runAuditProjector,
} from '../../src/projections/audit-log.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { projectionProgress } from '../../src/projections/projector.ts';
import { createDatabase } from '../support/postgres.ts';

export const EVERYTHING = ['admin:*'];

interface TokenTerms {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly audience: string | null;
  readonly format: 'reference' | 'jwt';
  readonly expiresAt: string;
  readonly parameters: Record<string, unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: what comes back is whatever the test asked for
export type Data = any;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Data;
  readonly errors?: readonly { message: string; extensions: Data; path?: readonly string[] }[];
  readonly extensions?: Data;
}

export interface Harness {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly dependencies: Dependencies;
  readonly context: CommandContext;
  /** Lines the server logged. */
  readonly logged: Data[];
  /** A token of the client `robot`, good for everything unless told otherwise. */
  token(terms?: Partial<TokenTerms>): Promise<string>;
  /** A token that the client `robot` has for a person. */
  tokenFor(sub: string, ids?: { grantId?: string; sessionUid?: string }): Promise<string>;
  /** Asks as `robot`, with these scopes. */
  call(query: string, variables?: object, scopes?: readonly string[]): Promise<Reply>;
  fetch(init: RequestInit, search?: string): Promise<Reply>;
  /** Makes the keys of persons be read again. */
  forgetKeys(): void;
  /** How many SQL statements some work takes. */
  statements(work: () => Promise<unknown>): Promise<number>;
  close(): Promise<void>;
}

/** The Admin API on a database of its own, over HTTP. */
export async function openHarness(
  options: ServerOptions & {
    development?: boolean;
    waitFor?: Dependencies['waitFor'];
  } = {},
): Promise<Harness> {
  const database = await createDatabase();
  const pool = connectPostgres(database.connection);
  const background = connectPostgres(database.connection);
  let statements = 0;
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        statements++;
        return query(...args);
      },
    });
  });
  await migrateLog(pool);
  const migrating = await pool.connect();
  await migrateReadModels(migrating, READ_SCHEMA, protocolReadModels);
  await migrating.query(auditSql(AUDIT_SCHEMA));
  migrating.release();
  await SubjectKeys.migrate(pool);

  const secrets = new Secrets(Buffer.alloc(32, 7));
  const store = postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
  const execute = executor(store);
  const subjectKeys = new SubjectKeys(pool, secrets);
  const signingAlgorithms = ['RS256', 'ES256'] as const;
  const stop = new AbortController();
  const logged: Data[] = [];
  const log: Logger = pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line)) });
  const following = postgresEventStore({ pool: background });
  const auditing = runAuditProjector({
    // Its statements are not those of a call.
    pool: background,
    store: following,
    keys: { secrets, subjectKeys },
    signal: stop.signal,
    failed: (error) => logged.push({ level: 'error', error }),
  });
  const audited = projectionProgress(background, AUDIT_SCHEMA, stop.signal, AUDIT_GROUP);
  const readings = new AuditReadings(execute, { failed: (error) => logged.push({ error }) });
  const dependencies: Dependencies = {
    pool,
    store,
    execute,
    secrets,
    subjectKeys,
    signingAlgorithms,
    settings: settingsInForce({ LOG_LEVEL: 'debug', MASTER_KEY: 'a secret' }),
    issuer: 'https://id.example',
    waitFor: options.waitFor ?? (async () => undefined),
    housekeeping: {
      enabled: true,
      period: 3600,
      tokens: true,
      authorizations: true,
      minimumTokenLifespan: 600,
      minimumAuthorizationLifespan: 600,
      unusedClients: 90 * 86_400,
    },
    operations: { wake() {} },
    audit: {
      async head() {
        const { rows } = await pool.query('select max(position) as head from log.events');
        return toPosition(rows[0].head);
      },
      reached: (position, timeoutMs = 5_000) => audited(position, timeoutMs),
    },
    auditReadings: readings,
    log,
    development: options.development ?? false,
  };
  const context: CommandContext = { execute, store, secrets, subjectKeys, signingAlgorithms };
  const robot = { clientId: 'robot', displayName: 'Robot', clientType: 'confidential' } as const;
  await registerClient(context, robot, systemEnvelope());

  const app = new Koa();
  app.silent = true;
  app.use(await graphqlMiddleware(dependencies, options));
  app.use(auditMiddleware(dependencies, stop.signal));
  const server: Server = createServer(app.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;

  async function token(terms: Partial<TokenTerms> = {}): Promise<string> {
    const value = randomToken();
    const issued = {
      clientId: 'robot',
      scopes: EVERYTHING,
      audience: ADMIN_RESOURCE,
      format: 'reference' as const,
      issuedAt: new Date().toISOString(),
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
      parameters: {},
      ...terms,
      digest: digest(value),
    };
    const wish = { type: 'IssueClientToken', data: issued } as const;
    await execute([act(clientToken, issued.digest, [wish], { fresh: true })], systemEnvelope());
    return value;
  }

  const tokens = new Map<string, Promise<string>>();

  async function request(init: RequestInit, search = ''): Promise<Reply> {
    const response = await fetch(url + search, init);
    const text = await response.text();
    const body = text.startsWith('{') ? JSON.parse(text) : { data: text };
    return { status: response.status, headers: response.headers, ...body };
  }

  return {
    url,
    pool,
    dependencies,
    context,
    logged,
    token,

    async tokenFor(sub, { grantId = randomToken(), sessionUid = randomToken() } = {}) {
      const value = randomToken();
      const now = new Date().toISOString();
      const nothing = { scopes: [], claims: [], resources: {} };
      const authentication = { authTime: now, acr: null, amr: ['pwd'] };
      await execute(
        [
          act(session, sessionUid, [
            { type: 'StartSession', data: { uid: sessionUid, sub, ...authentication } },
          ]),
          act(grant, grantId, [
            {
              type: 'OpenGrant',
              data: {
                grantId,
                sub,
                clientId: 'robot',
                sessionUid,
                ...nothing,
                declined: nothing,
                basis: 'implicit',
                assertedBy: null,
              },
            },
            {
              type: 'IssueAccessToken',
              data: {
                digest: digest(value),
                format: 'reference',
                scopes: EVERYTHING,
                audience: ADMIN_RESOURCE,
                issuedAt: now,
                expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
                parameters: {},
                exchangedFrom: null,
                clientId: null,
              },
            },
          ]),
        ],
        systemEnvelope(),
      );
      return value;
    },

    async call(query, variables = {}, scopes = EVERYTHING) {
      const key = scopes.join(' ');
      const known = tokens.get(key) ?? token({ scopes });
      tokens.set(key, known);
      return request({
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await known}` },
        body: JSON.stringify({ query, variables }),
      });
    },

    fetch: request,

    forgetKeys() {
      Object.assign(dependencies, { subjectKeys: new SubjectKeys(pool, secrets) });
    },

    async statements(work) {
      const before = statements;
      await work();
      return statements - before;
    },

    async close() {
      server.close();
      server.closeAllConnections();
      stop.abort();
      await auditing;
      await Promise.all([store.close(), following.close()]);
      await Promise.all([pool.end(), background.end()]);
      await database.drop();
    },
  };
}
