import { EventEmitter, once } from 'node:events';
import {
  type Commit,
  type EventStore,
  type RecordedEvent,
  toPosition,
  WrongExpectedRevision,
} from '../../src/eventstore/event-store.ts';
import { memoryState } from './memory-state.ts';

export interface MemoryEventStore extends EventStore {
  /** Streams that were read, in order. */
  readonly reads: readonly string[];
  /** Commits that were asked for, granted or not. */
  readonly asked: readonly Commit[];
  readonly events: readonly RecordedEvent[];
  /** Whether the read models, which are elsewhere, do not show what is appended. */
  behind: boolean;
  /** Does something once, just before the next append is looked at: somebody else was faster. */
  beforeNextAppend(act: () => Promise<unknown>): void;
}

/** The log in memory: for tests of what stands on it. It keeps no promises about repeated ids. */
export function memoryEventStore(): MemoryEventStore {
  const events: RecordedEvent[] = [];
  const reads: string[] = [];
  const asked: Commit[] = [];
  const growth = new EventEmitter();
  const writeState = memoryState();
  let interlude: (() => Promise<unknown>) | undefined;
  const recorded = (stream: string) => events.filter((event) => event.stream === stream);

  const store: MemoryEventStore = {
    events,
    reads,
    asked,
    behind: false,

    beforeNextAppend(act) {
      interlude = act;
    },

    async read(stream, { from, backwards = false, limit } = {}) {
      reads.push(stream);
      const all = recorded(stream);
      const wanted = backwards
        ? all.slice(0, (from ?? all.length) + 1).reverse()
        : all.slice(from ?? 0);
      return wanted.slice(0, limit);
    },

    async last() {
      return events.at(-1);
    },

    async append(commit) {
      const act = interlude;
      interlude = undefined;
      await act?.();
      asked.push(commit);
      for (const { stream, expectedRevision } of commit.streams) {
        const revision = recorded(stream).length - 1;
        const expected = expectedRevision === 'none' ? -1 : expectedRevision;
        if (expected !== 'any' && expected !== revision) throw new WrongExpectedRevision(stream);
      }
      await writeState(commit.state ?? []);
      for (const { stream, events: added } of commit.streams) {
        for (const event of added) {
          events.push({
            ...structuredClone(event),
            stream,
            revision: recorded(stream).length,
            position: toPosition(events.length + 1),
            created: new Date().toISOString(),
          });
        }
      }
      growth.emit('grown');
      const position = commit.streams.length > 0 ? toPosition(events.length) : null;
      return { position, shown: !store.behind };
    },

    async *subscribe({ after = '', signal }) {
      let next = events.findIndex(({ position }) => position > after);
      if (next < 0) next = events.length;
      for (let live = false; !signal.aborted; live = true) {
        if (next < events.length) {
          const batch = events.slice(next);
          next = events.length;
          yield batch;
        }
        if (!live) yield [];
        if (next === events.length) await once(growth, 'grown', { signal }).catch(() => {});
      }
    },

    facts(from) {
      return this.subscribe(from);
    },

    async close() {},
  };
  return store;
}
