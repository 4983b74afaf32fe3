import type { Position } from '../eventstore/event-store.ts';

const BAR_WIDTH = 30;

/** Shows on one line how far something is that goes through the log. @param head about its end */
export function showProgress(head: Position) {
  const end = Math.max(Number(head), 1);
  const start = performance.now();
  return (done: { events: number; eventsPerSecond: number; position: Position }): void => {
    const share = Math.min(Number(done.position) / end, 1);
    const bar = '█'.repeat(Math.round(BAR_WIDTH * share)).padEnd(BAR_WIDTH, '░');
    const left = ((performance.now() - start) * (1 - share)) / share / 1_000;
    const rate = `${done.events} events, ${done.eventsPerSecond}/s, ${Math.ceil(left)} s left`;
    process.stdout.write(`\r${bar} ${rate} `);
  };
}
