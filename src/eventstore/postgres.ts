import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { coalesced } from '../platform/coalesce.ts';
import { gather } from '../platform/gather.ts';
import { isTransient } from '../platform/postgres.ts';
import {
  type Appended,
  type Commit,
  type EventStore,
  type Fact,
  type From,
  LogUnavailable,
  type Position,
  type RecordedEvent,
  toPosition,
} from './event-store.ts';
import {
  type InlineProjection,
  type Outcome,
  parameters,
  settle,
  type Waiting,
} from './postgres-batch.ts';
import { Wakes } from './postgres-wakes.ts';
import { Writer } from './postgres-writer.ts';

const PAGE = 500;
/** Larger batches only add latency. */
const MAX_BATCH = 128;
const RETRY_MS = [20, 50, 100, 250, 500, 1_000, 2_000];
/** Milliseconds. Appends take a few. */
const ANSWER_WITHIN = 10_000;

/**
 * The log on Postgres. All appends that wait at a moment share one transaction (group commit), and
 * with them go the changes of the read models: once `append` resolves, every reader sees both.
 */
export function postgresEventStore(options: {
  pool: pg.Pool;
  /** What the events do to the read models; absent for a log without any. */
  inline?: InlineProjection;
  /**
   * Waits for a position in the read models, where others than the append write them; false when that
   * takes too long. Never rejects.
   */
  projected?: (position: Position) => Promise<boolean>;
  /** Milliseconds after which an answer is waited for no more, and an append tried once more: 10 s. */
  answerWithin?: number;
  /** Told about each batch: how many requests, and how long it took in seconds. */
  observe?: (batch: { requests: number; seconds: number }) => void;
}): EventStore {
  const { pool, answerWithin = ANSWER_WITHIN } = options;
  const writer = new Writer(pool, answerWithin);
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
      queue.push({
        commit,
        keys,
        resolve: (position, deferred) => resolve(shown(position, deferred)),
        reject,
      });
      if (!flushing) {
        flushing = true;
        gather(() => queue.length, flush);
      }
    });
  }

  /** Resolves when the read models show what was appended, or will not soon. */
  async function shown(position: Position | null, deferred: boolean): Promise<Appended> {
    if (!deferred || position === null || !options.projected) return { position, shown: true };
    return { position, shown: await options.projected(position) };
  }

  async function flush(): Promise<void> {
    const batch = nextBatch();
    const start = performance.now();
    await send(batch);
    options.observe?.({ requests: batch.length, seconds: (performance.now() - start) / 1000 });
    flushing = queue.length > 0;
    if (flushing) gather(() => queue.length, flush);
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
        // Those that wait behind would wait as long again.
        const behind = error instanceof LogUnavailable ? queue.splice(0) : [];
        for (const { reject } of [...batch, ...behind]) reject(error as Error);
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
    const begun = performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        return await writer.query([...values, attempt > 0]);
      } catch (error) {
        if (!isTransient(error)) throw error;
        const delay = RETRY_MS[attempt];
        // Once more after an answer that did not come: then it may be known.
        const late = performance.now() - begun > 1.5 * answerWithin;
        if (delay === undefined || late || closing.signal.aborted) {
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

  const readSome = coalesced<{ stream: string; from: number; limit: number }, RecordedEvent[]>(
    async (keys) => {
      const { rows } = await pool.query<EventRow & { nth: number }>({
        name: 'log-read-some',
        text: `select k.nth::int as nth, e.*
               from unnest($1::text[], $2::int[], $3::int[]) with ordinality as k(stream, since, most, nth)
               cross join lateral (select * from log.events e
                 where e.stream = k.stream and e.revision >= k.since
                 order by e.revision limit k.most) e
               order by k.nth, e.revision`,
        values: [
          keys.map(({ stream }) => stream),
          keys.map(({ from }) => from),
          keys.map(({ limit }) => limit),
        ],
      });
      const answers: RecordedEvent[][] = keys.map(() => []);
      for (const row of rows) answers[row.nth - 1]?.push(recorded(row));
      return answers;
    },
  );

  /** Page after page, then what comes; an empty one where the end was reached. */
  async function* pages<E extends Pick<Fact, 'position'>>(
    load: (after: string, most: number) => Promise<E[]>,
    { after, page = PAGE, signal }: From,
  ): AsyncGenerator<E[], void> {
    const stop = AbortSignal.any([signal, closing.signal]);
    let position = offsetOf(after ?? '0');
    let caughtUp = false;
    while (!stop.aborted) {
      const wake = wakes.next(stop);
      let events: E[];
      try {
        events = await load(position, page);
      } catch (error) {
        if (!isTransient(error)) throw error;
        await wake;
        continue;
      }
      const last = events.at(-1);
      if (last) {
        caughtUp = false;
        position = offsetOf(last.position);
        yield events;
      }
      if (events.length < page && !stop.aborted) {
        if (!caughtUp) {
          caughtUp = true;
          yield [];
        }
        await wake;
      }
    }
  }

  async function eventPage(after: string, most: number): Promise<RecordedEvent[]> {
    const { rows } = await pool.query<EventRow>({
      name: 'log-page',
      text: 'select * from log.events where position > $1 order by position limit $2',
      values: [after, most],
    });
    return rows.map(recorded);
  }

  /** As one value: to take a page of rows apart takes longer than to parse one text. */
  async function factPage(after: string, most: number): Promise<Fact[]> {
    const { rows } = await pool.query<{ facts: FactRow[] | null }>({
      name: 'log-facts',
      text: `select json_agg(json_build_array(position::text, stream, revision, type, data,
                 metadata->'at', metadata->'schema') order by position) as facts
             from (select * from log.events where position > $1 order by position limit $2) e`,
      values: [after, most],
    });
    return (rows[0]?.facts ?? []).map(fact);
  }

  return {
    append,

    async read(stream, { from, backwards = false, limit } = {}) {
      if (!backwards) {
        return limit === undefined
          ? readCoalesced({ stream, from: from ?? 0 })
          : readSome({ stream, from: from ?? 0, limit });
      }
      const { rows } = await pool.query<EventRow>(
        `select * from log.events where stream = $1 and revision <= coalesce($2, 2147483647)
         order by revision desc limit $3`,
        [stream, from ?? null, limit ?? null],
      );
      return rows.map(recorded);
    },

    async last() {
      const { rows } = await pool.query<EventRow>(
        'select * from log.events order by position desc limit 1',
      );
      return rows.map(recorded)[0];
    },

    subscribe: (from) => pages(eventPage, from),

    facts: (from) => pages(factPage, from),

    async close() {
      closing.abort();
      writer.close();
    },
  };
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

type FactRow = [
  position: string,
  stream: string,
  revision: number,
  type: string,
  data: object,
  at: Instant,
  schema: number,
];

function fact([position, stream, revision, type, data, at, schema]: FactRow): Fact {
  return { position: toPosition(position), stream, revision, type, data, metadata: { at, schema } };
}

/** A Position as the log has it: without the zeroes that make it sort as text. */
function offsetOf(position: Position): string {
  return position.replace(/^0+(?=\d)/, '');
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
