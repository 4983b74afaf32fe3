import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import type { Position } from '../eventstore/event-store.ts';
import { READ_SCHEMA } from './apply.ts';
import { AUDIT_SCHEMA } from './audit-log.ts';
import type { Pruned } from './prune.ts';

/** What the read models tell an operator. */
export interface Status {
  /** How far each group is; null before the first event. */
  readonly protocol: Position | null;
  readonly audit: Position | null;
  /** Why a group stands still. */
  readonly failures: Readonly<{ protocol?: string; audit?: string }>;
  /** Rows known not to be what the log tells. */
  readonly divergences: number;
  /** Technical rows of the outbox that are there still. */
  readonly notices: number;
  readonly pruning: { readonly ran_at: Instant | null; readonly pruned: Pruned } | null;
  /** Seconds since the key that signs was activated, by algorithm. */
  readonly keys: Readonly<Record<string, number>>;
}

/** Asks for all of it at once. @param outbox the model of the outbox's rows */
export async function readStatus(pool: pg.Pool, outbox: string): Promise<Status> {
  const { rows } = await pool.query<Status>({
    name: 'status',
    text: `
      select (select position from ${READ_SCHEMA}.checkpoint) as protocol,
        (select position from ${AUDIT_SCHEMA}.checkpoint) as audit,
        (select coalesce(jsonb_object_agg(part, failure->>'message'), '{}')
          from projections.versions
          where failure is not null and schema in ('${READ_SCHEMA}', '${AUDIT_SCHEMA}')) as failures,
        (select count(*)::int from projections.divergences
          where schema = '${READ_SCHEMA}' and not mended) as divergences,
        (select count(*)::int from state.entries
          where model = $1 and expires_at > now()) as notices,
        (select jsonb_build_object('ran_at', ran_at, 'pruned', pruned)
          from ${READ_SCHEMA}.pruning) as pruning,
        coalesce((select jsonb_object_agg(alg, age) from (
          select alg, extract(epoch from now() - max(activated_at)) as age
          from ${READ_SCHEMA}.signing_keys
          where activated_at <= now() and (retired_at is null or retired_at > now())
          group by alg) k), '{}') as keys`,
    values: [outbox],
  });
  return rows[0] as Status;
}

/**
 * How long a group has been behind: since the first time that somebody looked and found the log at a
 * position which the group has not reached yet. A log's events have no clock that could be asked.
 */
export class Lag {
  #unreached: { readonly position: Position; readonly at: number }[] = [];

  /** @param now milliseconds */
  look(
    head: Position,
    reached: Position,
    now: number,
  ): { readonly positions: number; readonly seconds: number } {
    this.#unreached = this.#unreached.filter(({ position }) => position > reached);
    if (head <= reached) return { positions: 0, seconds: 0 };
    if (this.#unreached.at(-1)?.position !== head && this.#unreached.length < MAX_LOOKS) {
      this.#unreached.push({ position: head, at: now });
    }
    const since = this.#unreached[0]?.at ?? now;
    return { positions: Number(BigInt(head) - BigInt(reached)), seconds: (now - since) / 1_000 };
  }
}

/** More tell nothing: it is the first that counts. */
const MAX_LOOKS = 1_000;
