import http from 'node:http';
import Koa from 'koa';
import type pg from 'pg';
import type { Logger } from 'pino';
import { Observability } from './app/observability.ts';
import { runOperations } from './app/operations.ts';
import { type FirstRun, seed } from './commands/seed/seed.ts';
import { openPolicy } from './domain/registration-policy.ts';
import { type Execute, executor } from './eventstore/execute.ts';
import { exclusively } from './eventstore/postgres-schema.ts';
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
import { startingHealth } from './platform/health.ts';
import {
  accessLog,
  answerErrors,
  gracefulServer,
  notFound,
  requestIds,
  securityHeaders,
} from './platform/http.ts';
import { listen } from './platform/listen.ts';
import { LOCKS } from './platform/locks.ts';
import { loadMasterKey } from './platform/master-key.ts';
import { mtlsOrigin, mtlsServer } from './platform/mtls-listener.ts';
import { outbound } from './platform/outbound.ts';
import { Secrets } from './platform/secrets.ts';
import { SubjectKeys } from './platform/subject-keys.ts';
import { ANNOUNCEMENTS, READ_SCHEMA } from './projections/apply.ts';
import { AUDIT_GROUP, AUDIT_SCHEMA, runAuditProjector } from './projections/audit-log.ts';
import { changesCatalogue } from './projections/catalogue.ts';
import { openEngine, PROJECTION_WAIT_MS } from './projections/engine.ts';
import { housekeepingPolicy, keepHousekeeping } from './projections/housekeeping.ts';
import { protocolReadModels } from './projections/index.ts';
import { projectionProgress } from './projections/projector.ts';
import { ProtocolReads } from './projections/protocol-reads.ts';
import { keepLooking } from './projections/spot-check.ts';
import { noteFailure, noteVersion, versionOf } from './projections/versions.ts';

export interface RunningServer {
  readonly firstRun: FirstRun | undefined;
  /** Finishes the requests under way, then stops. */
  stop(): Promise<void>;
}

/** Starts the whole server: both listeners are open when this resolves. */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const secrets = new Secrets(await loadMasterKey(config));
  const observability = new Observability(config);
  const door = adminDoor({ ...config, port: config.adminPort });
  const engine = await openEngine(config, log, {
    project: true,
    observability,
    waiting: door.notReady,
  });
  const closing = new AbortController();
  const ending = new AbortController();
  let auditing: Promise<void> | undefined;
  try {
    const { pool, store } = engine;
    const call = observability.calls(outbound(config));
    const uninvited = openPolicy(config.clientRegistrationScopes);
    const documents = { ...config, store, outbound: call, openPolicy: uninvited };
    const knowing = withClientDocuments(documents);
    const reads = new ProtocolReads(engine.readers, perRequest, knowing, engine.late);
    const told = noticeConsequences({ reads, secrets });
    const ended = endingConsequences(secrets, config);
    const decided = observability.decisions(
      executor(store, {
        shown: engine.projected,
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
      failed: (err) => {
        log.error({ err }, 'the audit index stopped, and starts again');
        noteFailure(pool, AUDIT_SCHEMA, err).catch(() => undefined);
      },
      needed: async (client) => !(await versionOf(client, AUDIT_SCHEMA))?.paused,
      recovered: () => noteVersion(pool, AUDIT_SCHEMA, { failure: null }),
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
    const firstRun = await exclusively(pool, LOCKS.start, async () => {
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
    const limits = await exclusively(pool, LOCKS.start, async () => ({
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

    const projecting = runOperations({
      pool,
      store,
      execute,
      keys: { secrets, subjectKeys },
      signal: closing.signal,
      failed: (err) => log.warn({ err }, 'an operation on a projection is tried again later'),
    });
    keepLooking(
      { pool, store, projections: protocolReadModels, period: config.verifyPeriod },
      {
        signal: closing.signal,
        found: (finding) => log.error(finding, 'a row is not what the log tells'),
        failed: (err) => log.warn({ err }, 'rows could not be compared with the log'),
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
      operations: projecting,
      observe: (operation) => observability.metrics.operation(operation),
      log,
      development: process.env.NODE_ENV !== 'production',
    };
    admin.use(await graphqlMiddleware(dependencies, { operations }));
    admin.use(auditMiddleware(dependencies, ending.signal));

    const { port, mtlsPort } = config;
    const mtls = await mtlsServer(config, host.handle);
    const servers = [
      await gracefulServer(http.createServer(host.handle), { ...config, port }),
      await door.open(admin.callback()),
      ...(mtls ? [await gracefulServer(mtls, { ...config, port: mtlsPort ?? 0 })] : []),
    ];
    return {
      firstRun,
      async stop() {
        ending.abort();
        await Promise.all(servers.map((server) => server.close()));
        await readings.flush();
        closing.abort();
        await Promise.all([courier, auditing, projecting.ended]);
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

/** The admin listener: it opens early, and says why, when the server has to wait before it serves. */
function adminDoor(place: Parameters<typeof gracefulServer>[1]) {
  let reason = '';
  let handle: http.RequestListener = startingHealth(() => [reason]);
  let opened: ReturnType<typeof gracefulServer> | undefined;
  const opening = () => {
    opened ??= gracefulServer(
      http.createServer((...exchange) => handle(...exchange)),
      place,
    );
    return opened;
  };
  return {
    notReady(why: string): void {
      reason = why;
      // Said again, and loudly, when it is to be opened for good.
      opening().catch(() => undefined);
    },
    open(served: http.RequestListener) {
      handle = served;
      return opening();
    },
  };
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
