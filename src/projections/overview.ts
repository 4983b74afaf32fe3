import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { type EventStore, type Position, toPosition } from '../eventstore/event-store.ts';
import {
  type LookRow,
  lastLook,
  lastOperations,
  listDivergences,
  type OperationRow,
} from './operations.ts';
import { checkpoint } from './projector.ts';
import { FORMER_SCHEMA, NEXT_SCHEMA, schemaExists } from './rebuild.ts';
import { READ_SCHEMA } from './version.ts';
import { allVersions, inlineVersion, type VersionRow } from './versions.ts';

/** A copy of a projection, as operators see it. */
export interface ProjectionCopy extends Pick<VersionRow, 'schema' | 'part' | 'paused' | 'failure'> {
  /** `next`: built beside and not in use. `former`: kept from before the last change-over. */
  readonly state: VersionRow['state'] | 'next' | 'former';
  /** null before the first event. */
  readonly position: Position | null;
  /** How far behind the log: positions of it, and seconds since the first event that is not shown. */
  readonly lag: number;
  readonly lagSeconds: number | null;
  readonly eventsPerSecond: number | null;
  /** Of the log, from 0 to 1, while it is being built. */
  readonly progress: number | null;
  readonly secondsLeft: number | null;
  readonly changedAt: Instant | null;
  readonly operation: OperationRow | null;
  readonly look: LookRow | null;
  readonly divergences: Awaited<ReturnType<typeof listDivergences>> | null;
}

/** As many as anybody reads. */
const SHOWN_DIVERGENCES = 100;

/** All copies of all projections: of each the one in use comes first. @throws LogUnavailable */
export async function projectionCopies({
  pool,
  store,
}: {
  pool: pg.Pool;
  store: Pick<EventStore, 'subscribe' | 'last'>;
}): Promise<ProjectionCopy[]> {
  const last = await store.last();
  const head = last?.position ?? toPosition(0);
  const [versions, inline, operations, look] = await Promise.all([
    allVersions(pool),
    inlineVersion(pool),
    lastOperations(pool),
    lastLook(pool, READ_SCHEMA),
  ]);
  const beside = (['next', 'former'] as const).map(async (state) => {
    const schema = state === 'next' ? NEXT_SCHEMA : FORMER_SCHEMA;
    return (await schemaExists(pool, schema)) ? [{ schema, state, ...BESIDE }] : [];
  });
  const copies = [...versions, ...(await Promise.all(beside)).flat()];
  const reached = await Promise.all(
    copies.map(({ schema }) => (schema === inline ? head : reachedBy(pool, schema))),
  );
  const end = [head, ...reached].reduce<Position>((a, b) => (b && b > a ? b : a), head);
  return Promise.all(
    copies.map(async (copy, nth): Promise<ProjectionCopy> => {
      const { schema, part, state, paused, failure, changed_at } = copy;
      const position = reached[nth] ?? null;
      const inUse = schema === READ_SCHEMA || part === 'audit';
      const operation = (inUse && operations.find((each) => each.part === part)) || null;
      const lag = Number(BigInt(end) - BigInt(position ?? 0));
      const rebuilt = operations.find((each) => each.part === 'protocol');
      const builds = rebuilt?.kind === 'rebuild' && rebuilt.ended_at === null;
      const building = state === 'building' || (state === 'next' && builds);
      const eventsPerSecond =
        state === 'next' && builds ? rebuilt.events_per_second : copy.events_per_second;
      return {
        schema,
        part,
        state,
        paused,
        failure,
        position,
        lag,
        lagSeconds: lag > 0 ? await secondsBehind(store, position) : 0,
        eventsPerSecond,
        progress: building ? Number(position ?? 0) / Math.max(Number(end), 1) : null,
        // Where positions are bytes, nobody knows how many events they are.
        secondsLeft:
          building && inline !== null && eventsPerSecond ? Math.ceil(lag / eventsPerSecond) : null,
        changedAt: changed_at,
        operation,
        look: (schema === READ_SCHEMA && look) || null,
        divergences: inUse ? await listDivergences(pool, schema, SHOWN_DIVERGENCES) : null,
      };
    }),
  );
}

const BESIDE = {
  part: 'protocol',
  events_per_second: null,
  paused: false,
  failure: null,
  changed_at: null,
} as const;

/** null also for a copy that went away just now. */
async function reachedBy(pool: pg.Pool, schema: string): Promise<Position | null> {
  return (await checkpoint(pool, schema).catch(() => undefined)) ?? null;
}

const ASKED_MS = 2_000;

/** Since the log took the first event after a position; null when it does not tell in time. */
async function secondsBehind(
  store: Pick<EventStore, 'subscribe'>,
  after: Position | null,
): Promise<number | null> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(ASKED_MS)]);
  try {
    for await (const batch of store.subscribe({ after: after ?? undefined, page: 1, signal })) {
      const [first] = batch;
      return first ? Math.max(0, (Date.now() - Date.parse(first.created)) / 1_000) : 0;
    }
    return null;
  } finally {
    stop.abort();
  }
}
