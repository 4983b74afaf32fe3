import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { transaction } from '../eventstore/postgres-schema.ts';
import type { Config } from '../platform/config.ts';
import { LOCKS } from '../platform/locks.ts';
import { periodically } from '../platform/periodically.ts';
import { READ_SCHEMA } from './apply.ts';
import { type Cutoffs, type Pruned, prune, readPruning, savePruning } from './prune.ts';

/** What is taken away, and when. Seconds. */
export interface HousekeepingPolicy {
  readonly enabled: boolean;
  readonly period: number;
  readonly tokens: boolean;
  readonly authorizations: boolean;
  /** How long a token is kept after it expired. */
  readonly minimumTokenLifespan: number;
  /** How long an authorization is kept at least, be it in use or not. */
  readonly minimumAuthorizationLifespan: number;
  /** How long the tokens tell whether a client that registered itself is used. */
  readonly unusedClients: number;
}

const DAY = 24 * 60 * 60;

export function housekeepingPolicy(config: Config): HousekeepingPolicy {
  return {
    enabled: config.pruning,
    period: config.pruningPeriod,
    tokens: config.pruneTokens,
    authorizations: config.pruneAuthorizations,
    minimumTokenLifespan: config.minimumTokenLifespan,
    minimumAuthorizationLifespan: config.minimumAuthorizationLifespan,
    unusedClients: config.unusedClientDays * DAY,
  };
}

export interface Housekeeping {
  readonly pool: pg.Pool;
  readonly policy: HousekeepingPolicy;
}

/** Rows of a batch, and milliseconds between two: requests come first. */
const BATCH = 300;
const PAUSE_MS = 20;

/** What is over now, by the policy. */
export function cutoffsAt(now: number, policy: HousekeepingPolicy): Cutoffs {
  const before = (on: boolean, seconds: number): Instant | null =>
    on ? new Date(now - seconds * 1000).toISOString() : null;
  return {
    tokens: before(policy.tokens, policy.minimumTokenLifespan),
    authorizations: before(policy.authorizations, policy.minimumAuthorizationLifespan),
  };
}

/**
 * Takes away what is over from the read models; the log is not touched. Of several nodes one does it,
 * and none while a rebuild compares.
 * @param options.force also when it was done a while ago
 * @param options.signal ends it after the batch under way; the next time goes on
 * @returns null when it was not due, or another node is at it
 */
export async function keepHouse(
  { pool, policy }: Housekeeping,
  { force, signal }: { force: boolean; signal: AbortSignal },
): Promise<Pruned | null> {
  const now = Date.now();
  const cutoffs = cutoffsAt(now, await withTimeForClients(pool, policy));
  const ran_at = new Date(now).toISOString();

  /** One transaction, unless somebody else prunes. */
  const alone = (work: (client: pg.ClientBase) => Promise<boolean>) =>
    transaction(pool, async (client) => {
      const { rows } = await client.query('select pg_try_advisory_xact_lock($1) as held', [
        LOCKS.prune,
      ]);
      return rows[0]?.held === true && work(client);
    });

  const begun = await alone(async (client) => {
    const last = await readPruning(client, READ_SCHEMA);
    // Half a period: clocks differ, and every node comes by once in a period.
    const due = !last.ran_at || now - Date.parse(last.ran_at) > policy.period * 500;
    if (!due && !force) return false;
    await savePruning(client, READ_SCHEMA, { ...cutoffs, ran_at, pruned: {} });
    return true;
  });
  if (!begun) return null;

  const pruned = await prune(READ_SCHEMA, cutoffs, {
    size: BATCH,
    async batch(work) {
      const done = await alone(async (client) => {
        await work(client);
        return true;
      });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      return done && !signal.aborted;
    },
  });
  await alone(async (client) => {
    await savePruning(client, READ_SCHEMA, { ...cutoffs, ran_at, pruned });
    return true;
  });
  return pruned;
}

/** Where clients register themselves, tokens are kept for as long as they show that a client is used. */
async function withTimeForClients(
  pool: pg.Pool,
  policy: HousekeepingPolicy,
): Promise<HousekeepingPolicy> {
  const { rows } = await pool.query<{ some: boolean }>(
    `select exists (select from ${READ_SCHEMA}.clients where origin = 'dynamic') as some`,
  );
  const { minimumTokenLifespan, unusedClients } = policy;
  if (!rows[0]?.some) return policy;
  return { ...policy, minimumTokenLifespan: Math.max(minimumTokenLifespan, unusedClients) };
}

/** Does so once in a period, until the signal aborts. */
export function keepHousekeeping(
  housekeeping: Housekeeping,
  options: {
    signal: AbortSignal;
    done: (pruned: Pruned) => void;
    failed: (error: unknown) => void;
  },
): void {
  const { signal, done, failed } = options;
  const { enabled, period } = housekeeping.policy;
  if (!enabled) return;
  const run = async () => {
    const pruned = await keepHouse(housekeeping, { force: false, signal });
    if (pruned && Object.keys(pruned).length > 0) done(pruned);
  };
  periodically(run, { periodMs: period * 1000, signal, failed });
}
