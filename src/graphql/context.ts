import type pg from 'pg';
import type { Logger } from 'pino';
import type { SigningAlgorithm } from '../domain/signing-key.ts';
import type { Envelope, EventStore, Position } from '../eventstore/event-store.ts';
import type { Execute } from '../eventstore/execute.ts';
import { SCHEMA_VERSION } from '../eventstore/upcast.ts';
import type { SettingInForce } from '../platform/config.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import { Cursors } from '../projections/cursor.ts';
import type { HousekeepingPolicy } from '../projections/housekeeping.ts';
import type { AuditReadings } from './audit/readings.ts';
import { type Loaders, loadersFor } from './loaders.ts';
import type { Principal } from './principal.ts';
import type { Moment } from './time-travel/moment.ts';

/** What the Admin API is built on. */
export interface Dependencies {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly execute: Execute;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  readonly issuer: string;
  readonly settings: readonly SettingInForce[];
  /** Resolves once the read models show the position, or rejects when that takes too long. */
  readonly waitFor: (position: Position) => Promise<void>;
  readonly audit: {
    /** Where the log stands: at least everything that has been acknowledged. */
    readonly head: () => Promise<Position>;
    /** Whether the audit index holds a position, now or within a bounded wait. */
    readonly reached: (position: Position, timeoutMs?: number) => Promise<boolean>;
  };
  readonly auditReadings: Pick<AuditReadings, 'record'>;
  readonly housekeeping: HousekeepingPolicy;
  /** Carries out what is wished of projections, once told that something is. */
  readonly operations: { wake(): void };
  /** Told of each operation: what kind it was, and what became of it. */
  readonly observe?: (operation: ObservedOperation) => void;
  readonly log: Logger;
  /** Introspection for everyone who may call at all. */
  readonly development: boolean;
}

export interface ObservedOperation {
  /** `query`, `mutation`, or `invalid` where it is neither. */
  readonly type: string;
  /** `ok`, `refused` where there are userErrors, or the code of the first error. */
  readonly outcome: string;
  readonly seconds: number;
}

/** One call: who makes it, from where, and what was loaded for it so far. */
export interface GraphContext extends Dependencies {
  readonly principal: Principal;
  readonly requestId: string;
  readonly source: { readonly address: string; readonly userAgent: string };
  readonly cursors: Cursors;
  /** Of this call only, and new ones after every mutation: nobody sees what another may see, or what was. */
  loaders: Loaders;
  /** What was loaded of other moments, by their positions: it stays as it was. */
  readonly past: Map<Position, Loaders>;
  /** Moments that were found, until the next mutation: the present is one of them. */
  readonly moments: Map<string, Promise<Moment>>;
}

export function contextFor(
  dependencies: Dependencies,
  call: Pick<GraphContext, 'principal' | 'requestId' | 'source'>,
): GraphContext {
  return {
    ...dependencies,
    ...call,
    cursors: new Cursors(dependencies.secrets),
    loaders: loadersFor(dependencies),
    past: new Map(),
    moments: new Map(),
  };
}

/** The envelope of what this call causes. */
export function envelopeOf({ principal, requestId, source, secrets }: GraphContext): Envelope {
  return {
    at: new Date().toISOString(),
    actor: principal.actor,
    authentication: 'bearer',
    source: secrets.seal('source', JSON.stringify(source)),
    requestId,
    $correlationId: requestId,
    $causationId: requestId,
    schema: SCHEMA_VERSION,
  };
}
