import { type AuditReading, auditReadings } from '../../domain/audit-reading.ts';
import type { Envelope } from '../../eventstore/event-store.ts';
import { act, type Execute } from '../../eventstore/execute.ts';

const WINDOW_MS = 60_000;

type Read = Pick<AuditReading, 'surface' | 'filter' | 'events'>;

interface Open {
  readonly envelope: Envelope;
  readonly read: Read;
  reads: number;
  events: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Records who looks at the record of events. The first look is recorded before it is answered; more of
 * the same by the same reader are counted, and recorded together a minute later: a record that is read
 * again and again grows by two events a minute, whatever is read.
 */
export class AuditReadings {
  readonly #execute: Execute;
  readonly #windowMs: number;
  readonly #failed: (error: unknown) => void;
  readonly #open = new Map<string, Open>();

  constructor(execute: Execute, options: { windowMs?: number; failed: (error: unknown) => void }) {
    this.#execute = execute;
    this.#windowMs = options.windowMs ?? WINDOW_MS;
    this.#failed = options.failed;
  }

  /** @throws LogUnavailable for a first look that cannot be recorded */
  async record(envelope: Envelope, read: Read): Promise<void> {
    const key = JSON.stringify([envelope.actor, read.surface, read.filter]);
    const open = this.#open.get(key);
    if (open) {
      open.reads++;
      open.events += read.events;
      return;
    }
    const timer = setTimeout(() => void this.#close(key), this.#windowMs).unref();
    this.#open.set(key, { envelope, read, reads: 0, events: 0, timer });
    await this.#append(envelope, { ...read, reads: 1 });
  }

  /** Records what was only counted so far. */
  async flush(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((key) => this.#close(key)));
  }

  async #close(key: string): Promise<void> {
    const open = this.#open.get(key);
    if (!open) return;
    clearTimeout(open.timer);
    this.#open.delete(key);
    const { envelope, read, reads, events } = open;
    if (reads === 0) return;
    const now = { ...envelope, at: new Date().toISOString() };
    await this.#append(now, { ...read, reads, events }).catch(this.#failed);
  }

  async #append(envelope: Envelope, data: AuditReading): Promise<void> {
    const day = envelope.at.slice(0, 10);
    await this.#execute(
      [act(auditReadings, day, [{ type: 'RecordAuditReading', data }])],
      envelope,
    );
  }
}
