import {
  type Appended,
  ClaimTaken,
  type Commit,
  type NewEvent,
  type RecordedEvent,
  toPosition,
  WrongExpectedRevision,
} from './event-store.ts';

/** An event that is about to be appended, for the read models written with it. */
export type AboutToAppend = Pick<
  RecordedEvent,
  'stream' | 'revision' | 'type' | 'data' | 'metadata'
>;

/** Row changes by table; `request` is added, so that a refused request's changes are left out. */
export type InlineProjection = (
  events: readonly AboutToAppend[],
) => Iterable<readonly [table: string, changes: Iterable<{ op: string; row: object }>]>;

/** One commit that waits for its transaction. */
export interface Waiting {
  readonly commit: Commit;
  /** Streams and technical rows it touches: two of a kind never share a batch. */
  readonly keys: readonly string[];
  resolve(appended: Appended): void;
  reject(error: Error): void;
}

/** What log.append answers for a request. */
export interface Outcome {
  readonly request: number;
  readonly outcome: 'appended' | 'repeated' | 'moved' | 'claimed';
  readonly subject: string | null;
  readonly position: string | number | null;
}

/** Tells everyone in a batch what became of their commit. */
export function settle(batch: readonly Waiting[], outcomes: readonly Outcome[]): void {
  const of = new Map(outcomes.map((outcome) => [outcome.request, outcome]));
  batch.forEach((waiting, request) => {
    const { outcome, subject, position } = of.get(request) ?? { position: null };
    if (outcome === 'moved') waiting.reject(new WrongExpectedRevision(subject ?? ''));
    else if (outcome === 'claimed') {
      const [model = '', id = ''] = (subject ?? '').split(' ');
      waiting.reject(new ClaimTaken(model, id));
    } else waiting.resolve({ position: position === null ? null : toPosition(position) });
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
  const events: NewEvent[] = [];
  const state: object[] = [];
  const changes: Record<string, object[]> = {};

  commits.forEach((commit, index) => {
    const projected: AboutToAppend[] = [];
    for (const write of commit.streams) {
      const revision =
        write.expectedRevision === 'any'
          ? null
          : write.expectedRevision === 'none'
            ? -1
            : write.expectedRevision;
      write.events.forEach((event, nth) => {
        request.push(index);
        stream.push(write.stream);
        expected.push(revision);
        events.push(event);
        if (revision !== null) {
          projected.push({ ...event, stream: write.stream, revision: revision + 1 + nth });
        }
      });
    }
    for (const change of commit.state ?? []) state.push({ request: index, ...change });
    for (const [table, rows] of inline?.(projected) ?? []) {
      const rowsOfTable = changes[table] ?? [];
      changes[table] = rowsOfTable;
      for (const row of rows) rowsOfTable.push({ request: index, ...row });
    }
  });

  return [
    request,
    stream,
    expected,
    events.map(({ id }) => id),
    events.map(({ type }) => type),
    events.map(({ data }) => JSON.stringify(data)),
    events.map(({ metadata }) => JSON.stringify(metadata)),
    state.length > 0 ? JSON.stringify(state) : null,
    Object.keys(changes).length > 0 ? JSON.stringify(changes) : null,
  ];
}
