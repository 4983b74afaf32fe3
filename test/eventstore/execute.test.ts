import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Decider, Wish } from '../../src/domain/decider.ts';
import { DomainError } from '../../src/domain/errors.ts';
import {
  LogUnavailable,
  type StateChange,
  WrongExpectedRevision,
} from '../../src/eventstore/event-store.ts';
import { act, type Execute, executor } from '../../src/eventstore/execute.ts';
import { envelope } from '../support/log-events.ts';
import { type MemoryEventStore, memoryEventStore } from '../support/memory-event-store.ts';

type TableFacts = {
  TableSet: { readonly seats: number };
  GuestSeated: { readonly guest: string };
  GuestLeft: { readonly guest: string };
  GuestTurnedAway: { readonly guest: string };
  TableRemoved: Record<never, never>;
};

type TableWishes = {
  SetTable: { readonly seats: number };
  Seat: { readonly guest: string };
  Leave: { readonly guest: string };
  Remove: Record<never, never>;
};

interface TableState {
  readonly seats: number | null;
  readonly guests: readonly string[];
}

/** A table with a number of seats: enough to be refused, to be turned away, and to change nothing. */
const table: Decider<TableState, TableWishes, TableFacts> = {
  category: 'table',
  initial: { seats: null, guests: [] },
  evolve: {
    TableSet: (state, { seats }) => ({ ...state, seats }),
    GuestSeated: (state, { guest }) => ({ ...state, guests: [...state.guests, guest] }),
    GuestLeft: (state, { guest }) => ({
      ...state,
      guests: state.guests.filter((other) => other !== guest),
    }),
    GuestTurnedAway: (state) => state,
    TableRemoved: () => table.initial,
  },
  decide: {
    SetTable(wish, { seats }) {
      if (seats !== null) throw new DomainError('already_exists', 'the table is set');
      return [{ type: 'TableSet', data: wish }];
    },
    Seat(wish, { seats, guests }) {
      if (seats === null) throw new DomainError('not_found', 'no such table');
      if (guests.includes(wish.guest)) return [];
      if (guests.length < seats) return [{ type: 'GuestSeated', data: wish }];
      return {
        refused: new DomainError('conflict', 'the table is full'),
        facts: [{ type: 'GuestTurnedAway', data: wish }],
      };
    },
    Leave: (wish, { guests }) =>
      guests.includes(wish.guest) ? [{ type: 'GuestLeft', data: wish }] : [],
    Remove: (_, { seats }) => (seats === null ? [] : [{ type: 'TableRemoved', data: {} }]),
  },
};

/** Bells rung: nothing is ever decided by what rang before. */
const bell: Decider<
  null,
  { Ring: { readonly by: string } },
  { BellRang: { readonly by: string } }
> = {
  category: 'bell',
  blind: true,
  initial: null,
  evolve: { BellRang: (state) => state },
  decide: { Ring: (by) => [{ type: 'BellRang', data: by }] },
};

describe('execute', () => {
  let store: MemoryEventStore;
  /** Two nodes: each remembers what it has seen by itself. */
  let here: Execute;
  let elsewhere: Execute;

  beforeEach(() => {
    store = memoryEventStore();
    here = executor(store);
    elsewhere = executor(store);
  });

  const told = () => store.events.map(({ type, data }) => ({ type, data }));
  const types = () => store.events.map(({ type }) => type);

  describe('records', () => {
    test('what was decided, under the envelope, and says where', async () => {
      const why = envelope();

      const { position, writes } = await here([at('one', set(2), seat('Ada'))], why);

      expect(store.events).toMatchObject([
        { stream: 'table-one', revision: 0, type: 'TableSet', data: { seats: 2 }, metadata: why },
        { stream: 'table-one', revision: 1, type: 'GuestSeated', data: { guest: 'Ada' } },
      ]);
      expect(position).toBe(store.events[1]?.position);
      expect(writes).toMatchObject([{ stream: 'table-one', firstRevision: 0 }]);
    });

    test('several entities in one commit', async () => {
      await here([at('one', set(1)), at('two', set(2))], envelope());

      expect(store.asked.map(({ streams }) => streams.map(({ stream }) => stream))).toEqual([
        ['table-one', 'table-two'],
      ]);
    });

    test('what others may be writing too first, what begins here next, what cannot conflict last', async () => {
      await here([at('shared', set(2))], envelope());

      const ring = act(bell, 'door', [{ type: 'Ring', data: { by: 'Ada' } }]);
      await here([ring, at('new', set(1)), at('shared', seat('Ada'))], envelope());

      expect(store.asked.at(-1)?.streams.map(({ stream }) => stream)).toEqual([
        'table-shared',
        'table-new',
        'bell-door',
      ]);
    });

    test('nothing for a wish that is already true', async () => {
      await here([at('one', set(2), seat('Ada'))], envelope());

      const { position, writes } = await here([at('one', seat('Ada'))], envelope());

      expect({ position, writes }).toEqual({ position: null, writes: [] });
      expect(store.asked).toHaveLength(1);
    });

    test('rows alone', async () => {
      const row = claim('once');

      expect(await here([], envelope(), [row])).toEqual({ position: null, writes: [] });
      expect(store.asked).toMatchObject([{ streams: [], state: [{ id: 'once' }] }]);
    });

    test('each event under an id of its own', async () => {
      await here([at('one', set(2), seat('Ada'), seat('Bob'))], envelope());

      expect(new Set(store.events.map(({ id }) => id)).size).toBe(3);
    });
  });

  describe('a lost race', () => {
    test('is decided again on the state that won', async () => {
      await here([at('one', set(3), seat('Ada'))], envelope());
      store.beforeNextAppend(() => elsewhere([at('one', seat('Bob'))], envelope()));

      await here([at('one', seat('Cid'))], envelope());

      expect(types()).toEqual(['TableSet', 'GuestSeated', 'GuestSeated', 'GuestSeated']);
      expect(store.events.at(-1)).toMatchObject({ revision: 3, data: { guest: 'Cid' } });
    });

    test('for the last seat leaves one guest seated and one turned away', async () => {
      await here([at('one', set(1))], envelope());
      store.beforeNextAppend(() => elsewhere([at('one', seat('Bob'))], envelope()));

      await expect(here([at('one', seat('Ada'))], envelope())).rejects.toThrow('the table is full');

      expect(told().slice(1)).toEqual([
        { type: 'GuestSeated', data: { guest: 'Bob' } },
        { type: 'GuestTurnedAway', data: { guest: 'Ada' } },
      ]);
    });

    test('to somebody with the same wish changes nothing', async () => {
      await here([at('one', set(2))], envelope());
      store.beforeNextAppend(() => elsewhere([at('one', seat('Ada'))], envelope()));

      expect(await here([at('one', seat('Ada'))], envelope())).toMatchObject({ position: null });
      expect(types()).toEqual(['TableSet', 'GuestSeated']);
    });

    test('is lost by all of a commit, which is decided anew as a whole', async () => {
      await here([at('one', set(2)), at('two', set(2))], envelope());
      store.beforeNextAppend(() => elsewhere([at('two', seat('Bob'))], envelope()));

      await here([at('one', seat('Ada')), at('two', seat('Ada'))], envelope());

      expect(told().slice(2)).toEqual([
        { type: 'GuestSeated', data: { guest: 'Bob' } },
        { type: 'GuestSeated', data: { guest: 'Ada' } },
        { type: 'GuestSeated', data: { guest: 'Ada' } },
      ]);
    });

    test('keeps the request owner of its claim', async () => {
      await here([at('one', set(2))], envelope());
      store.beforeNextAppend(() => elsewhere([at('one', seat('Bob'))], envelope()));

      await here([at('one', seat('Ada'))], envelope(), [claim('assertion')]);

      const owners = store.asked.flatMap(({ state = [] }) => state).map(owner);
      expect(owners).toHaveLength(2);
      expect(owners[0]).toEqual(expect.any(String));
      expect(owners[1]).toBe(owners[0]);
    });

    test('time and again is a conflict in the end', async () => {
      store.append = async () => {
        throw new WrongExpectedRevision('table-one');
      };

      await expect(here([at('one', set(1))], envelope())).rejects.toMatchObject({
        code: 'conflict',
      });
    });
  });

  describe('a refusal', () => {
    test('records nothing when it proved nothing', async () => {
      await expect(here([at('one', seat('Ada'))], envelope())).rejects.toMatchObject({
        code: 'not_found',
      });

      expect(store.asked).toEqual([]);
    });

    test('that proved something is recorded, and then thrown', async () => {
      await here([at('one', set(1), seat('Ada'))], envelope());

      await expect(here([at('one', seat('Bob'))], envelope())).rejects.toMatchObject({
        code: 'conflict',
        message: 'the table is full',
      });

      expect(told().at(-1)).toEqual({ type: 'GuestTurnedAway', data: { guest: 'Bob' } });
    });

    test('records neither what else was wished, nor the rows', async () => {
      await here([at('one', set(1), seat('Ada')), at('two', set(2))], envelope());

      const refused = here([at('two', seat('Bob')), at('one', seat('Bob'))], envelope(), [
        claim('assertion'),
      ]);

      await expect(refused).rejects.toThrow('the table is full');
      expect(told().slice(3)).toEqual([{ type: 'GuestTurnedAway', data: { guest: 'Bob' } }]);
      await here([at('two', seat('Cid'), seat('Dora'))], envelope());
      expect(store.events.at(-1)).toMatchObject({ stream: 'table-two', revision: 2 });
      await expect(here([], envelope(), [claim('assertion')])).resolves.toBeDefined();
    });

    test('does not record what was wished before it in the same act', async () => {
      await here([at('one', set(1))], envelope());

      await expect(here([at('one', seat('Ada'), seat('Bob'))], envelope())).rejects.toThrow();

      expect(types()).toEqual(['TableSet', 'GuestTurnedAway']);
    });
  });

  describe('a remembered state', () => {
    test('spares reading', async () => {
      await here([at('one', set(2))], envelope());
      const before = store.reads.length;

      await here([at('one', seat('Ada'))], envelope());

      expect(store.reads).toHaveLength(before);
    });

    test('never refuses: the seat was given up elsewhere', async () => {
      await here([at('one', set(1), seat('Ada'))], envelope());
      await elsewhere([at('one', leave('Ada'))], envelope());

      await here([at('one', seat('Bob'))], envelope());

      expect(told().at(-1)).toEqual({ type: 'GuestSeated', data: { guest: 'Bob' } });
    });

    test('never throws: the table was set elsewhere', async () => {
      await here([at('one', leave('Nobody'))], envelope());
      await elsewhere([at('one', set(1))], envelope());

      await here([at('one', seat('Ada'))], envelope());

      expect(told().at(-1)).toEqual({ type: 'GuestSeated', data: { guest: 'Ada' } });
    });

    test('never says that a wish is true already: it was undone elsewhere', async () => {
      await here([at('one', set(2), seat('Ada'))], envelope());
      await elsewhere([at('one', leave('Ada'))], envelope());

      await here([at('one', seat('Ada'))], envelope());

      expect(types()).toEqual(['TableSet', 'GuestSeated', 'GuestLeft', 'GuestSeated']);
    });

    test('of one entity decides nothing because another is written', async () => {
      await here([at('one', set(2), seat('Ada')), at('two', set(2))], envelope());
      await elsewhere([at('one', leave('Ada'))], envelope());

      await here([at('one', seat('Ada')), at('two', seat('Ada'))], envelope());

      expect(told().slice(-2)).toEqual([
        { type: 'GuestSeated', data: { guest: 'Ada' } },
        { type: 'GuestSeated', data: { guest: 'Ada' } },
      ]);
    });

    test('is what a refusal left, not what it refused', async () => {
      await here([at('one', set(1), seat('Ada'))], envelope());
      const refused = here([at('one', leave('Ada'), seat('Bob'), seat('Cid'))], envelope());
      await expect(refused).rejects.toThrow('the table is full');

      await here([at('one', leave('Ada'))], envelope());

      expect(types()).toEqual(['TableSet', 'GuestSeated', 'GuestTurnedAway', 'GuestLeft']);
    });

    test('is forgotten when there are too many, and read again', async () => {
      const forgetful = executor(store, { remembered: 1 });
      await forgetful([at('one', set(2))], envelope());
      await forgetful([at('two', set(2))], envelope());

      await forgetful([at('one', seat('Ada'))], envelope());

      expect(store.events.at(-1)).toMatchObject({ stream: 'table-one', revision: 1 });
    });
  });

  describe('an expected version', () => {
    test('lets the wish through at that version', async () => {
      await here([at('one', set(2))], envelope());

      await here([act(table, 'one', [seat('Ada')], { expectedVersion: 1 })], envelope());

      expect(types()).toEqual(['TableSet', 'GuestSeated']);
    });

    test('refuses at another with stale_version, and tells the one there is', async () => {
      await here([at('one', set(2), seat('Ada'))], envelope());

      const stale = here([act(table, 'one', [seat('Bob')], { expectedVersion: 1 })], envelope());

      await expect(stale).rejects.toMatchObject({
        code: 'stale_version',
        detail: { field: 'expectedVersion', version: 2 },
      });
      expect(store.events).toHaveLength(2);
    });

    test('is not compared with a remembered version', async () => {
      await here([at('one', set(2))], envelope());
      await elsewhere([at('one', seat('Bob'))], envelope());

      await here([act(table, 'one', [seat('Ada')], { expectedVersion: 2 })], envelope());

      expect(store.events).toHaveLength(3);
    });

    test('is stale when somebody was faster', async () => {
      await here([at('one', set(2))], envelope());
      store.beforeNextAppend(() => elsewhere([at('one', seat('Bob'))], envelope()));

      const stale = here([act(table, 'one', [seat('Ada')], { expectedVersion: 1 })], envelope());

      await expect(stale).rejects.toMatchObject({ code: 'stale_version', detail: { version: 2 } });
      expect(store.events).toHaveLength(2);
    });
  });

  describe('a fresh entity', () => {
    test('is not read', async () => {
      await here([act(table, 'one', [set(2)], { fresh: true })], envelope());
      await here([at('one', seat('Ada'))], envelope());

      expect(store.reads).toEqual([]);
    });

    test('is read after all when it was there before', async () => {
      await elsewhere([at('one', set(2))], envelope());

      const refused = here([act(table, 'one', [set(2)], { fresh: true })], envelope());

      await expect(refused).rejects.toMatchObject({ code: 'already_exists' });
      expect(store.events).toHaveLength(1);
    });
  });

  describe('a blind entity', () => {
    const ring = (by: string) => act(bell, 'tower', [{ type: 'Ring', data: { by } }]);

    test('is appended to at any revision, and never read', async () => {
      await Promise.all([here([ring('Ada')], envelope()), elsewhere([ring('Bob')], envelope())]);
      await here([ring('Cid')], envelope());

      expect(store.events.map(({ revision }) => revision)).toEqual([0, 1, 2]);
      expect(store.reads).toEqual([]);
    });

    test('is not read when another entity of the commit lost its race', async () => {
      await here([at('one', set(2))], envelope());
      store.beforeNextAppend(() => elsewhere([at('one', seat('Bob'))], envelope()));

      await here([at('one', seat('Ada')), ring('Ada')], envelope());

      expect(store.reads).not.toContain('bell-tower');
      expect(types().filter((type) => type === 'BellRang')).toHaveLength(1);
    });
  });

  describe('a claim', () => {
    test('that was taken refuses the commit with already_used', async () => {
      await here([], envelope(), [claim('assertion')]);

      const refused = here([at('one', set(1))], envelope(), [claim('assertion')]);

      await expect(refused).rejects.toMatchObject({
        name: 'DomainError',
        code: 'already_used',
        detail: { model: 'Assertion' },
      });
      expect(store.events).toEqual([]);
    });

    test('is owned by one request: the same row of two requests is taken once', async () => {
      const same = claim('assertion');

      const results = await Promise.allSettled([
        here([at('one', set(1))], envelope(), [same]),
        here([at('two', set(1))], envelope(), [same]),
      ]);

      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    });
  });

  test('passes on that the log cannot be reached, and remembers nothing of the attempt', async () => {
    await here([at('one', set(1))], envelope());
    store.beforeNextAppend(async () => {
      throw new LogUnavailable();
    });
    await expect(here([at('one', seat('Ada'))], envelope())).rejects.toThrow(LogUnavailable);

    await here([at('one', seat('Bob'))], envelope());

    expect(told().at(-1)).toEqual({ type: 'GuestSeated', data: { guest: 'Bob' } });
  });

  describe('while the read models do not show what was recorded', () => {
    const remove: Wish<TableWishes> = { type: 'Remove', data: {} };
    const waited: string[] = [];

    beforeEach(async () => {
      waited.length = 0;
      const shown = async (position: string) => {
        waited.push(position);
        return !store.behind;
      };
      [here, elsewhere] = [executor(store, { shown }), executor(store, { shown })];
      await here([at('one', set(1)), at('two', set(1))], envelope());
      store.behind = true;
    });

    test('an end is recorded, and nobody is told so', async () => {
      await expect(here([at('one', remove)], envelope())).rejects.toThrow(LogUnavailable);
      expect(types()).toEqual(['TableSet', 'TableSet', 'TableRemoved']);
    });

    test('nobody is told of an end that was recorded before, on any node', async () => {
      await here([at('one', remove)], envelope()).catch(() => undefined);

      for (const node of [here, elsewhere]) {
        await expect(node([at('one', remove)], envelope())).rejects.toThrow(LogUnavailable);
      }
      store.behind = false;
      expect(await elsewhere([at('one', remove)], envelope())).toMatchObject({ writes: [] });
      expect(new Set(waited)).toEqual(new Set([store.events[2]?.position]));
    });

    test('what begins is told: whoever looks for it waits', async () => {
      const { position } = await here([at('one', seat('Ada'))], envelope());
      expect(position).toBe(store.events.at(-1)?.position);
    });
  });

  describe('text', () => {
    test.each([
      ['U+0000', 'a\u0000b'],
      ['U+0000 after a backslash', 'a\\\u0000b'],
      ['half a surrogate pair', 'a\ud83d'],
    ])('with %s is refused before any engine has taken it', async (_, guest) => {
      await here([at('one', set(2))], envelope());

      await expect(here([at('one', seat(guest))], envelope())).rejects.toMatchObject({
        code: 'invalid',
      });
      expect(store.events).toHaveLength(1);
    });

    test.each(['\\u0000', '\\\\u0000', '\\ud83d', '😀'])('%j is as good as any', async (guest) => {
      await here([at('one', set(2), seat(guest))], envelope());

      expect(told().at(-1)).toEqual({ type: 'GuestSeated', data: { guest } });
    });
  });
});

function at(id: string, ...wishes: Wish<TableWishes>[]) {
  return act(table, id, wishes);
}

function set(seats: number): Wish<TableWishes> {
  return { type: 'SetTable', data: { seats } };
}

function seat(guest: string): Wish<TableWishes> {
  return { type: 'Seat', data: { guest } };
}

function leave(guest: string): Wish<TableWishes> {
  return { type: 'Leave', data: { guest } };
}

function claim(id: string): StateChange {
  return { op: 'claim', model: 'Assertion', id, lookup: null, payload: null, expiresAt: null };
}

function owner(change: StateChange): string | null {
  return change.op === 'drop' ? null : change.lookup;
}
