import type { Instant } from '../domain/ids.ts';
import type { Fact } from '../eventstore/event-store.ts';

/** What a fact does to the rows of a read model. A key belongs to one stream for ever. */
export type Change<Row, Key extends keyof Row> =
  | { readonly put: Row }
  | { readonly set: Partial<Row> & Pick<Row, Key> }
  | { readonly drop: Pick<Row, Key> };

/** A fact as a projection sees it. */
export interface Told<D> {
  readonly data: D;
  /** The entity's id: the stream's name without its category. */
  readonly id: string;
  readonly at: Instant;
}

/**
 * A read model: one table, and its answer to every fact it lists. Pure; the SQL is in apply.ts.
 * `revision` is added to every row by the writer: the entity's last revision that changed the row.
 */
export interface Projection<Row extends object, Key extends keyof Row & string, F> {
  readonly table: string;
  readonly key: readonly Key[];
  /** SQL type of each column, with its constraints. */
  readonly columns: { readonly [C in keyof Row & string]: string };
  /** Index definitions: what follows `on <table>`. */
  readonly indexes?: readonly string[];
  /** Every node is told of a change (Postgres NOTIFY): for what a server keeps in memory. */
  readonly announced?: true;
  readonly on: { readonly [T in keyof F]: (told: Told<F[T]>) => readonly Change<Row, Key>[] };
}

/** A projection seen from outside, when its row type no longer matters. */
export interface AnyProjection {
  readonly table: string;
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, string>>;
  readonly indexes?: readonly string[];
  readonly announced?: true;
  readonly on: Readonly<Record<string, (told: Told<never>) => readonly unknown[]>>;
}

/** What projecting needs of an event; the append's own transaction has no position to give yet. */
export type Projectable = Omit<Fact, 'position'>;

/** Rows to write, by table: the whole row, some columns of it, or its end. */
export interface RowChange {
  readonly op: 'put' | 'set' | 'drop';
  readonly row: Record<string, unknown>;
}

/** By table, then by the {@link rowKey} of the row. */
export type Changes = Map<string, Map<string, RowChange>>;

/** What a row is known by among those of its table. */
export function rowKey(key: readonly string[], row: Readonly<Record<string, unknown>>): string {
  const [only = ''] = key;
  return key.length === 1 ? String(row[only]) : JSON.stringify(key.map((column) => row[column]));
}

/** `client-demo` → `demo`; `sign-ins-2026-11-21` has no entity and is not projected by id. */
export function entityId(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}

/** An event that cannot be projected. Nothing goes past it. */
export class Unprojectable extends Error {
  override readonly name = 'Unprojectable';

  constructor(
    readonly event: Projectable,
    cause: unknown,
  ) {
    const { type, revision, stream } = event;
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`${type}, revision ${revision} of ${stream}, cannot be projected: ${why}`, { cause });
  }
}

/**
 * Projects events, in order, into one change for each row. Two changes to one row become one, so a
 * batch costs a write for each row it touches, not for each event.
 * @throws Unprojectable
 */
export function project(
  projections: readonly AnyProjection[],
  events: Iterable<Projectable>,
  into: Changes = new Map(),
): Changes {
  for (const event of events) {
    try {
      projectOne(projections, event, into);
    } catch (error) {
      throw new Unprojectable(event, error);
    }
  }
  return into;
}

function projectOne(
  projections: readonly AnyProjection[],
  event: Projectable,
  into: Changes,
): void {
  const told = { data: event.data as never, id: entityId(event.stream), at: event.metadata.at };
  for (const projection of concernedBy(event.type, projections)) {
    for (const change of projection.on[event.type]?.(told) ?? []) {
      record(into, projection, change as Change<Record<string, unknown>, string>, event.revision);
    }
  }
}

const concerned = new WeakMap<object, Map<string, readonly AnyProjection[]>>();

/** Those that have an answer to such facts, in their order. */
function concernedBy(type: string, projections: readonly AnyProjection[]) {
  const known = concerned.get(projections) ?? new Map<string, readonly AnyProjection[]>();
  concerned.set(projections, known);
  const before = known.get(type);
  if (before) return before;
  const all = projections.filter(({ on }) => Object.hasOwn(on, type));
  known.set(type, all);
  return all;
}

function record(
  changes: Changes,
  projection: AnyProjection,
  change: Change<Record<string, unknown>, string>,
  revision: number,
): void {
  const [op, values] =
    'put' in change
      ? (['put', change.put] as const)
      : 'set' in change
        ? (['set', change.set] as const)
        : (['drop', change.drop] as const);
  const rows = changes.get(projection.table) ?? new Map<string, RowChange>();
  changes.set(projection.table, rows);
  const key = rowKey(projection.key, values);
  const before = rows.get(key);
  const row = { ...values, revision };
  if (op !== 'set' || !before) rows.set(key, { op, row });
  else if (before.op !== 'drop') rows.set(key, { op: before.op, row: { ...before.row, ...row } });
}
