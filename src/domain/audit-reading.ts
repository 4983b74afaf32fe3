import type { Decider } from './decider.ts';

/** What somebody looked at in the record of events, and how much of it. */
export interface AuditReading {
  readonly surface: 'events' | 'export' | 'stream' | 'lineage' | 'blast_radius';
  /** What was asked for; addresses and tokens as digests. */
  readonly filter: Readonly<Record<string, unknown>>;
  /** How often since the last such fact of the same reader and filter. */
  readonly reads: number;
  /** How many events were shown. */
  readonly events: number;
}

export type AuditReadingFacts = { AuditRead: AuditReading };
export type AuditReadingWishes = { RecordAuditReading: AuditReading };

/** Who looked at the record, in one stream for each UTC day, `audit-reads-2026-11-21`. */
export const auditReadings: Decider<null, AuditReadingWishes, AuditReadingFacts> = {
  category: 'audit-reads',
  blind: true,
  initial: null,
  evolve: { AuditRead: (state) => state },
  decide: { RecordAuditReading: (reading) => [{ type: 'AuditRead', data: reading }] },
};
