import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import {
  type EventStore,
  LogUnavailable,
  type Position,
  toPosition,
} from '../eventstore/event-store.ts';
import { eventStoreDb } from '../eventstore/eventstoredb.ts';
import { postgresEventStore } from '../eventstore/postgres.ts';
import { exclusively, migrateLog, writeState } from '../eventstore/postgres-schema.ts';
import { coalesced } from '../platform/coalesce.ts';
import type { Config } from '../platform/config.ts';
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { LOCKS } from '../platform/locks.ts';
import { SubjectKeys } from '../platform/subject-keys.ts';
import { applyEvents, inlineProjection, READ_SCHEMA, readModelSql, tablesSql } from './apply.ts';
import { AUDIT_SCHEMA, auditSql } from './audit-log.ts';
import { protocolReadModels } from './index.ts';
import { notReady, versionKeeper } from './keeper.ts';
import { assertCopied } from './log-change.ts';
import { openPools, type Pools } from './pools.ts';
import {
  checkpoint,
  type ProjectorObserver,
  projectionProgress,
  runProjector,
} from './projector.ts';
import { servedVersions } from './served-versions.ts';
import {
  attend,
  enterAudit,
  enterLog,
  enterVersion,
  inlineVersion,
  type LogEngine,
  migrateVersions,
  noteFailure,
  noteVersion,
} from './versions.ts';

/** Milliseconds a request waits for its own events to be projected. */
export const PROJECTION_WAIT_MS = 5_000;
const READY_MS = 100;

/** The log with its read models, on whichever engine is configured. */
export interface Engine extends Pools {
  readonly store: EventStore;
  /** About where the log ends, for showing progress. */
  head(): Promise<Position>;
  /**
   * Waits for what the log holds by now.
   * @returns false where the read models hold it always
   * @throws LogUnavailable when they do not in time
   */
  late(): Promise<boolean>;
  /** Resolves when the read models show a position, on every node; false when that takes too long. */
  projected(position: Position): Promise<boolean>;
  close(): Promise<void>;
}

/** Told what the engine does, for operators. */
export interface EngineObserver {
  readonly metrics: {
    embedded(up: boolean): void;
    projector(group: 'protocol'): ProjectorObserver;
  };
  readonly batch: (batch: { requests: number; seconds: number }) => void;
  log(store: EventStore): EventStore;
}

export interface EngineOptions {
  readonly project: boolean;
  readonly observability?: EngineObserver;
  /** Told, while the read models do not show what the log held, how far they are. */
  readonly waiting?: (reason: string) => void;
}

/**
 * Opens the log: starts the embedded Postgres if none is configured, and brings the schemas up to
 * date. With `project`, it is a node that serves: it builds the read models if its version of them is
 * new, keeps them up to date, and resolves when they show what the log held.
 */
export async function openEngine(
  config: Config,
  log: Logger,
  options: EngineOptions = { project: true },
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
  const place: Place = {
    pool,
    readers,
    closing,
    async leave() {
      closing.abort();
      await Promise.all([pool.end(), readers.end()]);
      await embedded?.stop();
    },
  };
  try {
    return await openIn(place, config, log, options);
  } catch (error) {
    // What is open would keep a process alive that can do nothing.
    await place.leave();
    throw error;
  }
}

/** Where an engine is: its database, and what it has there until it closes. */
interface Place extends Pools {
  readonly closing: AbortController;
  leave(): Promise<void>;
}

async function openIn(
  { pool, readers, closing, leave }: Place,
  config: Config,
  log: Logger,
  options: EngineOptions,
): Promise<Engine> {
  const { observability } = options;
  await migrateLog(pool);
  const inline = config.eventStoreUrl === null;
  const engine: LogEngine = inline ? 'postgres' : 'eventstoredb';
  if (options.project) await attend(pool, closing.signal, READ_SCHEMA, engine);
  await exclusively(pool, LOCKS.start, async (client) => {
    await migrateVersions(client);
    await enterLog(client, engine, {
      async change(former) {
        if (!options.project) throw new Error(`start the server first: its log was in ${former}`);
        await assertCopied(client, config.eventStoreUrl ?? pool);
        log.info(
          { former, engine },
          'the log is in another engine: the read models are built anew',
        );
      },
    });
    const state = await enterVersion(client, READ_SCHEMA, { inline });
    // What is being built gets its indexes then, from another node perhaps, at this very moment.
    if (state !== 'building') await client.query(readModelSql(READ_SCHEMA, protocolReadModels));
    else if (!(await hasTables(client, READ_SCHEMA))) {
      await client.query(tablesSql(READ_SCHEMA, protocolReadModels));
    }
    await client.query(auditSql(AUDIT_SCHEMA));
    await enterAudit(client, AUDIT_SCHEMA);
  });
  await SubjectKeys.migrate(pool);

  const head = async () => {
    const { rows } = await pool.query('select coalesce(max(position), 0) as head from log.events');
    return toPosition(rows[0].head);
  };
  const wait = projectionProgress(pool, READ_SCHEMA, closing.signal);
  const elsewhere = servedVersions(pool, closing.signal);
  const shown = async (position: Position) => {
    const here = await wait(position, PROJECTION_WAIT_MS);
    if (!here) log.warn({ position }, 'the projector is behind');
    const there = await elsewhere(position, PROJECTION_WAIT_MS);
    if (!there) log.warn({ position }, 'the projector of another version is behind');
    return here && there;
  };
  const store = config.eventStoreUrl
    ? eventStoreDb({
        url: config.eventStoreUrl,
        writeState: (changes) => writeState(pool, changes),
        projected: shown,
      })
    : postgresEventStore({
        pool,
        inline: inlineProjection(protocolReadModels),
        projected: shown,
        observe: observability?.batch,
      });
  const projector = options.project
    ? runProjector({
        pool,
        store,
        schema: READ_SCHEMA,
        write: (client, events) => applyEvents(client, READ_SCHEMA, protocolReadModels, events),
        needed: versionKeeper({
          store,
          inline,
          signal: closing.signal,
          progress: (done) => log.info(done, 'building the read models'),
        }),
        signal: closing.signal,
        failed: (error) => {
          log.error({ err: error }, 'the projector stopped, and starts again');
          noteFailure(pool, READ_SCHEMA, error).catch(() => undefined);
        },
        recovered: () => noteVersion(pool, READ_SCHEMA, { failure: null }),
        // On Postgres the read models are written with the log, and nobody leads.
        observe: inline ? undefined : observability?.metrics.projector('protocol'),
      })
    : undefined;

  const about = inline ? head : async () => (await checkpoint(pool, READ_SCHEMA)) ?? toPosition(0);
  if (options.project) await ready(pool, await about(), options.waiting);

  const late = coalesced<true, boolean>(async (asked) => {
    if (inline && (await inlineVersion(pool)) === READ_SCHEMA) return asked.map(() => false);
    const last = await store.last();
    if (last && !(await wait(last.position, PROJECTION_WAIT_MS))) {
      throw new LogUnavailable('the read models are behind the log');
    }
    return asked.map(() => true);
  });

  return {
    pool,
    readers,
    late: () => late(true),
    store: observability?.log(store) ?? store,
    async projected(position) {
      const withTheLog = inline && (await inlineVersion(pool)) === READ_SCHEMA;
      if (!withTheLog) return shown(position);
      return position <= (await head()) && elsewhere(position, PROJECTION_WAIT_MS);
    },
    head: about,
    async close() {
      closing.abort();
      await store.close();
      await projector;
      await leave();
    },
  };
}

async function hasTables(client: pg.ClientBase, schema: string): Promise<boolean> {
  const { rows } = await client.query('select to_regclass($1) is not null as there', [
    `${schema}.checkpoint`,
  ]);
  return rows[0]?.there === true;
}

/** Resolves when this version of the read models shows a position. */
async function ready(
  pool: pg.Pool,
  head: Position,
  waiting?: (reason: string) => void,
): Promise<void> {
  for (;;) {
    const reason = await notReady(pool, head);
    if (reason === null) return;
    waiting?.(reason);
    await delay(READY_MS);
  }
}
