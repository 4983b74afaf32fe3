/**
 * Does something again and again until the signal aborts, each time a period after the last one has
 * ended: those that wait for a lock would otherwise hold the connections its holder needs.
 * @param options.failed told of errors, but of none once the signal has aborted: a server that stops
 *   takes the database away under a job that is under way
 */
export function periodically(
  work: () => Promise<unknown>,
  options: { periodMs: number; signal: AbortSignal; failed: (error: unknown) => void },
): void {
  const { periodMs, signal, failed } = options;
  const later = () => {
    if (!signal.aborted) setTimeout(run, periodMs).unref();
  };
  const run = async () => {
    if (signal.aborted) return;
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    later();
  };
  later();
}
