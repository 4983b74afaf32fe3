import type { EventStore } from '../../src/eventstore/event-store.ts';
import { type EventStoreDbOptions, eventStoreDb } from '../../src/eventstore/eventstoredb.ts';
import { startEventStoreDouble } from '../support/eventstoredb/double.ts';
import { memoryState } from '../support/memory-state.ts';
import { eventStoreContract, type LogUnderTest } from './contract.ts';

eventStoreContract(
  'EventStoreDB, the double',
  async () => {
    const double = await startEventStoreDouble();
    return logAt(double.url, {
      interrupt: () => double.restart(),
      stop: () => double.stop(),
    });
  },
  { atomicAcrossStreams: false },
);

function logAt(url: string, server: Pick<LogUnderTest, 'interrupt' | 'stop'>): LogUnderTest {
  const writeState = memoryState();
  const nodes: EventStore[] = [];
  const open = (): EventStore => {
    const node = eventStoreDb({ url, writeState, projected: async () => {} });
    nodes.push(node);
    return node;
  };
  return {
    store: open(),
    anotherNode: async () => open(),
    interrupt: server.interrupt,
    async stop() {
      await Promise.all(nodes.map((node) => node.close()));
      await server.stop();
    },
  };
}
