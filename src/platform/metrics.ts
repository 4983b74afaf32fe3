import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import type { Middleware } from 'koa';
import type pg from 'pg';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ObservedRequest } from './observe-requests.ts';
import { equals } from './secrets.ts';
import { gatheredMetrics, offerMetrics } from './worker-metrics.ts';

/** Seconds: from a request that finds all it needs at hand to one that is about to be given up. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

export type AppendOutcome = 'appended' | 'moved' | 'claimed' | 'unavailable' | 'failed';

/** What is found out only when somebody asks for it. */
export interface Readings {
  /** How far the read models of a group are behind the log. */
  readonly lag: Readonly<Record<string, { readonly positions: number; readonly seconds: number }>>;
  /** Rows of the read models that are known not to be what the log tells. */
  readonly divergences: number;
  /** Notices that are not delivered yet. */
  readonly noticesWaiting: number;
  /** Unix time in seconds; null for never. */
  readonly housekeepingRanAt: number | null;
  readonly housekeepingRows: Readonly<Record<string, number>>;
  /** Seconds since the key that signs was activated, by algorithm. */
  readonly signingKeyAges: Readonly<Record<string, number>>;
}

/** What is counted, under the names by which Prometheus knows it: docs/observability.md lists them. */
export class Metrics {
  readonly registry = new Registry();

  readonly #requests = this.#counter(
    'http_requests_total',
    'Requests, by endpoint, method and outcome: an OAuth error code or the class of the status.',
    ['endpoint', 'method', 'outcome'],
  );
  readonly #requestSeconds = this.#histogram(
    'http_request_duration_seconds',
    'Seconds from a request to the end of its response, by endpoint.',
    ['endpoint'],
  );
  readonly #operations = this.#counter(
    'graphql_operations_total',
    'Operations of the Admin API, by type and outcome: ok, refused (userErrors), or an error code.',
    ['type', 'outcome'],
  );
  readonly #operationSeconds = this.#histogram(
    'graphql_operation_duration_seconds',
    'Seconds of an operation of the Admin API, by type.',
    ['type'],
  );
  readonly #appends = this.#counter(
    'log_appends_total',
    'Commits given to the log, by outcome: appended, moved (a lost race; decided again), claimed (used before), unavailable, failed.',
    ['outcome'],
  );
  readonly #appendSeconds = this.#histogram(
    'log_append_duration_seconds',
    'Seconds that a request waits for its commit.',
  );
  readonly #events = this.#counter('log_events_appended_total', 'Events appended, by type.', [
    'type',
  ]);
  readonly #notices = this.#counter(
    'notices_total',
    'Attempts to tell a client something, by outcome: delivered, failed (and tried again, or not), dropped.',
    ['outcome'],
  );
  readonly #batchSize = this.#histogram(
    'commit_batch_size',
    'Requests that shared a transaction of the log on PostgreSQL.',
    [],
    BATCH_SIZES,
  );
  readonly #batchSeconds = this.#histogram(
    'commit_batch_duration_seconds',
    'Seconds of a transaction of the log on PostgreSQL.',
  );
  readonly #calls = this.#counter(
    'outgoing_calls_total',
    'Calls to addresses that clients name, by outcome: the class of the status, or failed.',
    ['outcome'],
  );
  readonly #leader = this.#gauge(
    'projector_leader',
    'Whether this node projects the group: 1 or 0. One node does of each.',
    ['group'],
  );
  readonly #projectorFailures = this.#counter(
    'projector_failures_total',
    'Times that projecting a group stopped with an error; it starts again.',
    ['group'],
  );
  readonly #lagPositions = this.#reading(
    'projection_lag_positions',
    'Positions of the log that the read models of a group do not show yet: events on PostgreSQL, bytes on EventStoreDB.',
    ['group'],
  );
  readonly #lagSeconds = this.#reading(
    'projection_lag_seconds',
    'Seconds that the read models of a group have been behind for.',
    ['group'],
  );
  readonly #divergences = this.#reading(
    'projection_divergences',
    'Rows of the read models that were found not to be what the log tells, and are not mended.',
  );
  readonly #postgresUp = this.#reading('postgres_up', 'Whether PostgreSQL answers: 1 or 0.');
  readonly #embeddedUp = this.#gauge(
    'embedded_postgres_up',
    'Whether the embedded PostgreSQL runs: 1 or 0. Absent where there is none.',
  );
  readonly #connections = this.#gauge(
    'postgres_connections',
    'Connections of the pool, by state: total, idle; and requests waiting for one.',
    ['state'],
  );
  readonly #noticesWaiting = this.#reading(
    'notices_waiting',
    'Notices to clients that are not delivered yet.',
  );
  readonly #housekeepingRanAt = this.#reading(
    'housekeeping_last_run_timestamp_seconds',
    'When what is over was taken away from the read models last, as Unix time; 0 for never.',
  );
  readonly #housekeepingRows = this.#reading(
    'housekeeping_last_rows',
    'Rows that went then, by table.',
    ['table'],
  );
  readonly #keyAge = this.#reading(
    'signing_key_age_seconds',
    'Seconds since the key that signs began to, by algorithm.',
    ['algorithm'],
  );

  /** @param read null when the database does not tell: what it would tell is absent then */
  constructor(
    engine: string,
    private readonly read: () => Promise<Readings | null>,
  ) {
    collectDefaultMetrics({ register: this.registry });
    if (cluster.isWorker) offerMetrics(this.registry);
    this.#embeddedUp.remove();
    this.#gauge('build_info', 'Always 1; the version, and what it runs on, are in the labels.', [
      'version',
      'node',
      'engine',
    ]).set({ version: VERSION, node: process.version, engine }, 1);
  }

  request({ endpoint, method, outcome, seconds }: ObservedRequest): void {
    this.#requests.inc({ endpoint, method, outcome });
    this.#requestSeconds.observe({ endpoint }, seconds);
  }

  operation({ type, outcome, seconds }: { type: string; outcome: string; seconds: number }): void {
    this.#operations.inc({ type, outcome });
    this.#operationSeconds.observe({ type }, seconds);
  }

  /** @param types of the events, when they were appended */
  append(outcome: AppendOutcome, seconds: number, types: readonly string[]): void {
    this.#appends.inc({ outcome });
    this.#appendSeconds.observe(seconds);
    for (const type of types) {
      this.#events.inc({ type });
      const notice = NOTICES[type];
      if (notice) this.#notices.inc({ outcome: notice });
    }
  }

  batch({ requests, seconds }: { requests: number; seconds: number }): void {
    this.#batchSize.observe(requests);
    this.#batchSeconds.observe(seconds);
  }

  call(outcome: string): void {
    this.#calls.inc({ outcome });
  }

  /** For the projector of a group, which is told when this node begins to project it, and when it ends. */
  projector(group: string): { leading(leads: boolean): void; failed(): void } {
    this.#leader.set({ group }, 0);
    this.#projectorFailures.inc({ group }, 0);
    return {
      leading: (leads) => this.#leader.set({ group }, leads ? 1 : 0),
      failed: () => this.#projectorFailures.inc({ group }),
    };
  }

  embedded(up: boolean): void {
    this.#embeddedUp.set(up ? 1 : 0);
  }

  pool({ totalCount, idleCount, waitingCount }: pg.Pool): void {
    this.#connections.set({ state: 'total' }, totalCount);
    this.#connections.set({ state: 'idle' }, idleCount);
    this.#connections.set({ state: 'waiting' }, waitingCount);
  }

  /** All that is read is asked for in the same moment, and read once. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.read()
      .then((readings) => this.#show(readings))
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  #refreshing: Promise<void> | undefined;

  #show(readings: Readings | null): void {
    this.#postgresUp.set(readings ? 1 : 0);
    for (const gauge of [this.#divergences, this.#noticesWaiting, this.#housekeepingRanAt])
      gauge.remove();
    const labelled = [this.#lagPositions, this.#lagSeconds, this.#housekeepingRows, this.#keyAge];
    for (const gauge of labelled) gauge.reset();
    if (!readings) return;
    for (const [group, { positions, seconds }] of Object.entries(readings.lag)) {
      this.#lagPositions.set({ group }, positions);
      this.#lagSeconds.set({ group }, seconds);
    }
    this.#divergences.set(readings.divergences);
    this.#noticesWaiting.set(readings.noticesWaiting);
    this.#housekeepingRanAt.set(readings.housekeepingRanAt ?? 0);
    for (const [table, rows] of Object.entries(readings.housekeepingRows)) {
      this.#housekeepingRows.set({ table }, rows);
    }
    for (const [algorithm, age] of Object.entries(readings.signingKeyAges)) {
      this.#keyAge.set({ algorithm }, age);
    }
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> {
    return new Gauge({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
  }

  /** Read when somebody asks. Several workers read the same. */
  #reading<L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> {
    const collect = () => this.#refresh();
    const registers = [this.registry];
    return new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      collect,
      aggregator: 'max',
    });
  }

  #histogram<L extends string>(
    name: string,
    help: string,
    labelNames: L[] = [],
    buckets = DURATIONS,
  ): Histogram<L> {
    const registers = [this.registry];
    return new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers });
  }
}

const PREFIX = 'muniment_';

const NOTICES: Readonly<Record<string, string>> = {
  NoticeDelivered: 'delivered',
  NoticeFailed: 'failed',
  NoticeDropped: 'dropped',
};

const { version: VERSION } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

/**
 * Tells the metrics at /metrics.
 * @param access `on`, `off`, or the bearer token that has to be shown
 */
export function metricsEndpoint({ registry }: Metrics, access: string): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== '/metrics' || access === 'off') return next();
    ctx.set('Cache-Control', 'no-store');
    if (access !== 'on' && !equals(ctx.get('Authorization'), `Bearer ${access}`)) {
      ctx.status = 401;
      ctx.set('WWW-Authenticate', 'Bearer');
      ctx.body = { error: 'invalid_token', error_description: 'METRICS asks for a bearer token' };
      return;
    }
    ctx.type = registry.contentType;
    ctx.body = await (cluster.isWorker ? gatheredMetrics() : registry.metrics());
  };
}
