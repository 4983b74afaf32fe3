import { traced } from '../platform/tracing.ts';
import {
  ClaimTaken,
  type Commit,
  type EventStore,
  LogUnavailable,
  type Position,
  WrongExpectedRevision,
} from './event-store.ts';

export interface AppendObserver {
  /** @param types of the events, when they were appended */
  append(
    outcome: 'appended' | 'moved' | 'claimed' | 'unavailable' | 'failed',
    seconds: number,
    types: readonly string[],
  ): void;
  appended(position: Position): void;
}

/** The log, with what is given to it counted and traced. */
export function observed(store: EventStore, engine: string, observer: AppendObserver): EventStore {
  async function append(commit: Commit) {
    const started = performance.now();
    const tell = (outcome: Parameters<AppendObserver['append']>[0], types: readonly string[]) =>
      observer.append(outcome, (performance.now() - started) / 1_000, types);
    try {
      const appended = await store.append(commit);
      tell('appended', typesOf(commit));
      if (appended.position !== null) observer.appended(appended.position);
      return appended;
    } catch (error) {
      tell(outcomeOf(error), []);
      throw error;
    }
  }

  return {
    read: (...asked) => store.read(...asked),
    last: () => store.last(),
    append: (commit) =>
      traced(`${engine} append`, () => append(commit), {
        kind: 'client',
        attributes: () => ({
          'muniment.streams': commit.streams.length,
          'muniment.events': typesOf(commit),
        }),
      }),
    subscribe: (from) => store.subscribe(from),
    facts: (from) => store.facts(from),
    close: () => store.close(),
  };
}

function typesOf({ streams }: Commit): string[] {
  return streams.flatMap(({ events }) => events.map(({ type }) => type));
}

function outcomeOf(error: unknown) {
  if (error instanceof WrongExpectedRevision) return 'moved';
  if (error instanceof ClaimTaken) return 'claimed';
  return error instanceof LogUnavailable ? 'unavailable' : 'failed';
}
