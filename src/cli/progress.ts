import type { Position } from '../eventstore/event-store.ts';

const BAR_WIDTH = 30;

/** Shows on one line how far something is that goes through the log. @param head about its end */
export function showProgress(head: Position) {
  const end = Math.max(Number(head), 1);
  let first: { at: number; position: number } | undefined;
  return (done: { events: number; eventsPerSecond: number; position: Position }): void => {
    const now = { at: performance.now(), position: Math.min(Number(done.position), end) };
    first ??= now;
    const bar = '█'.repeat(Math.round((BAR_WIDTH * now.position) / end)).padEnd(BAR_WIDTH, '░');
    // What was there when it began, after an interruption, says nothing of how fast it is.
    const speed = (now.position - first.position) / (now.at - first.at);
    const left = speed > 0 ? `, ${Math.ceil((end - now.position) / speed / 1_000)} s left` : '';
    process.stdout.write(`\r${bar} ${done.events} events, ${done.eventsPerSecond}/s${left} `);
  };
}
