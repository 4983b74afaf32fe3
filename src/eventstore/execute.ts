import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Decider, decide, fold, streamOf, type Wish } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import {
  ClaimTaken,
  type Envelope,
  type EventStore,
  type ExpectedRevision,
  LogUnavailable,
  type NewEvent,
  type Position,
  type StateChange,
  type StreamWrite,
  WrongExpectedRevision,
} from './event-store.ts';
import { upcast } from './upcast.ts';

/** What one request wishes of one entity. Made with {@link act}. */
export interface Act {
  readonly stream: string;
  /** The caller made the id just now: the stream is taken to be new, and is not read first. */
  readonly fresh: boolean;
  /** Appended at any revision; see Decider. */
  readonly blind: boolean;
  /** Not remembered; see Decider. */
  readonly fleeting: boolean;
  /** Refuse with `stale_version` unless the entity is at this version (revision + 1). */
  readonly expectedVersion?: number;
  readonly initial: unknown;
  fold(facts: Iterable<{ type: string; data: object }>, from: unknown): unknown;
  decide(state: unknown): Decided;
}

interface Decided {
  /** What the facts lead to. */
  readonly state: unknown;
  readonly facts: readonly { readonly type: string; readonly data: object }[];
  readonly refused?: DomainError;
}

/** Puts wishes to the entity `id`, one after the other, each on the state the former left. */
export function act<S, W, F>(
  decider: Decider<S, W, F>,
  id: string,
  wishes: readonly Wish<W>[],
  options: { fresh?: boolean; expectedVersion?: number } = {},
): Act {
  return {
    stream: streamOf(decider, id),
    fresh: options.fresh ?? false,
    blind: decider.blind ?? false,
    fleeting: decider.fleeting ?? false,
    expectedVersion: options.expectedVersion,
    initial: decider.initial,
    fold: (facts, from) => fold(decider, facts, from as S),
    decide(before) {
      let state = before as S;
      const facts: { type: string; data: object }[] = [];
      for (const wish of wishes) {
        const decided = decide(decider, wish, state);
        if (decided.refused) {
          // What the refused attempt proved is recorded; what was wished before it is not.
          const proof = decided.facts as Decided['facts'];
          return {
            state: fold(decider, proof, before as S),
            facts: proof,
            refused: decided.refused,
          };
        }
        state = fold(decider, decided.facts as Decided['facts'], state);
        facts.push(...(decided.facts as Decided['facts']));
      }
      return { state, facts };
    },
  };
}

export interface Executed {
  /** Position of the last event; null when nothing had to be recorded. */
  readonly position: Position | null;
  /** What was recorded, by stream, with the revision of the first event. */
  readonly writes: readonly (StreamWrite & { readonly firstRevision: number })[];
}

/**
 * Decides all acts on the present state of their entities and appends the facts in one commit. On a
 * lost race it decides again on the new state.
 * @throws DomainError what an entity refuses; `already_used` when a claim was taken; `conflict` when
 *   the race was lost too often. A refusal that proved something is recorded first. LogUnavailable,
 *   also where something has ended and the read models do not show it: the same may be asked again.
 */
export type Execute = (
  acts: readonly Act[],
  envelope: Envelope,
  state?: readonly StateChange[],
) => Promise<Executed>;

/** Technical rows that facts bring about, whoever wished them: written in the commit of the facts. */
export type Consequences = (
  writes: Executed['writes'],
  envelope: Envelope,
) => Promise<readonly StateChange[]>;

interface Known {
  readonly state: unknown;
  /** Revision of the last event folded; -1 before the first. */
  readonly revision: number;
  /** A place in the log that it is not before; null before the first. */
  readonly position: Position | null;
}

/** Facts after which something is no more. Whoever is told of one may rely on it. */
const ENDINGS = /(Denied|Detected|Disabled|Ended|Erased|Removed|Retired|Revoked|Withdrawn)$/;

const MAX_ATTEMPTS = 30;

/**
 * Makes `execute` for a log. States are remembered by stream: a remembered state is only ever
 * trusted when the append's expected revision confirms it; whatever is not appended (a refusal, a
 * wish already true) is decided on a state read for it.
 */
export function executor(
  store: EventStore,
  options: {
    remembered?: number;
    consequences?: Consequences;
    /** Resolves when the read models show a position; false when that takes too long. */
    shown?: (position: Position) => Promise<boolean>;
  } = {},
): Execute {
  const memory = new LRUCache<string, Known>({ max: options.remembered ?? 10_000 });

  async function load(act: Act): Promise<Known> {
    const known = memory.get(act.stream);
    const from = known ? known.revision + 1 : 0;
    const events = await store.read(act.stream, { from });
    if (!known && events.length === 0) return { state: act.initial, ...UNBEGUN };
    return {
      state: act.fold(events.map(upcast), known ? known.state : act.initial),
      revision: from + events.length - 1,
      position: events.at(-1)?.position ?? known?.position ?? null,
    };
  }

  async function shownUpTo(position: Position | null): Promise<boolean> {
    return position === null || (await options.shown?.(position)) !== false;
  }

  return async (acts, envelope, wanted = []) => {
    const state = wanted.some(({ op }) => op === 'claim') ? owned(wanted) : wanted;
    let certain = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const plans: { act: Act; known: Known; decided: Decided }[] = [];
      let guessed = false;
      try {
        for (const each of acts) {
          const remembered = certain && !each.blind ? undefined : recall(memory, each);
          guessed ||= remembered !== undefined && !each.blind;
          const known = remembered ?? (await load(each));
          if (each.expectedVersion !== undefined && each.expectedVersion !== known.revision + 1) {
            throw new DomainError('stale_version', 'the entity has changed in the meantime', {
              field: 'expectedVersion',
              version: known.revision + 1,
            });
          }
          plans.push({ act: each, known, decided: each.decide(known.state) });
        }
      } catch (error) {
        if (!(error instanceof DomainError) || !guessed) throw error;
        certain = true;
        continue;
      }

      const refusal = plans.find(({ decided }) => decided.refused);
      const writing = (refusal ? [refusal] : plans).filter(
        ({ decided }) => decided.facts.length > 0,
      );
      const unconfirmed = guessed && (refusal !== undefined || writing.length < plans.length);
      if (unconfirmed && !certain) {
        certain = true;
        continue;
      }

      const writes = writing.map(({ act, known, decided }) => ({
        stream: act.stream,
        firstRevision: known.revision + 1,
        expectedRevision: expected(act, known),
        events: decided.facts.map(
          (fact): NewEvent => ({ id: randomUUID(), ...storable(fact), metadata: envelope }),
        ),
      }));
      writes.sort((a, b) => contention(b.expectedRevision) - contention(a.expectedRevision));
      const follows = (await options.consequences?.(writes, envelope)) ?? [];
      const rows = refusal ? follows : [...state, ...follows];
      let position: Position | null = null;
      let shown = true;
      if (writes.length > 0 || rows.length > 0) {
        try {
          ({ position, shown } = await store.append({ streams: writes, state: rows }));
        } catch (error) {
          if (error instanceof ClaimTaken) {
            throw new DomainError('already_used', `${error.model} was used before`, {
              model: error.model,
            });
          }
          if (!(error instanceof WrongExpectedRevision)) throw error;
          certain = true;
          continue;
        }
      }
      for (const { act: each, known, decided } of plans) {
        if (each.blind || each.fleeting) continue;
        const { state, facts } = decided;
        const recorded = refusal === undefined || refusal.act === each;
        memory.set(
          each.stream,
          recorded
            ? {
                state,
                revision: known.revision + facts.length,
                position: position ?? known.position,
              }
            : known,
        );
      }
      // What was recorded before, say by a request that nobody answered, may not be seen yet.
      if (position === null) shown = await shownUpTo(lastOf(plans.map(({ known }) => known)));
      if (!shown && types(writes).every((type) => ENDINGS.test(type))) {
        throw new LogUnavailable('what was decided cannot be seen yet');
      }
      if (refusal?.decided.refused) throw refusal.decided.refused;
      return { position, writes };
    }
    throw new DomainError('conflict', 'too many others are changing the same entity; try again');
  };
}

/** Of a stream with no event in it. */
const UNBEGUN = { revision: -1, position: null };

function lastOf(known: readonly Known[]): Position | null {
  const positions = known.flatMap(({ position }) => position ?? []).sort();
  return positions.at(-1) ?? null;
}

function types(writes: Executed['writes']): string[] {
  return writes.flatMap(({ events }) => events.map(({ type }) => type));
}

/** Claims are this request's own, so that it may repeat them after an unknown outcome. */
function owned(changes: readonly StateChange[]): StateChange[] {
  const owner = randomUUID();
  return changes.map((change) => (change.op === 'claim' ? { ...change, lookup: owner } : change));
}

/** In JSON: U+0000, or half of a surrogate pair (a whole one is not escaped). */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/** @throws DomainError `invalid` for text that Postgres cannot keep, before any engine has taken it */
function storable<T extends { readonly data: object }>(fact: T): T {
  if (UNSTORABLE.test(JSON.stringify(fact.data))) {
    throw new DomainError('invalid', 'text must not hold U+0000 or half of a surrogate pair');
  }
  return fact;
}

function expected(act: Act, known: Known): ExpectedRevision {
  if (act.blind) return 'any';
  return known.revision < 0 ? 'none' : known.revision;
}

/**
 * Which stream goes first: one that others may be writing to can lose a race, one that begins here
 * hardly, one without a check never. An engine without transactions can undo none before it.
 */
function contention(expectedRevision: ExpectedRevision): number {
  if (expectedRevision === 'any') return 0;
  return expectedRevision === 'none' ? 1 : 2;
}

function recall(memory: LRUCache<string, Known>, act: Act): Known | undefined {
  const known = memory.get(act.stream);
  if (known) return known;
  return act.fresh || act.blind ? { state: act.initial, ...UNBEGUN } : undefined;
}
