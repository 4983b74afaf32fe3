import { randomUUID } from 'node:crypto';
import type { Envelope, NewEvent } from '../../src/eventstore/event-store.ts';

/** A stream that nothing else in the log has touched. */
export function newStream(): string {
  return `probe-${randomUUID()}`;
}

export function envelope(part: Partial<Envelope> = {}): Envelope {
  return {
    at: '2026-11-21T08:00:00.000Z',
    actor: { type: 'system', id: 'test' },
    authentication: 'none',
    source: null,
    requestId: randomUUID(),
    $correlationId: randomUUID(),
    $causationId: randomUUID(),
    schema: 1,
    ...part,
  };
}

/** An event with an id of its own. */
export function newEvent(data: object = {}, type = 'Probed'): NewEvent {
  return { id: randomUUID(), type, data, metadata: envelope() };
}

/** Events numbered in their data from 0. */
export function newEvents(count: number): NewEvent[] {
  return Array.from({ length: count }, (_, number) => newEvent({ number }));
}
