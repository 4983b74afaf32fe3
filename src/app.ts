import http from 'node:http';
import Koa from 'koa';
import type pg from 'pg';
import type { Logger } from 'pino';
import { Observability } from './app/observability.ts';
import { openPools, type Pools } from './app/pools.ts';
import { type FirstRun, seed } from './commands/seed/seed.ts';
import { openPolicy } from './domain/registration-policy.ts';
import { type EventStore, type Position, toPosition } from './eventstore/event-store.ts';
import { eventStoreDb } from './eventstore/eventstoredb.ts';
import { type Execute, executor } from './eventstore/execute.ts';
import { postgresEventStore } from './eventstore/postgres.ts';
import { exclusively, migrateLog, writeState } from './eventstore/postgres-schema.ts';
import { sweepState } from './eventstore/sweep.ts';
import { auditMiddleware } from './graphql/audit/http.ts';
import { AuditReadings } from './graphql/audit/readings.ts';
import type { Dependencies } from './graphql/context.ts';
import { readOperations } from './graphql/persisted-operations.ts';
import { graphqlMiddleware } from './graphql/server.ts';
import { withClientDocuments } from './oidc/clients/client-documents.ts';
import { keepRemovingUnusedRegistrations } from './oidc/clients/unused-registrations.ts';
import { endingConsequences, followEndings, keepFinishing } from './oidc/endings/endings.ts';
import { rotateCookieKeys } from './oidc/keys/cookie-keys.ts';
import { keepKeys, rotateSigningKeys } from './oidc/keys/key-rotation.ts';
import { backchannelLimits } from './oidc/limits/backchannel-limits.ts';
import { clientRegistrationLimits } from './oidc/limits/client-registration-limits.ts';
import { registrationLimits } from './oidc/limits/registration-limits.ts';
import { signInLimits } from './oidc/limits/sign-in-limits.ts';
import { userCodeLimits } from './oidc/limits/user-code-limits.ts';
import { runCourier } from './oidc/notices/courier.ts';
import { noticeConsequences, noticeHandlers } from './oidc/notices/index.ts';
import { createPages } from './oidc/pages/pages.ts';
import { logNotifier, notifyPeople } from './oidc/people/notifier.ts';
import { ProviderHost } from './oidc/provider.ts';
import { perRequest } from './oidc/unit-of-work.ts';
import type { CertificateProxy } from './platform/client-certificates.ts';
import { type Config, settingsInForce } from './platform/config.ts';
import { startEmbeddedPostgres } from './platform/embedded-postgres.ts';
import {
  accessLog,
  answerErrors,
  gracefulServer,
  notFound,
  requestIds,
  securityHeaders,
} from './platform/http.ts';
import { listen } from './platform/listen.ts';
import { loadMasterKey } from './platform/master-key.ts';
import { mtlsOrigin, mtlsServer } from './platform/mtls-listener.ts';
import { outbound } from './platform/outbound.ts';
import { Secrets } from './platform/secrets.ts';
import { SubjectKeys } from './platform/subject-keys.ts';
import {
  ANNOUNCEMENTS,
  applyEvents,
  inlineProjection,
  migrateReadModels,
  READ_SCHEMA,
} from './projections/apply.ts';
import { AUDIT_GROUP, AUDIT_SCHEMA, auditSql, runAuditProjector } from './projections/audit-log.ts';
import { changesCatalogue } from './projections/catalogue.ts';
import { housekeepingPolicy, keepHousekeeping } from './projections/housekeeping.ts';
import { protocolReadModels } from './projections/index.ts';
import { checkpoint, projectionProgress, runProjector } from './projections/projector.ts';
import { ProtocolReads } from './projections/protocol-reads.ts';

const SEED_LOCK = 746_630;
/** Milliseconds a request waits for its own events to be projected, on EventStoreDB. */
const PROJECTION_WAIT_MS = 5_000;

/** The log with its read models, on whichever engine is configured. */
export interface Engine extends Pools {
  readonly store: EventStore;
  /** About where the log ends, for showing progress. */
  head(): Promise<Position>;
  /** Resolves when the read models show a position; false when that takes too long. */
  projected(position: Position): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Opens the log: starts the embedded Postgres if none is configured, and brings the schemas up to
 * date. With `project`, the read models are kept up to date from EventStoreDB as well.
 */
export async function openEngine(
  config: Config,
  log: Logger,
  options: { project: boolean; observability?: Observability } = { project: true },
): Promise<Engine> {
  const { observability } = options;
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbeddedPostgres({
        dataDir: config.dataDir,
        log: (line) => log.debug({ line }, 'embedded PostgreSQL'),
      });
  const { pool, readers } = openPools(config.databaseUrl ?? embedded?.connection ?? {}, log);
  const closing = new AbortController();
  if (embedded) observability?.metrics.embedded(true);
  void embedded?.ended.then(() => {
    observability?.metrics.embedded(false);
    if (closing.signal.aborted) return;
    log.fatal('the embedded PostgreSQL has ended, and the server with it');
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
  await migrateLog(pool);
  await exclusively(pool, SEED_LOCK, (client) =>
    migrateReadModels(client, READ_SCHEMA, protocolReadModels),
  );
  await exclusively(pool, SEED_LOCK, (client) => client.query(auditSql(AUDIT_SCHEMA)));
  await SubjectKeys.migrate(pool);

  const head = async () => {
    const { rows } = await pool.query('select coalesce(max(position), 0) as head from log.events');
    return toPosition(rows[0].head);
  };
  let projected: Engine['projected'] = async (position) => position <= (await head());
  let store: EventStore;
  let projector: Promise<void> | undefined;
  if (config.eventStoreUrl) {
    const wait = projectionProgress(pool, READ_SCHEMA, closing.signal);
    projected = (position) => wait(position, PROJECTION_WAIT_MS);
    store = eventStoreDb({
      url: config.eventStoreUrl,
      writeState: (changes) => writeState(pool, changes),
      projected: async (position) => {
        if (!(await projected(position))) log.warn({ position }, 'the projector is behind');
      },
    });
    if (options.project) {
      projector = runProjector({
        pool,
        store,
        schema: READ_SCHEMA,
        write: (client, events) => applyEvents(client, READ_SCHEMA, protocolReadModels, events),
        signal: closing.signal,
        failed: (error) => log.error({ err: error }, 'the projector stopped, and starts again'),
        observe: observability?.metrics.projector('protocol'),
      });
    }
  } else {
    const inline = inlineProjection(protocolReadModels);
    store = postgresEventStore({ pool, inline, observe: observability?.batch });
  }

  return {
    pool,
    readers,
    store: observability?.log(store) ?? store,
    projected,
    head: config.eventStoreUrl
      ? async () => (await checkpoint(pool, READ_SCHEMA)) ?? toPosition(0)
      : head,
    async close() {
      closing.abort();
      await store.close();
      await projector;
      await Promise.all([pool.end(), readers.end()]);
      await embedded?.stop();
    },
  };
}

export interface RunningServer {
  readonly firstRun: FirstRun | undefined;
  /** Finishes the requests under way, then stops. */
  stop(): Promise<void>;
}

/** Starts the whole server: both listeners are open when this resolves. */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const secrets = new Secrets(await loadMasterKey(config));
  const observability = new Observability(config);
  const engine = await openEngine(config, log, { project: true, observability });
  const closing = new AbortController();
  const ending = new AbortController();
  let auditing: Promise<void> | undefined;
  try {
    const { pool, store } = engine;
    const call = observability.calls(outbound(config));
    const uninvited = openPolicy(config.clientRegistrationScopes);
    const documents = { ...config, store, outbound: call, openPolicy: uninvited };
    const reads = new ProtocolReads(engine.readers, perRequest, withClientDocuments(documents));
    const told = noticeConsequences({ reads, secrets });
    const ended = endingConsequences(secrets, config);
    const decided = observability.decisions(
      executor(store, {
        consequences: async (...facts) => [...(await told(...facts)), ...(await ended(...facts))],
      }),
    );
    const notifier = logNotifier(log);
    let refresh = async () => {};
    const execute: Execute = async (...wanted) => {
      const executed = await decided(...wanted);
      if (changesCatalogue(executed.writes)) await refresh();
      notifyPeople(notifier, config.issuer, executed).catch((err) =>
        log.warn({ err }, 'a person could not be told of a request'),
      );
      await followEndings(endings, executed, wanted[1]);
      return executed;
    };
    const endings = { pool, store, execute, secrets, policy: config };
    const subjectKeys = new SubjectKeys(pool, secrets);
    await finishErasures(pool, subjectKeys);
    const { signingAlgorithms } = config;
    auditing = runAuditProjector({
      pool,
      store,
      keys: { secrets, subjectKeys },
      signal: closing.signal,
      failed: (err) => log.error({ err }, 'the audit index stopped, and starts again'),
      observe: observability.metrics.projector('audit'),
    });
    const audited = projectionProgress(pool, AUDIT_SCHEMA, closing.signal, AUDIT_GROUP);
    const policy = {
      algorithms: signingAlgorithms,
      rotation: config.keyRotationDays,
      announcement: config.keyAnnouncementDays,
      retention: config.keyRetentionDays,
    };
    const keys = { pool, reads, execute, secrets, policy };
    const rotateKeys = async () => {
      await rotateSigningKeys(keys);
      await rotateCookieKeys(keys);
    };
    await rotateKeys();
    const firstRun = await exclusively(pool, SEED_LOCK, async () => {
      return seed({ execute, store, secrets, subjectKeys, signingAlgorithms }, config);
    });

    const https = config.issuer.startsWith('https:');
    const outer = [
      requestIds(),
      observability.requests(),
      accessLog(log),
      securityHeaders({ https }),
      notFound(),
      answerErrors(log),
    ];
    const digestOf = (address: string) => secrets.keyedDigest('address', address);
    // One node after the other: two that make the same table at once get in each other's way.
    const limits = await exclusively(pool, SEED_LOCK, async () => ({
      limits: await signInLimits(pool, digestOf),
      userCodeLimits: await userCodeLimits(pool, digestOf),
      backchannelLimits: await backchannelLimits(pool),
      registrationLimits: await registrationLimits(pool, digestOf),
      clientRegistrationLimits: await clientRegistrationLimits(pool, digestOf),
    }));
    const host = new ProviderHost({
      issuer: config.issuer,
      signingAlgorithms,
      reads,
      secrets,
      subjectKeys,
      execute,
      store,
      outer,
      pages: createPages(),
      log,
      ...limits,
      clientRegistration: config.clientRegistration,
      openPolicy: uninvited,
      clientMetadataHosts: config.clientMetadataHosts,
      refreshTokenLeeway: config.refreshTokenLeeway,
      requirePushedRequests: config.requirePushedRequests,
      selfRegistration: config.selfRegistration,
      requireDpopNonce: config.requireDpopNonce,
      outbound: call,
      trustProxy: config.trustProxy,
      mutualTls: { proxy: certificateProxy(config), origin: mtlsOrigin(config) },
    });
    await host.refresh();
    refresh = () =>
      host.refresh().catch((err) => log.error({ err }, 'the catalogue could not be read'));
    listen(pool, ANNOUNCEMENTS, refresh, closing.signal);
    sweepState(pool, {
      signal: closing.signal,
      failed: (err) => log.warn({ err }, 'expired rows could not be taken away'),
    });

    keepKeys(rotateKeys, {
      signal: closing.signal,
      failed: (err) => log.error({ err }, 'the keys could not be rotated'),
    });

    keepFinishing(endings, {
      signal: closing.signal,
      failed: (err) => log.error({ err }, 'what ends with something else could not be ended'),
    });

    const housekeeping = housekeepingPolicy(config);
    keepHousekeeping(
      { pool, policy: housekeeping },
      {
        signal: closing.signal,
        done: (pruned) => log.info({ pruned }, 'what was over has been taken away'),
        failed: (err) => log.error({ err }, 'what is over could not be taken away'),
      },
    );

    const courier = runCourier({
      pool,
      execute,
      secrets,
      handlers: noticeHandlers({ reads, logoutToken: host.logoutToken, outbound: call }),
      signal: closing.signal,
      failed: (err) => log.error({ err }, 'notices could not be delivered'),
    });

    const readings = new AuditReadings(execute, {
      failed: (err) => log.error({ err }, 'looks at the record could not be recorded'),
    });
    keepRemovingUnusedRegistrations(
      { pool, reads, execute, days: config.unusedClientDays },
      {
        signal: closing.signal,
        failed: (err) => log.error({ err }, 'unused registrations could not be removed'),
      },
    );

    const admin = new Koa();
    admin.on('error', (err) => log.warn({ err }, 'an answer could not be sent'));
    for (const middleware of outer) admin.use(middleware);
    for (const middleware of observability.endpoints(engine, ending.signal)) admin.use(middleware);
    const operations = config.operations ? readOperations(config.operations) : undefined;
    const dependencies: Dependencies = {
      pool,
      store,
      execute,
      secrets,
      subjectKeys,
      signingAlgorithms,
      issuer: config.issuer,
      settings: settingsInForce(process.env),
      async waitFor(position) {
        if (!(await engine.projected(position))) throw new Error('not projected in time');
      },
      audit: {
        head: engine.head,
        reached: (position, timeoutMs = PROJECTION_WAIT_MS) => audited(position, timeoutMs),
      },
      auditReadings: readings,
      housekeeping,
      observe: (operation) => observability.metrics.operation(operation),
      log,
      development: process.env.NODE_ENV !== 'production',
    };
    admin.use(await graphqlMiddleware(dependencies, { operations }));
    admin.use(auditMiddleware(dependencies, ending.signal));

    const { port, adminPort, mtlsPort } = config;
    const mtls = await mtlsServer(config, host.handle);
    const servers = [
      await gracefulServer(http.createServer(host.handle), { ...config, port }),
      await gracefulServer(http.createServer(admin.callback()), { ...config, port: adminPort }),
      ...(mtls ? [await gracefulServer(mtls, { ...config, port: mtlsPort ?? 0 })] : []),
    ];
    return {
      firstRun,
      async stop() {
        ending.abort();
        await Promise.all(servers.map((server) => server.close()));
        await readings.flush();
        closing.abort();
        await courier;
        await auditing;
        await engine.close();
      },
    };
  } catch (error) {
    closing.abort();
    await auditing;
    await engine.close();
    throw error;
  }
}

/** The proxy that passes on certificates of clients, if one does. */
function certificateProxy(config: Config): CertificateProxy | null {
  const { clientCertHeader: header, clientCertVerifyHeader: verifyHeader } = config;
  const addresses = config.clientCertProxies;
  return header && addresses ? { header, verifyHeader, addresses } : null;
}

/** Destroys the keys of persons whose erasure was recorded by a server that then went away. */
async function finishErasures(pool: pg.Pool, subjectKeys: SubjectKeys): Promise<void> {
  const { rows } = await pool.query<{ sub: string }>(
    `select sub from ${READ_SCHEMA}.users join vault.subject_keys k using (sub)
     where erased_at is not null and k.key <> ''`,
  );
  for (const { sub } of rows) await subjectKeys.destroy(sub);
}
