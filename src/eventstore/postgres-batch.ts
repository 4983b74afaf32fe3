import {
  ClaimTaken,
  type Commit,
  type Envelope,
  type ExpectedRevision,
  type Position,
  type RecordedEvent,
  type StateChange,
  toPosition,
  WrongExpectedRevision,
} from './event-store.ts';

/** An event that is about to be appended, for the read models written with it. */
export type AboutToAppend = Pick<
  RecordedEvent,
  'stream' | 'revision' | 'type' | 'data' | 'metadata'
>;

/**
 * Adds what a request's events do to the read models to the parameter of log.project. The function
 * there must be able to leave the changes of a refused request out.
 */
export type InlineProjection = (
  request: number,
  events: readonly AboutToAppend[],
  changes: Record<string, unknown>,
) => void;

/** One commit that waits for its transaction. */
export interface Waiting {
  readonly commit: Commit;
  /** Streams and technical rows it touches: two of a kind never share a batch. */
  readonly keys: readonly string[];
  /** @param deferred whether the read models are not written yet */
  resolve(position: Position | null, deferred: boolean): void;
  reject(error: Error): void;
}

/** What log.append answers: one row without a request, and one for each that was not granted. */
export interface Outcome {
  readonly request: number | null;
  readonly outcome: 'appended' | 'repeated' | 'moved' | 'claimed';
  readonly subject: string | null;
  readonly position: string | number | null;
}

/** Tells everyone in a batch what became of their commit. */
export function settle(batch: readonly Waiting[], outcomes: readonly Outcome[]): void {
  const of = new Map(outcomes.map((outcome) => [outcome.request, outcome]));
  const deferred = of.get(null)?.subject === 'deferred';
  let position = BigInt(of.get(null)?.position ?? 0);
  batch.forEach(({ commit, resolve, reject }, request) => {
    const exception = of.get(request);
    if (exception?.outcome === 'moved') {
      reject(new WrongExpectedRevision(exception.subject ?? ''));
    } else if (exception?.outcome === 'claimed') {
      const [model = '', id = ''] = (exception.subject ?? '').split(' ');
      reject(new ClaimTaken(model, id));
    } else if (exception?.position) {
      resolve(toPosition(exception.position), deferred);
    } else {
      const count = commit.streams.reduce((sum, { events }) => sum + events.length, 0);
      position += BigInt(count);
      resolve(count > 0 ? toPosition(position) : null, deferred);
    }
  });
}

/** The arguments of log.append but the last. */
export function parameters(
  commits: readonly Commit[],
  inline: InlineProjection | undefined,
): unknown[] {
  const request: number[] = [];
  const stream: string[] = [];
  const expected: (number | null)[] = [];
  const events: object[] = [];
  const envelopes = new Map<Envelope, number>();
  const state: StateParameter = {};
  const changes: Record<string, unknown> = {};

  commits.forEach((commit, index) => {
    const projected: AboutToAppend[] = [];
    for (const { stream: name, expectedRevision, events: added } of commit.streams) {
      const revision = numbered(expectedRevision);
      const write = request.push(index);
      stream.push(name);
      expected.push(revision);
      added.forEach(({ id, type, data, metadata }, before) => {
        const envelope = envelopes.get(metadata) ?? envelopes.size;
        envelopes.set(metadata, envelope);
        events.push({ write, nth: before + 1, envelope, id, type, data });
        if (revision === null) return;
        projected.push({ stream: name, revision: revision + 1 + before, type, data, metadata });
      });
    }
    stateParameter(commit.state ?? [], index, state);
    inline?.(index, projected, changes);
  });

  return [
    request,
    stream,
    expected,
    JSON.stringify(events),
    JSON.stringify([...envelopes.keys()]),
    Object.keys(state).length > 0 ? JSON.stringify(state) : null,
    Object.keys(changes).length > 0 ? JSON.stringify(changes) : null,
  ];
}

type StateParameter = { [Op in StateChange['op']]?: object[] };

/** Adds technical rows of one request to the parameter of state.claim and state.write. */
export function stateParameter(
  changes: readonly StateChange[],
  request: number,
  into: StateParameter = {},
): StateParameter {
  for (const { op, ...row } of changes) {
    into[op] ??= [];
    into[op].push({ request, ...row });
  }
  return into;
}

/** As log.append writes it. */
function numbered(expected: ExpectedRevision): number | null {
  if (expected === 'any') return null;
  return expected === 'none' ? -1 : expected;
}
