import type pg from 'pg';
import { systemEnvelope } from '../../commands/command.ts';
import type { Wish } from '../../domain/decider.ts';
import { type NoticeWishes, notice as notices } from '../../domain/notice.ts';
import { act, type Execute } from '../../eventstore/execute.ts';
import { lease } from '../../platform/lease.ts';
import { LOCKS } from '../../platform/locks.ts';
import type { Secrets } from '../../platform/secrets.ts';
import { Wake } from '../../platform/wake.ts';
import { type DueNotice, dueNotices } from '../../projections/notices.ts';
import { type Handlers, NOTICE, type Notice, type Outcome, openNotice } from './notice.ts';

const CHANNEL = 'muniment_notices';
const POLL_MS = 500;
/** So many at once, and so many attempts: the last of them about an hour after the first. */
const MAX_UNDER_WAY = 32;
const MAX_ATTEMPTS = 14;
const FIRST_PAUSE_MS = 500;
/** What a notice tells is written a moment after it, on an engine without transactions. */
const FIRST_DEFERRAL_MS = 50;
const LAST_DEFERRAL_MS = 60_000;
const MAX_ERROR = 300;

export interface CourierOptions {
  readonly pool: pg.Pool;
  readonly execute: Execute;
  readonly secrets: Secrets;
  readonly handlers: Handlers;
  readonly signal: AbortSignal;
  /** Told why delivering stopped; it is taken up again. */
  readonly failed: (error: unknown) => void;
}

/**
 * Delivers the notices that are due, until the signal aborts. Of all nodes the one that holds the
 * advisory lock delivers. Every notice is sent at least once: after a crash, or a lost connection to
 * the lock, perhaps again, under the same id.
 */
export async function runCourier(options: CourierOptions): Promise<void> {
  const { signal, failed } = options;
  while (!signal.aborted) {
    try {
      await lead(options);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    await new Wake(signal).in(POLL_MS);
  }
}

async function lead(options: CourierOptions): Promise<void> {
  const client = await options.pool.connect();
  const lost = new AbortController();
  client.on('error', (error) => lost.abort(error));
  const stop = AbortSignal.any([options.signal, lost.signal]);
  const wake = new Wake(stop);
  client.on('notification', () => wake.up());
  const underWay = new Map<string, Promise<void>>();
  let end = () => {};
  try {
    // Before it has the lock: it may fall silent as soon as it has it.
    end = await lease(client);
    while (!(await locked(client))) {
      await wake.in(POLL_MS);
      if (stop.aborted) return;
    }
    await client.query(`listen ${CHANNEL}`);
    const deferred: Deferred = new Map();
    while (!stop.aborted) {
      for (const due of await next(options, underWay, deferred)) {
        const delivery = deliver(options, due, deferred)
          .catch((error) => {
            if (!options.signal.aborted) options.failed(error);
          })
          .finally(() => {
            underWay.delete(due.id);
            wake.up();
          });
        underWay.set(due.id, delivery);
      }
      const waits = [...deferred.values()].map(({ until }) => until - Date.now());
      await wake.in(Math.min(POLL_MS, ...waits.filter((ms) => ms > 0)));
    }
    lost.signal.throwIfAborted();
  } finally {
    end();
    client.release(true);
    await Promise.all(underWay.values());
  }
}

/** Notices that tell what is not recorded yet: when to look again, and how long was waited for that. */
type Deferred = Map<string, { readonly until: number; readonly pause: number }>;

async function next(
  { pool }: CourierOptions,
  underWay: ReadonlyMap<string, unknown>,
  deferred: Deferred,
): Promise<DueNotice[]> {
  const limit = MAX_UNDER_WAY - underWay.size;
  if (limit <= 0) return [];
  const waiting = [...deferred].filter(([, { until }]) => until > Date.now()).map(([id]) => id);
  return dueNotices(pool, NOTICE, { limit, except: [...underWay.keys(), ...waiting] });
}

async function deliver(
  { execute, secrets, handlers, signal }: CourierOptions,
  { id, payload, attempts }: DueNotice,
  deferred: Deferred,
): Promise<void> {
  const notice = openNotice(secrets, payload);
  const outcome = await attempt(handlers, notice, id, signal);
  if (signal.aborted && outcome !== 'delivered') return;
  if (outcome === 'later') {
    const pause = Math.min(
      2 * (deferred.get(id)?.pause ?? FIRST_DEFERRAL_MS / 2),
      LAST_DEFERRAL_MS,
    );
    deferred.set(id, { until: Date.now() + pause, pause });
    return;
  }
  deferred.delete(id);
  const wish = wishFor(notice, outcome, attempts);
  const envelope = { ...systemEnvelope(), $correlationId: notice.correlationId };
  const over = wish.type !== 'FailNotice' || wish.data.retryAt === null;
  await execute(
    [act(notices, id, [wish])],
    envelope,
    over ? [{ op: 'drop', model: NOTICE, id }] : [],
  );
}

async function attempt(
  handlers: Handlers,
  notice: Notice,
  id: string,
  signal: AbortSignal,
): Promise<Outcome | { readonly error: string }> {
  try {
    return await handlers[notice.kind](notice, id, signal);
  } catch (error) {
    return { error: String((error as Error)?.message ?? error).slice(0, MAX_ERROR) };
  }
}

function wishFor(
  { kind, clientId, about }: Notice,
  outcome: Exclude<Outcome, 'later'> | { readonly error: string },
  before: number,
): Wish<NoticeWishes> {
  const told = { kind, clientId, about, attempts: before + 1 };
  if (outcome === 'delivered') return { type: 'DeliverNotice', data: told };
  if ('dropped' in outcome) {
    const data = { ...told, attempts: before, reason: outcome.dropped };
    return { type: 'DropNotice', data };
  }
  const last = told.attempts >= MAX_ATTEMPTS;
  const retryAt = last ? null : new Date(Date.now() + pauseAfter(told.attempts)).toISOString();
  return { type: 'FailNotice', data: { ...told, error: outcome.error, retryAt } };
}

/** Milliseconds to the next attempt: twice as long each time, and never in step with others. */
function pauseAfter(attempt: number): number {
  return FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
}

async function locked(client: pg.PoolClient): Promise<boolean> {
  const { rows } = await client.query('select pg_try_advisory_lock($1) as held', [
    LOCKS.deliverNotices,
  ]);
  return rows[0]?.held === true;
}
