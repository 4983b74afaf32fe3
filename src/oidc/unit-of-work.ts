import { AsyncLocalStorage } from 'node:async_hooks';
import type { Decider, Wish } from '../domain/decider.ts';
import { streamOf } from '../domain/decider.ts';
import type { DomainError } from '../domain/errors.ts';
import type { GrantTerms, IssuedAccessToken } from '../domain/grant.ts';
import type { StateChange } from '../eventstore/event-store.ts';
import { type Act, act } from '../eventstore/execute.ts';
import type { Page } from './pages/pages.ts';

/**
 * Everything one HTTP request wants changed. The protocol engine calls its adapter several times in
 * a request; nothing is written then. The middleware commits the whole once the response is built
 * and before a byte of it is sent.
 */
export class UnitOfWork {
  readonly #entities = new Map<string, Entity>();
  readonly #state = new Map<string, StateChange>();
  readonly #seen = new Map<string, object | undefined>();
  readonly #read = new Map<string, Promise<unknown>>();
  readonly #described = new Map<string, Act>();

  /** A refresh token that is being rotated in this request: its value, and its successor's digest. */
  rotation: { readonly value: string; successor: string | null } | undefined;

  /** Sessions whose cookie row was dropped; ended at commit unless they were given a new cookie. */
  readonly droppedSessions = new Set<string>();

  /** What a grant opened in this request rests on. */
  grantBasis: GrantTerms['basis'] = 'consent';

  /** Who spoke for the person, where that grant rests on an assertion. */
  assertedBy: string | null = null;

  /** Where the access token made in this request comes from, and who is to hold it. */
  exchange: Pick<IssuedAccessToken, 'exchangedFrom' | 'clientId'> = {
    exchangedFrom: null,
    clientId: null,
  };

  /** What that token tells beside what every one does, where the grant type says so itself. */
  tokenClaims: Readonly<Record<string, unknown>> | undefined;

  /** The session that a grant opened in this request belongs to. */
  sessionUid: string | undefined;

  /** The person whom the request is about, if it is about one. */
  subject: string | undefined;

  /** What to answer in the response's place when the log refuses; undefined for the usual. */
  whenRefused: ((error: DomainError) => Page | undefined) | undefined;

  /** Records a wish. Wishes for one entity are decided in the order they were recorded. */
  wish<S, W, F>(
    decider: Decider<S, W, F>,
    id: string,
    wish: Wish<W>,
    options: { fresh?: boolean } = {},
  ): void {
    const stream = streamOf(decider, id);
    const known = this.#entities.get(stream);
    if (known) {
      known.wishes.push(wish);
      return;
    }
    const wishes: unknown[] = [wish];
    const fresh = options.fresh ?? false;
    this.#entities.set(stream, {
      wishes,
      act: () => act(decider, id, wishes as Wish<W>[], { fresh }),
    });
  }

  /** Records what a client's own document says: with the rest of the request, if that records anything. */
  describe(clientId: string, described: Act): void {
    this.#described.set(clientId, described);
  }

  /** Records a technical row; the last word on a row counts. */
  change(change: StateChange): void {
    this.#state.set(`${change.model} ${change.id}`, change);
  }

  /** What this request has itself written or read of a model, so that it sees its own writes. */
  remember(model: string, id: string, payload: object | undefined): void {
    this.#seen.set(`${model} ${id}`, payload);
  }

  recall(model: string, id: string): { readonly payload: object | undefined } | undefined {
    const key = `${model} ${id}`;
    return this.#seen.has(key) ? { payload: this.#seen.get(key) } : undefined;
  }

  /** Reads once for a request what several parts of it ask for. */
  once<V>(name: string, key: string, read: () => Promise<V>): Promise<V> {
    const known = this.#read.get(`${name} ${key}`) as Promise<V> | undefined;
    if (known) return known;
    const reading = read();
    this.#read.set(`${name} ${key}`, reading);
    return reading;
  }

  /** Takes for read what came along with something else. */
  came<V>(name: string, key: string, value: V): void {
    this.#read.set(`${name} ${key}`, Promise.resolve(value));
  }

  acts(): Act[] {
    const acts = [...this.#entities.values()].map((entity) => entity.act());
    return acts.length > 0 ? [...this.#described.values(), ...acts] : [];
  }

  state(): StateChange[] {
    return [...this.#state.values()];
  }
}

interface Entity {
  readonly wishes: unknown[];
  act(): Act;
}

const storage = new AsyncLocalStorage<UnitOfWork>();

/** Runs `work` with a unit of work of its own. */
export function withUnitOfWork<T>(unit: UnitOfWork, work: () => Promise<T>): Promise<T> {
  return storage.run(unit, work);
}

/** @throws Error outside of a request: nothing may be changed there behind the log's back */
export function currentUnitOfWork(): UnitOfWork {
  const unit = storage.getStore();
  if (!unit) throw new Error('there is no request to be part of');
  return unit;
}

/** The request that is under way, or undefined outside of one. */
export function requestUnderWay(): UnitOfWork | undefined {
  return storage.getStore();
}

/** The session in which the request is made, if one is known. */
export function sessionOfRequest(): string | undefined {
  return storage.getStore()?.sessionUid;
}

/** Makes a read one that is done once for each request. Outside of a request it is done each time. */
export function perRequest<V>(
  name: string,
  read: (key: string) => Promise<V>,
): (key: string) => Promise<V> {
  return (key) => storage.getStore()?.once(name, key, () => read(key)) ?? read(key);
}
