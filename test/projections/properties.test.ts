import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClientState } from '../../src/domain/client.ts';
import { fold } from '../../src/domain/decider.ts';
import type { ScopeState } from '../../src/domain/scope.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { type AnyProjection, type Projectable, project } from '../../src/projections/projection.ts';
import { deciderOf, steps } from '../support/arbitraries.ts';
import { happen, histories } from '../support/histories.ts';

const readModels: readonly AnyProjection[] = protocolReadModels;

type Row = Readonly<Record<string, unknown>> & { readonly revision: number };
type Tables = Map<string, Map<string, Row>>;

/** Writes changes as the SQL in apply.ts does: a row takes only what is newer than itself. */
function write(tables: Tables, events: readonly Projectable[]): void {
  for (const [table, changes] of project(readModels, events)) {
    const rows = tables.get(table) ?? new Map<string, Row>();
    tables.set(table, rows);
    for (const [key, change] of changes) {
      const row = change.row as Row;
      const before = rows.get(key);
      const newer = !before || before.revision < row.revision;
      if (change.op === 'drop') rows.delete(key);
      else if (change.op === 'put' && newer) rows.set(key, row);
      else if (change.op === 'set' && newer && before) rows.set(key, { ...before, ...row });
    }
  }
}

/** The read models after these batches, in an order that does not depend on how they came about. */
function written(batches: readonly (readonly Projectable[])[]) {
  const tables: Tables = new Map();
  for (const batch of batches) write(tables, batch);
  const rows = [...tables].flatMap(([table, rows]) => [...rows].map((row) => [table, ...row]));
  return rows.sort((a, b) => (String([a[0], a[1]]) < String([b[0], b[1]]) ? -1 : 1));
}

/** Cuts a history at random places. */
function cut(log: readonly Projectable[], sizes: readonly number[]): Projectable[][] {
  const batches: Projectable[][] = [];
  for (let from = 0, n = 0; from < log.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    batches.push(log.slice(from, from + size));
    from += size;
  }
  return batches;
}
const sizes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 5 });

test('random histories write to every read model, in every way', () => {
  const changes = fc
    .sample(histories, { numRuns: 300, seed: 1 })
    .flatMap((log) => log.flatMap((event) => [...project(readModels, [event])]))
    .flatMap(([table, rows]) => [...rows.values()].map(({ op }) => [table, op] as const));
  expect(new Set(changes.map(([table]) => table))).toEqual(
    new Set(readModels.map(({ table }) => table)),
  );
  expect(new Set(changes.map(([, op]) => op))).toEqual(new Set(['put', 'set', 'drop']));
});

describe('however a history is written, the rows are the same', () => {
  test('event by event, in batches, or all at once', () => {
    fc.assert(
      fc.property(histories, sizes, (log, sizes) => {
        const atOnce = written([log]);
        expect(written(log.map((event) => [event]))).toStrictEqual(atOnce);
        expect(written(cut(log, sizes))).toStrictEqual(atOnce);
      }),
    );
  });

  test('once, or twice', () => {
    fc.assert(
      fc.property(histories, sizes, (log, sizes) => {
        const once = written([log]);
        expect(written([log, log])).toStrictEqual(once);
        expect(written([log, ...cut(log, sizes)])).toStrictEqual(once);
      }),
    );
  });

  test('taken up again from any place before the last one written', () => {
    fc.assert(
      fc.property(histories, sizes, fc.nat(40), fc.nat(40), (log, sizes, a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const resumed = written([log.slice(0, to), ...cut(log.slice(from), sizes)]);
        expect(resumed).toStrictEqual(written([log]));
      }),
    );
  });
});

describe('every row', () => {
  const changes = histories.map((log) =>
    [...project(readModels, log)].flatMap(([table, rows]) => {
      const model = readModels.find((each) => each.table === table) as AnyProjection;
      return [...rows.values()].map((change) => ({ model, ...change }));
    }),
  );

  test('that is put has exactly the declared columns, and others have no more', () => {
    fc.assert(
      fc.property(changes, (changes) => {
        for (const { model, op, row } of changes) {
          const declared = [...Object.keys(model.columns), 'revision'];
          if (op === 'put') expect(Object.keys(row).sort()).toEqual(declared.sort());
          else expect(declared).toEqual(expect.arrayContaining(Object.keys(row)));
        }
      }),
    );
  });

  test('has the whole of its key', () => {
    fc.assert(
      fc.property(changes, (changes) => {
        const keys = changes.flatMap(({ model, row }) => model.key.map((column) => row[column]));
        expect(keys.filter((value) => typeof value !== 'string')).toEqual([]);
      }),
    );
  });

  test('is plain JSON, with nothing left empty that may not be', () => {
    fc.assert(
      fc.property(changes, (changes) => {
        const rows = changes.map(({ row }) => row);
        expect(JSON.parse(JSON.stringify(rows))).toStrictEqual(rows);
        const missing = changes.flatMap(({ model, row }) =>
          Object.entries(model.columns).filter(
            ([column, type]) => type.includes('not null') && row[column] === null,
          ),
        );
        expect(missing).toEqual([]);
      }),
    );
  });
});

describe('the read models show what the entity knows', () => {
  const rowsOf = (table: string, log: readonly Projectable[]) =>
    written([log]).flatMap(([name, , row]) => (name === table ? [row as Row] : []));

  test('of the translations of a scope, through all its lives', () => {
    fc.assert(
      fc.property(steps([['scope', 'one']], 40).map(happen), (log) => {
        const { localizations } = fold(deciderOf('scope'), log) as ScopeState;
        const shown = rowsOf('scope_texts', log).map((row) => row.locale);
        expect(shown.sort()).toEqual(Object.keys(localizations).sort());
      }),
    );
  });

  test('of the secrets of a client, to its end', () => {
    fc.assert(
      fc.property(steps([['client', 'one']], 40).map(happen), (log) => {
        const { secrets } = fold(deciderOf('client'), log) as ClientState;
        const shown = rowsOf('client_secrets', log).map((row) => row.secret_id);
        expect(shown.sort()).toEqual(secrets.map(({ secretId }) => secretId).sort());
      }),
    );
  });
});

test('whatever happens to a client changes the revision of its row, by which it is remembered', () => {
  const histories = steps([['client', 'one']], 30).map(happen);
  fc.assert(
    fc.property(histories, (log) => {
      for (const [nth, { revision }] of log.entries()) {
        const rows = written([log.slice(0, nth + 1)]);
        const row = rows.find(([table]) => table === 'clients')?.[2];
        if (row) expect((row as Row).revision).toBe(revision);
      }
    }),
  );
});
