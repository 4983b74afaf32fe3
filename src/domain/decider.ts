import type { DomainError } from './errors.ts';

/** One fact of an entity: its name and its data, both plain JSON. `F` maps names to data. */
export type Fact<F> = {
  [T in keyof F & string]: { readonly type: T; readonly data: F[T] };
}[keyof F & string];

/** One wish put to an entity. Time, ids and digests arrive inside it; a decision has no other source. */
export type Wish<W> = {
  [T in keyof W & string]: { readonly type: T; readonly data: W[T] };
}[keyof W & string];

/** A refusal that nevertheless proved something: the facts are recorded, the wish is not granted. */
export interface Refusal<F> {
  readonly refused: DomainError;
  readonly facts: readonly Fact<F>[];
}

/** What a decision yields: facts to append (none when the wish is already true), or a refusal. */
export type Decision<F> = readonly Fact<F>[] | Refusal<F>;

/**
 * One entity: how its facts fold into a state, and which facts a wish decides in that state.
 * Pure: no clock, no chance, no I/O. A refused wish throws a DomainError, or returns a Refusal
 * when the attempt itself is worth recording.
 */
export interface Decider<S, W, F> {
  /** Prefix of the entity's streams: `client` in `client-demo`. */
  readonly category: string;
  /**
   * No decision rests on what came before: the stream is never read, and its facts are appended
   * whatever its revision.
   */
  readonly blind?: true;
  /** Wished of when it begins and hardly ever again: its state is not worth remembering. */
  readonly fleeting?: true;
  readonly initial: S;
  readonly evolve: { readonly [T in keyof F]: (state: S, fact: F[T]) => S };
  readonly decide: { readonly [T in keyof W]: (wish: W[T], state: S) => Decision<F> };
}

/** The stream of one entity. @example streamOf(client, 'demo') // 'client-demo' */
export function streamOf(decider: { readonly category: string }, id: string): string {
  return `${decider.category}-${id}`;
}

/**
 * Folds facts into a state. A fact the decider does not know is a fault in the log or in the code
 * and stops the fold; it is never skipped.
 */
export function fold<S, W, F>(
  decider: Decider<S, W, F>,
  facts: Iterable<{ readonly type: string; readonly data: object }>,
  from: S = decider.initial,
): S {
  let state = from;
  for (const { type, data } of facts) {
    const evolve = decider.evolve[type as keyof F];
    if (!Object.hasOwn(decider.evolve, type)) {
      throw new TypeError(`${decider.category} does not know the fact ${type}`);
    }
    state = evolve(state, data as F[keyof F]);
  }
  return state;
}

/** Puts one wish to a state and returns the facts and, where the wish is refused, the reason. */
export function decide<S, W, F>(
  decider: Decider<S, W, F>,
  wish: Wish<W>,
  state: S,
): { facts: readonly Fact<F>[]; refused?: DomainError } {
  const decision = decider.decide[wish.type](wish.data as W[typeof wish.type], state);
  return 'refused' in decision ? decision : { facts: decision as readonly Fact<F>[] };
}

/** What a record holds under this name, and never what every object inherits: `toString` can be an id. */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Structural equality of plain JSON, for "a repeated wish decides nothing". */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    if (!same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
      return false;
  }
  return true;
}
