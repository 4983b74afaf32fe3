import type { Middleware } from 'koa';
import type pg from 'pg';
import { type EventStore, type Position, toPosition } from '../eventstore/event-store.ts';
import type { Execute } from '../eventstore/execute.ts';
import { observed } from '../eventstore/observed.ts';
import { ROUTES } from '../oidc/configuration.ts';
import { NOTICE } from '../oidc/notices/notice.ts';
import { APPLICATIONS_PATH } from '../oidc/people/applications-page.ts';
import { REQUESTS_PATH } from '../oidc/people/backchannel-page.ts';
import type { Config } from '../platform/config.ts';
import { health, type Readiness } from '../platform/health.ts';
import { Metrics, metricsEndpoint, type Readings } from '../platform/metrics.ts';
import { observeRequests } from '../platform/observe-requests.ts';
import type { Outbound } from '../platform/outbound.ts';
import { describeSpan, recordSpan, traced } from '../platform/tracing.ts';
import { entityOf } from '../projections/audit-log.ts';
import { Lag, readStatus, type Status } from '../projections/status.ts';

/** By name, for metrics and traces: what is below a path belongs to it. */
const ENDPOINTS = {
  ...ROUTES,
  discovery: '/.well-known',
  interaction: '/interaction',
  applications: APPLICATIONS_PATH,
  backchannel_requests: REQUESTS_PATH,
  home: '/',
  graphql: '/graphql',
  audit: '/audit',
  health: '/health',
  metrics: '/metrics',
};

/** Seconds behind the log after which a node's answers are too old to be given. */
const MAX_LAG = 30;
/** Whoever asks for health has given up by then. */
const ANSWER_MS = 3_000;
/** Nobody writes to it: reading it tells whether the log can be read. */
const NO_STREAM = 'health-none';

/** The engine, as far as it is asked how it is. */
interface Observable {
  readonly pool: pg.Pool;
  readonly store: Pick<EventStore, 'read'>;
  head(): Promise<Position>;
}

/** What operators see: metrics, the spans around what others do, and health. */
export class Observability {
  readonly metrics: Metrics;
  readonly #projected: boolean;
  readonly #lags = { protocol: new Lag(), audit: new Lag() };
  #appended = toPosition(0);
  #engine: Observable | undefined;

  constructor(private readonly config: Pick<Config, 'eventStoreUrl' | 'metrics'>) {
    this.#projected = config.eventStoreUrl !== null;
    this.metrics = new Metrics(this.#projected ? 'eventstoredb' : 'postgres', async () => {
      if (!this.#engine) return null;
      this.metrics.pool(this.#engine.pool);
      return inTime(this.#readings(this.#engine));
    });
  }

  log(store: EventStore): EventStore {
    return observed(store, this.#projected ? 'eventstoredb' : 'postgres', {
      append: (...told) => this.metrics.append(...told),
      appended: (position) => {
        if (position > this.#appended) this.#appended = position;
      },
    });
  }

  /** For the log on Postgres. */
  readonly batch = (batch: { requests: number; seconds: number }): void => {
    this.metrics.batch(batch);
    recordSpan('commit batch', batch.seconds, { 'muniment.batch.size': batch.requests });
  };

  /** For both listeners. */
  readonly requests = (): Middleware =>
    observeRequests({ endpoints: ENDPOINTS, observe: (request) => this.metrics.request(request) });

  readonly decisions =
    (execute: Execute): Execute =>
    (acts, ...rest) =>
      traced('execute', () => execute(acts, ...rest), {
        attributes: () => ({
          'muniment.entities': acts.map(({ stream }) => entityOf(stream).category),
        }),
      });

  readonly calls =
    (call: Outbound): Outbound =>
    (input, init) =>
      traced('outgoing call', () => this.#call(call, input, init), {
        kind: 'client',
        attributes: () => ({ 'http.request.method': init?.method ?? 'GET' }),
      });

  async #call(call: Outbound, ...asked: Parameters<Outbound>): Promise<Response> {
    try {
      const answer = await call(...asked);
      this.metrics.call(`${Math.floor(answer.status / 100)}xx`);
      describeSpan((span) => span.setAttribute('http.response.status_code', answer.status));
      return answer;
    } catch (error) {
      this.metrics.call('failed');
      throw error;
    }
  }

  /** /health and /metrics of the admin listener. @param stopping aborted when the server stops */
  endpoints(engine: Observable, stopping: AbortSignal): Middleware[] {
    this.#engine = engine;
    return [
      health(() => this.#readiness(engine, stopping)),
      metricsEndpoint(this.metrics, this.config.metrics),
    ];
  }

  async #readiness(engine: Observable, stopping: AbortSignal): Promise<Readiness> {
    if (stopping.aborted) return { reasons: ['the server is stopping'], notes: [] };
    const [readings, log] = await Promise.all([
      inTime(this.#readings(engine)),
      inTime(engine.store.read(NO_STREAM, { limit: 1 })),
    ]);
    const reasons: string[] = [];
    const notes: string[] = [];
    if (!readings) reasons.push('Postgres does not answer');
    if (!log && this.#projected) reasons.push('EventStoreDB does not answer');
    if (readings && Object.keys(readings.signingKeyAges).length === 0) {
      reasons.push('there is no active signing key');
    }
    const { protocol, audit } = readings?.failures ?? {};
    if (protocol) reasons.push(`the read models stand still: ${protocol}`);
    if (audit) notes.push(`the audit index stands still: ${audit}`);
    for (const [group, { seconds }] of Object.entries(readings?.lag ?? {})) {
      if (seconds <= MAX_LAG) continue;
      const behind = `${Math.round(seconds)} s behind the log`;
      if (group === 'audit') notes.push(`the audit index is ${behind}`);
      else reasons.push(`the read models are ${behind}`);
    }
    return { reasons, notes };
  }

  async #readings({ pool, head }: Observable): Promise<Readings & Pick<Status, 'failures'>> {
    const [status, known] = await Promise.all([readStatus(pool, NOTICE), head()]);
    const end = known > this.#appended ? known : this.#appended;
    const lagOf = (group: 'protocol' | 'audit') =>
      this.#lags[group].look(end, status[group] ?? toPosition(0), Date.now());
    const ranAt = status.pruning?.ran_at;
    return {
      // On Postgres the protocol's read models are written with the log.
      lag: { audit: lagOf('audit'), ...(this.#projected ? { protocol: lagOf('protocol') } : {}) },
      failures: status.failures,
      divergences: status.divergences,
      noticesWaiting: status.notices,
      housekeepingRanAt: ranAt ? Date.parse(ranAt) / 1_000 : null,
      housekeepingRows: status.pruning?.pruned ?? {},
      signingKeyAges: status.keys,
    };
  }
}

/** null when it fails, or takes too long. */
async function inTime<T>(asked: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ANSWER_MS, null);
  });
  try {
    return await Promise.race([asked.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
