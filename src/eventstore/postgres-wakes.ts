import type pg from 'pg';
import { listen } from '../platform/listen.ts';

const CHANNEL = 'muniment';
const POLL_MS = 1_000;

/** Wakes readers when the log grows: LISTEN, with a slow poll as the safety net. */
export class Wakes {
  readonly #sleepers = new Set<() => void>();
  #listening = false;

  constructor(
    private readonly pool: pg.Pool,
    private readonly closing: AbortSignal,
  ) {}

  /** Resolves at the next growth of the log, after a second at the latest, or when aborted. */
  next(signal: AbortSignal): Promise<void> {
    if (!this.#listening) {
      this.#listening = true;
      listen(this.pool, CHANNEL, () => this.#wakeAll(), this.closing);
    }
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, POLL_MS);
      this.#sleepers.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
