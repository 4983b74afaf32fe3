import type pg from 'pg';
import { systemEnvelope } from '../commands/command.ts';
import { fold, streamOf } from '../domain/decider.ts';
import {
  PROJECTIONS,
  type ProjectionName,
  type ProjectionOperation,
  type ProjectionState,
  projection,
} from '../domain/projection.ts';
import type { EventStore } from '../eventstore/event-store.ts';
import { act, type Execute } from '../eventstore/execute.ts';
import { upcast } from '../eventstore/upcast.ts';
import { lease } from '../platform/lease.ts';
import { LOCKS } from '../platform/locks.ts';
import { isTransient } from '../platform/postgres.ts';
import { Wake } from '../platform/wake.ts';
import { AUDIT_SCHEMA, type AuditKeys } from '../projections/audit-log.ts';
import { rebuildAudit } from '../projections/audit-rebuild.ts';
import { protocolReadModels } from '../projections/index.ts';
import {
  noteBegun,
  noteEnded,
  noteProgress,
  replaceDivergences,
} from '../projections/operations.ts';
import {
  dropSchema,
  NEXT_SCHEMA,
  RebuildUnderWay,
  type Rebuilt,
  rebuild,
  rollBack,
  switchOver,
} from '../projections/rebuild.ts';
import { type Finding, lastTold, verify } from '../projections/verify.ts';
import { READ_SCHEMA } from '../projections/version.ts';
import { noteVersion, versionOf } from '../projections/versions.ts';

/** Milliseconds after which what another node has left is taken up. */
const POLL_MS = 5_000;

export interface OperationsOptions {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly execute: Execute;
  readonly keys: AuditKeys;
  readonly signal: AbortSignal;
  /** Told why an operation is tried again later. */
  readonly failed: (error: unknown) => void;
}

export interface Operations {
  /** Something was wished just now. */
  wake(): void;
  /** Resolves once the signal has aborted and nothing is under way any more. */
  readonly ended: Promise<void>;
}

interface Outcome {
  readonly events: number;
  readonly differences: number;
}

/**
 * Carries out what operators wish of projections. What is wished is in the log, so that it does not
 * matter which node was asked: one of them takes it up, and another when that one goes away.
 */
export function runOperations(options: OperationsOptions): Operations {
  const { signal, failed } = options;
  const wake = new Wake(signal);
  const run = async () => {
    while (!signal.aborted) {
      for (const part of PROJECTIONS) {
        await attend(options, part).catch((error) => {
          if (!signal.aborted) failed(error);
        });
      }
      await wake.in(POLL_MS);
    }
  };
  return { wake: () => wake.up(), ended: run() };
}

async function attend(options: OperationsOptions, part: ProjectionName): Promise<void> {
  const { pool, store } = options;
  const { underWay, paused } = await stateOf(store, part);
  const schema = part === 'audit' ? AUDIT_SCHEMA : READ_SCHEMA;
  const version = await versionOf(pool, schema);
  if (version && version.paused !== paused) await noteVersion(pool, schema, { paused });
  if (!underWay) return;
  const client = await pool.connect();
  let end = () => {};
  try {
    end = await lease(client);
    const { rows } = await client.query('select pg_try_advisory_lock($1, hashtext($2)) as held', [
      LOCKS.operate,
      part,
    ]);
    if (!rows[0]?.held) return;
    // Another node may have ended it just before.
    const now = await stateOf(store, part);
    if (now.underWay?.operationId === underWay.operationId) await finish(options, part, underWay);
  } finally {
    end();
    await client.query('select pg_advisory_unlock_all()').catch(() => undefined);
    client.release(true);
  }
}

export async function stateOf(
  store: Pick<EventStore, 'read'>,
  part: ProjectionName,
): Promise<ProjectionState> {
  return fold(projection, (await store.read(streamOf(projection, part))).map(upcast));
}

async function finish(
  options: OperationsOptions,
  part: ProjectionName,
  operation: ProjectionOperation,
): Promise<void> {
  const { pool, execute, signal } = options;
  const { operationId } = operation;
  let ended = { operationId, events: 0, differences: 0, failure: null as string | null };
  try {
    const fresh = await noteBegun(pool, part, operation);
    const outcome = await (part === 'audit'
      ? carryOutOnAudit(options, operation)
      : carryOut(options, operation, fresh));
    ended = { ...ended, ...outcome };
  } catch (error) {
    if (signal.aborted || error instanceof RebuildUnderWay || isTransient(error)) throw error;
    ended.failure = error instanceof Error ? error.message : String(error);
  }
  const end = { type: 'EndProjectionOperation', data: ended } as const;
  await execute([act(projection, part, [end])], systemEnvelope());
  await noteEnded(pool, part, ended);
}

async function carryOut(
  options: OperationsOptions,
  operation: ProjectionOperation,
  fresh: boolean,
): Promise<Outcome> {
  const { pool, store, signal } = options;
  const common = {
    pool,
    store,
    signal,
    projections: protocolReadModels,
    progress: (done: Parameters<typeof noteProgress>[2]) => noteProgress(pool, 'protocol', done),
  };
  const found = async (events: number, findings: readonly Finding[], mended: boolean) => {
    await replaceDivergences(pool, READ_SCHEMA, findings, { mended });
    return { events, differences: findings.length };
  };
  switch (operation.kind) {
    case 'rebuild': {
      if (fresh) await dropSchema(pool, NEXT_SCHEMA);
      const { events, divergences }: Rebuilt = await rebuild({ ...common, ...operation });
      const findings = await lastTold(common, divergences);
      return found(events, findings, !operation.dryRun && !operation.held);
    }
    case 'verification': {
      const { events, findings } = await verify({ ...common, ...operation });
      return found(events, findings, operation.repair);
    }
    case 'switch':
      return { events: await switchOver(common), differences: 0 };
    case 'rollback':
      return { events: await rollBack(common), differences: 0 };
  }
}

/** The index has one copy, which is compared whenever it is built anew. */
function carryOutOnAudit(
  options: OperationsOptions,
  operation: ProjectionOperation,
): Promise<Outcome> {
  const keeps =
    operation.kind === 'rebuild'
      ? operation.dryRun
      : operation.kind !== 'verification' || !operation.repair;
  return rebuildAudit({ ...options, dryRun: keeps });
}
