import type pg from 'pg';
import { systemEnvelope } from '../../commands/command.ts';
import { grant } from '../../domain/grant.ts';
import type { Instant, RevocationReason } from '../../domain/ids.ts';
import type { Leak } from '../../domain/leak.ts';
import { type SessionEnd, session } from '../../domain/session.ts';
import { clientToken } from '../../domain/token.ts';
import type { Envelope, EventStore, StateChange } from '../../eventstore/event-store.ts';
import { act, type Consequences, type Execute, type Executed } from '../../eventstore/execute.ts';
import { exclusively } from '../../eventstore/postgres-schema.ts';
import { lease } from '../../platform/lease.ts';
import { LOCKS } from '../../platform/locks.ts';
import { periodically } from '../../platform/periodically.ts';
import type { Secrets } from '../../platform/secrets.ts';
import { touchedBy } from '../../projections/blast-radius.ts';
import {
  abandonedSessions,
  openGrants,
  openSessions,
  type Part,
} from '../../projections/rights.ts';
import { readTechnicalRows } from '../../projections/technical-row.ts';
import { sessionOfRequest } from '../unit-of-work.ts';
import { type Ending, type EndingPolicy, endingsOf } from './ending.ts';

/** Rows of endings that were begun; what they hold is sealed for the same purpose. */
const ENDING = 'Ending';
/** Rights that end in one commit. */
const BATCH = 100;
/** Whoever holds it finishes what others have begun. */
const PERIOD_MS = 30_000;
/** After so long, nobody is going to record the fact any more, nor to finish what it ends. */
const SETTLED_MS = 30_000;
const KEPT_MS = 30 * 24 * 60 * 60 * 1_000;

export interface EndingsContext {
  readonly pool: pg.Pool;
  readonly store: Pick<EventStore, 'read'>;
  readonly execute: Execute;
  readonly secrets: Secrets;
  readonly policy: EndingPolicy;
}

/** An ending, as its technical row keeps it. */
interface Begun {
  readonly ending: Ending;
  readonly keep: string | null;
  /** What began later has nothing to do with it. */
  readonly at: Instant;
  readonly envelope: Envelope;
}

/**
 * Rows by which what ends with the facts is finished, should this process not get there. They are
 * written in the commit of the facts.
 */
export function endingConsequences(secrets: Secrets, policy: EndingPolicy): Consequences {
  return async (writes, envelope) =>
    endingsOf(writes, policy).map((ending): StateChange => {
      const at = new Date();
      const keep = sessionOfRequest() ?? null;
      const begun: Begun = { ending, keep, at: at.toISOString(), envelope };
      return {
        op: 'put',
        model: ENDING,
        id: ending.cause.eventId,
        lookup: null,
        payload: secrets.seal(ENDING, JSON.stringify(begun)),
        expiresAt: new Date(at.getTime() + KEPT_MS).toISOString(),
      };
    });
}

/** Ends what ends with facts that have just been recorded; once it resolves, nothing of it is good. */
export async function followEndings(
  context: EndingsContext,
  { writes }: Executed,
  envelope: Envelope,
): Promise<void> {
  const keep = sessionOfRequest() ?? null;
  for (const ending of endingsOf(writes, context.policy)) {
    await carryOut(context, { ending, keep, envelope }, null);
  }
}

async function carryOut(
  context: EndingsContext,
  { ending, keep, envelope: original }: Omit<Begun, 'at'>,
  until: Instant | null,
): Promise<void> {
  const { pool, execute, policy } = context;
  const { of, sessions, grants, leak, cause } = ending;
  const envelope = { ...original, $causationId: cause.eventId };
  if (leak) return contain(context, leak, envelope);
  // Who changes their own password stays signed in where they do it.
  const stays = sessions === 'password_changed' ? keep : null;
  const filter = { ...of, keep: stays, until };
  if (sessions) {
    await inBatches(
      (part) => openSessions(pool, filter, part),
      (uids) => endSessions(execute, uids, sessions, envelope),
    );
  }
  if (!grants) return;
  const offlineToo = policy.logoutEndsOfflineAccess;
  await inBatches(
    (part) => openGrants(pool, grants.select, filter, { ...part, offlineToo }),
    (ids) => revokeGrants(execute, ids, grants.reason, envelope),
  );
}

/** Ends what a leak touched: of a grant, the grant, however many tokens it has. */
async function contain({ pool, execute }: EndingsContext, leak: Leak, envelope: Envelope) {
  for await (const ids of touchedBy(pool, leak, 'grants', BATCH)) {
    await revokeGrants(execute, ids, 'administrator', envelope);
  }
  for await (const uids of touchedBy(pool, leak, 'sessions', BATCH)) {
    await endSessions(execute, uids, 'administrator', envelope);
  }
  for await (const digests of touchedBy(pool, leak, 'clientTokens', BATCH)) {
    await revokeClientTokens(execute, digests, envelope);
  }
}

function revokeGrants(
  execute: Execute,
  ids: readonly string[],
  reason: RevocationReason,
  envelope: Envelope,
) {
  const wish = { type: 'RevokeGrant', data: { reason } } as const;
  return execute(
    ids.map((id) => act(grant, id, [wish])),
    envelope,
  );
}

function revokeClientTokens(execute: Execute, digests: readonly string[], envelope: Envelope) {
  return execute(
    digests.map((digest) =>
      act(clientToken, digest, [{ type: 'RevokeClientToken', data: { digest } }]),
    ),
    envelope,
  );
}

function endSessions(
  execute: Execute,
  uids: readonly string[],
  reason: SessionEnd,
  envelope: Envelope,
) {
  const wish = { type: 'EndSession', data: { reason } } as const;
  return execute(
    uids.map((uid) => act(session, uid, [wish])),
    envelope,
  );
}

/** Until there are no more, each time behind the last of those that have just been ended. */
async function inBatches(
  find: (part: Part) => Promise<string[]>,
  end: (ids: string[]) => Promise<unknown>,
): Promise<void> {
  let after = '';
  for (;;) {
    const ids = await find({ after, limit: BATCH });
    if (ids.length > 0) await end(ids);
    const last = ids.at(-1);
    if (last === undefined || ids.length < BATCH) return;
    after = last;
  }
}

/**
 * Finishes what a process that went away has begun, and ends the sessions that nobody can come back to.
 * @param settledMs how long ago something was begun, for whoever began it not to be at it any more
 */
export async function finishEndings(
  context: EndingsContext,
  settledMs = SETTLED_MS,
): Promise<void> {
  const { pool, execute } = context;
  await exclusively(pool, LOCKS.finishEndings, async (client) => {
    const end = await lease(client, 'local');
    try {
      await inBatches(
        (part) => abandonedSessions(pool, part),
        (uids) => endSessions(execute, uids, 'expired', systemEnvelope()),
      );
      for (let n = BATCH; n === BATCH; ) n = await finishSettled(context, settledMs);
    } finally {
      end();
    }
  });
}

/** @returns how many were looked at */
async function finishSettled(context: EndingsContext, settledMs: number): Promise<number> {
  const { pool, store, secrets, execute } = context;
  const now = Date.now();
  const rows = (await readTechnicalRows(pool, ENDING, BATCH))
    .map(({ id, payload }) => ({ id, ...(JSON.parse(secrets.open(ENDING, payload)) as Begun) }))
    .filter(({ at }) => Date.parse(at) + settledMs <= now);
  for (const begun of rows) {
    const { stream, revision, eventId } = begun.ending.cause;
    const [event] = await store.read(stream, { from: revision, limit: 1 });
    if (event?.id === eventId) await carryOut(context, begun, begun.at);
  }
  const drops = rows.map(({ id }) => ({ op: 'drop', model: ENDING, id }) as const);
  if (drops.length > 0) await execute([], systemEnvelope(), drops);
  return rows.length;
}

/** Does so every half minute, until the signal aborts. */
export function keepFinishing(
  context: EndingsContext,
  options: { signal: AbortSignal; failed: (error: unknown) => void },
): void {
  periodically(() => finishEndings(context), { periodMs: PERIOD_MS, ...options });
}
