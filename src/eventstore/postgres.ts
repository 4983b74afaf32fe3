import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { coalesced } from '../platform/coalesce.ts';
import { listen } from '../platform/listen.ts';
import { isTransient } from '../platform/postgres.ts';
import {
  type Appended,
  ClaimTaken,
  type Commit,
  type EventStore,
  LogUnavailable,
  type NewEvent,
  type RecordedEvent,
  type StateChange,
  toPosition,
  WrongExpectedRevision,
} from './event-store.ts';

const SCHEMA = new URL('../../src/eventstore/postgres.sql', import.meta.url);
/** Serialises migrations of several servers that start at once. */
const MIGRATION_LOCK = 746600;
/** The lock that log.append takes; whoever holds it sees a log that stands still. */
export const APPEND_LOCK = 746601;
const CHANNEL = 'muniment';
const PAGE = 500;
const POLL_MS = 1_000;
/** Larger batches only add latency. */
const MAX_BATCH = 128;
const RETRY_MS = [20, 50, 100, 250, 500, 1_000, 2_000];

/** An event that is about to be appended, for the read models written with it. */
export type AboutToAppend = Pick<
  RecordedEvent,
  'stream' | 'revision' | 'type' | 'data' | 'metadata'
>;

/** Row changes by table; `request` is added, so that a refused request's changes are left out. */
export type InlineProjection = (
  events: readonly AboutToAppend[],
) => Iterable<readonly [table: string, changes: Iterable<{ op: string; row: object }>]>;

/** Creates what is missing of the schemas `log` and `state`. */
export async function migrateLog(pool: pg.Pool): Promise<void> {
  const sql = await readFile(SCHEMA, 'utf8');
  await exclusively(pool, MIGRATION_LOCK, (client) => client.query(sql).then(() => undefined));
}

/** Runs a transaction while holding an advisory lock of the whole database. */
export function exclusively<T>(
  pool: pg.Pool,
  lock: number,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return transaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [lock]);
    return work(client);
  });
}

/** Writes technical rows outside of an append, as the EventStoreDB engine does before its own. */
export async function writeState(pool: pg.Pool, changes: readonly StateChange[]): Promise<void> {
  if (changes.length === 0) return;
  const json = JSON.stringify(changes.map((change) => ({ request: 0, ...change })));
  const taken = await transaction(pool, async (client) => {
    const { rows } = await client.query<{ model: string; id: string }>({
      name: 'state-claim',
      text: `select model, id from state.claim($1, '{}')`,
      values: [json],
    });
    if (rows[0]) return rows[0];
    await client.query({
      name: 'state-write',
      text: `select state.write($1, '{}')`,
      values: [json],
    });
    return undefined;
  });
  if (taken) throw new ClaimTaken(taken.model, taken.id);
}

async function transaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

interface Waiting {
  readonly commit: Commit;
  /** Streams and technical rows it touches: two of a kind never share a batch. */
  readonly keys: readonly string[];
  resolve(appended: Appended): void;
  reject(error: Error): void;
}

interface Outcome {
  readonly request: number;
  readonly outcome: 'appended' | 'repeated' | 'moved' | 'claimed';
  readonly subject: string | null;
  readonly position: string | number | null;
}

/**
 * The log on Postgres. All appends that wait at a moment share one transaction (group commit), and
 * with them go the changes of the read models: once `append` resolves, every reader sees both.
 */
export function postgresEventStore(options: {
  pool: pg.Pool;
  /** What the events do to the read models; absent for a log without any. */
  inline?: InlineProjection;
  /** Told about each batch: how many requests, and how long it took in seconds. */
  observe?: (batch: { requests: number; seconds: number }) => void;
}): EventStore {
  const { pool } = options;
  const writer = new Writer(pool);
  const closing = new AbortController();
  const wakes = new Wakes(pool, closing.signal);
  let queue: Waiting[] = [];
  let flushing = false;

  function append(commit: Commit): Promise<Appended> {
    return new Promise((resolve, reject) => {
      if (closing.signal.aborted) throw new LogUnavailable('the log is closed');
      const keys = [
        ...commit.streams.map(({ stream }) => stream),
        ...(commit.state ?? []).map(({ model, id }) => `${model} ${id}`),
      ];
      queue.push({ commit, keys, resolve, reject });
      if (!flushing) {
        flushing = true;
        setImmediate(flush);
      }
    });
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      const batch = nextBatch();
      const start = performance.now();
      await send(batch);
      options.observe?.({ requests: batch.length, seconds: (performance.now() - start) / 1000 });
    }
    flushing = false;
  }

  function nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const later: Waiting[] = [];
    const busy = new Set<string>();
    for (const waiting of queue) {
      const fits = batch.length < MAX_BATCH && !waiting.keys.some((key) => busy.has(key));
      (fits ? batch : later).push(waiting);
      for (const key of waiting.keys) busy.add(key);
    }
    queue = later;
    return batch;
  }

  async function send(batch: readonly Waiting[]): Promise<void> {
    try {
      settle(batch, await write(batch));
    } catch (error) {
      if (batch.length === 1 || error instanceof LogUnavailable) {
        for (const { reject } of batch) reject(error as Error);
      } else {
        // One of them is at fault: none may fail for its neighbour.
        for (const waiting of batch) await send([waiting]);
      }
    }
  }

  async function write(batch: readonly Waiting[]): Promise<Outcome[]> {
    const values = parameters(
      batch.map(({ commit }) => commit),
      options.inline,
    );
    for (let attempt = 0; ; attempt++) {
      try {
        return await writer.query([...values, attempt > 0]);
      } catch (error) {
        if (!isTransient(error)) throw error;
        const delay = RETRY_MS[attempt];
        if (delay === undefined || closing.signal.aborted) {
          throw new LogUnavailable('Postgres does not answer', { cause: error });
        }
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  const readCoalesced = coalesced<{ stream: string; from: number }, RecordedEvent[]>(
    async (keys) => {
      const { rows } = await pool.query<EventRow & { nth: number }>({
        name: 'log-read',
        text: `select k.nth::int as nth, e.* from unnest($1::text[], $2::int[]) with ordinality as k(stream, since, nth)
               join log.events e on e.stream = k.stream and e.revision >= k.since
               order by k.nth, e.revision`,
        values: [keys.map(({ stream }) => stream), keys.map(({ from }) => from)],
      });
      const answers: RecordedEvent[][] = keys.map(() => []);
      for (const row of rows) answers[row.nth - 1]?.push(recorded(row));
      return answers;
    },
  );

  return {
    append,

    async read(stream, { from, backwards = false, limit } = {}) {
      if (!backwards && limit === undefined) return readCoalesced({ stream, from: from ?? 0 });
      const { rows } = await pool.query<EventRow>(
        backwards
          ? `select * from log.events where stream = $1 and revision <= coalesce($2, 2147483647)
             order by revision desc limit $3`
          : `select * from log.events where stream = $1 and revision >= coalesce($2, 0)
             order by revision limit $3`,
        [stream, from ?? null, limit ?? null],
      );
      return rows.map(recorded);
    },

    async *subscribe({ after, signal }) {
      const stop = AbortSignal.any([signal, closing.signal]);
      let position = after === undefined ? '0' : after.replace(/^0+(?=\d)/, '');
      let caughtUp = false;
      while (!stop.aborted) {
        const wake = wakes.next(stop);
        let rows: EventRow[];
        try {
          ({ rows } = await pool.query<EventRow>({
            name: 'log-page',
            text: 'select * from log.events where position > $1 order by position limit $2',
            values: [position, PAGE],
          }));
        } catch (error) {
          if (!isTransient(error)) throw error;
          await wake;
          continue;
        }
        const last = rows.at(-1);
        if (last) {
          caughtUp = false;
          position = String(last.position);
          yield rows.map(recorded);
        }
        if (rows.length < PAGE && !stop.aborted) {
          if (!caughtUp) {
            caughtUp = true;
            yield [];
          }
          await wake;
        }
      }
    },

    async close() {
      closing.abort();
      writer.close();
    },
  };
}

function settle(batch: readonly Waiting[], outcomes: readonly Outcome[]): void {
  const of = new Map(outcomes.map((outcome) => [outcome.request, outcome]));
  batch.forEach((waiting, request) => {
    const { outcome, subject, position } = of.get(request) ?? { position: null };
    if (outcome === 'moved') waiting.reject(new WrongExpectedRevision(subject ?? ''));
    else if (outcome === 'claimed') {
      const [model = '', id = ''] = (subject ?? '').split(' ');
      waiting.reject(new ClaimTaken(model, id));
    } else waiting.resolve({ position: position === null ? null : toPosition(position) });
  });
}

/** The arguments of log.append but the last. */
function parameters(commits: readonly Commit[], inline: InlineProjection | undefined): unknown[] {
  const request: number[] = [];
  const stream: string[] = [];
  const expected: (number | null)[] = [];
  const events: NewEvent[] = [];
  const state: object[] = [];
  const changes: Record<string, object[]> = {};

  commits.forEach((commit, index) => {
    const projected: AboutToAppend[] = [];
    for (const write of commit.streams) {
      const revision =
        write.expectedRevision === 'any'
          ? null
          : write.expectedRevision === 'none'
            ? -1
            : write.expectedRevision;
      write.events.forEach((event, nth) => {
        request.push(index);
        stream.push(write.stream);
        expected.push(revision);
        events.push(event);
        if (revision !== null) {
          projected.push({ ...event, stream: write.stream, revision: revision + 1 + nth });
        }
      });
    }
    for (const change of commit.state ?? []) state.push({ request: index, ...change });
    for (const [table, rows] of inline?.(projected) ?? []) {
      const rowsOfTable = changes[table] ?? [];
      changes[table] = rowsOfTable;
      for (const row of rows) rowsOfTable.push({ request: index, ...row });
    }
  });

  return [
    request,
    stream,
    expected,
    events.map(({ id }) => id),
    events.map(({ type }) => type),
    events.map(({ data }) => JSON.stringify(data)),
    events.map(({ metadata }) => JSON.stringify(metadata)),
    state.length > 0 ? JSON.stringify(state) : null,
    Object.keys(changes).length > 0 ? JSON.stringify(changes) : null,
  ];
}

interface EventRow {
  position: string | number;
  stream: string;
  revision: number;
  id: string;
  type: string;
  data: object;
  metadata: RecordedEvent['metadata'];
  created: string;
}

function recorded(row: EventRow): RecordedEvent {
  return {
    stream: row.stream,
    revision: row.revision,
    position: toPosition(row.position),
    id: row.id,
    type: row.type,
    data: row.data,
    metadata: row.metadata,
    created: row.created,
  };
}

/** The one connection that appends; replaced when it breaks. */
class Writer {
  #client: Promise<pg.PoolClient> | undefined;

  constructor(private readonly pool: pg.Pool) {}

  async query(values: unknown[]): Promise<Outcome[]> {
    try {
      this.#client ??= this.#connect();
      const client = await this.#client;
      const { rows } = await client.query<Outcome>({
        name: 'log-append',
        text: `select request, outcome, subject, "position" from log.append(
                 $1::int[], $2::text[], $3::int[], $4::uuid[], $5::text[],
                 $6::jsonb[], $7::jsonb[], $8::jsonb, $9::jsonb, $10)`,
        values,
      });
      return rows;
    } catch (error) {
      if (isTransient(error)) this.close();
      throw error;
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    const client = await this.pool.connect().catch((error) => {
      this.#client = undefined;
      throw error;
    });
    client.once('error', () => this.close());
    // One shape of call, whatever the size of the batch: planning it anew each time costs more.
    await client.query('set plan_cache_mode = force_generic_plan');
    return client;
  }

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.then(
      (it) => it.release(true),
      () => undefined,
    );
  }
}

/** Wakes readers when the log grows: LISTEN, with a slow poll as the safety net. */
class Wakes {
  readonly #sleepers = new Set<() => void>();
  #listening = false;

  constructor(
    private readonly pool: pg.Pool,
    private readonly closing: AbortSignal,
  ) {}

  /** Resolves at the next growth of the log, after a second at the latest, or when aborted. */
  next(signal: AbortSignal): Promise<void> {
    if (!this.#listening) {
      this.#listening = true;
      listen(this.pool, CHANNEL, () => this.#wakeAll(), this.closing);
    }
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, POLL_MS);
      this.#sleepers.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
