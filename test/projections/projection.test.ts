import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { minifySync, transformSync } from '@swc/core';
import { readModelSql } from '../../src/projections/apply.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import {
  type AnyProjection,
  type Change,
  type Changes,
  entityId,
  type Projection,
  project,
} from '../../src/projections/projection.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { eventOf } from '../support/projectable.ts';

interface LampRow {
  readonly lamp: string;
  readonly lit: boolean;
  readonly by: string | null;
}

/** Each fact says itself what it does to rows, so that a test can be read on its own. */
type LampFacts = { Told: { changes: readonly Change<LampRow, 'lamp'>[] } };

const lamps: Projection<LampRow, 'lamp', LampFacts> = {
  table: 'lamps',
  key: ['lamp'],
  columns: { lamp: 'text', lit: 'boolean not null', by: 'text' },
  on: { Told: ({ data }) => data.changes },
};

const on = { put: { lamp: 'a', lit: true, by: 'ada' } };
const off = { set: { lamp: 'a', lit: false } };
const nobody = { set: { lamp: 'a', by: null } };
const gone = { drop: { lamp: 'a' } };

/** Projects one event for each argument, with revisions from 0. */
function told(...changes: (Change<LampRow, 'lamp'> | readonly Change<LampRow, 'lamp'>[])[]) {
  return project(
    [lamps],
    changes.map((each, revision) =>
      eventOf('lamp-a', revision, 'Told', { changes: Array.isArray(each) ? each : [each] }),
    ),
  );
}

/** The one change of the one row. */
function only(changes: Changes) {
  const all = [...changes].flatMap(([table, rows]) =>
    [...rows.values()].map((row) => [table, row]),
  );
  expect(all).toHaveLength(1);
  return all[0]?.[1];
}

describe('one change', () => {
  test('is written with the revision of its event', () => {
    const event = eventOf('lamp-a', 7, 'Told', { changes: [on] });
    expect(only(project([lamps], [event]))).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: true, by: 'ada', revision: 7 },
    });
  });

  test('keeps its kind', () => {
    expect(only(told(off))).toStrictEqual({
      op: 'set',
      row: { lamp: 'a', lit: false, revision: 0 },
    });
    expect(only(told(gone))).toStrictEqual({ op: 'drop', row: { lamp: 'a', revision: 0 } });
  });
});

describe('two changes to one row become one', () => {
  test('put, set: the whole row as it is then', () => {
    expect(only(told(on, off))).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: false, by: 'ada', revision: 1 },
    });
  });

  test('set, set: the columns of both, the later wins', () => {
    expect(only(told(off, nobody))).toStrictEqual({
      op: 'set',
      row: { lamp: 'a', lit: false, by: null, revision: 1 },
    });
    expect(only(told(off, { set: { lamp: 'a', lit: true } }))).toStrictEqual({
      op: 'set',
      row: { lamp: 'a', lit: true, revision: 1 },
    });
  });

  test('set, put: the row that was put', () => {
    expect(only(told(nobody, on))).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: true, by: 'ada', revision: 1 },
    });
  });

  test('put, put: the later', () => {
    const later = { put: { lamp: 'a', lit: false, by: null } };
    expect(only(told(on, later))).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: false, by: null, revision: 1 },
    });
  });

  test.each([
    { name: 'put, drop', before: on },
    { name: 'set, drop', before: off },
    { name: 'drop, drop', before: gone },
  ])('$name: the end of the row', ({ before }) => {
    expect(only(told(before, gone))).toStrictEqual({
      op: 'drop',
      row: { lamp: 'a', revision: 1 },
    });
  });

  test('drop, put: the new row', () => {
    expect(only(told(gone, on))).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: true, by: 'ada', revision: 1 },
    });
  });

  test('drop, set: the end of the row, for there is none to change', () => {
    expect(only(told(gone, off))).toStrictEqual({ op: 'drop', row: { lamp: 'a', revision: 0 } });
  });

  test('also when one event makes them both', () => {
    expect(only(told([on, off]))).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: false, by: 'ada', revision: 0 },
    });
  });

  test('and over several calls, when one goes on where another ended', () => {
    const changes = told(on);
    const next = eventOf('lamp-a', 1, 'Told', { changes: [off] });
    expect(project([lamps], [next], changes)).toBe(changes);
    expect(only(changes)).toStrictEqual({
      op: 'put',
      row: { lamp: 'a', lit: false, by: 'ada', revision: 1 },
    });
  });
});

test('changes to different rows stay apart, those of a compound key too', () => {
  const pairs: AnyProjection = {
    table: 'pairs',
    key: ['x', 'y'],
    columns: { x: 'text', y: 'text' },
    on: {
      Paired: () => [
        { put: { x: 'a', y: 'b,c' } },
        { put: { x: 'a,b', y: 'c' } },
        { put: { x: 'a', y: 'b' } },
        { put: { x: 'b', y: 'a' } },
      ],
    },
  };
  const changes = project([pairs], [eventOf('pair-1', 0, 'Paired', {})]);
  expect(changes.get('pairs')?.size).toBe(4);
});

describe('a projection', () => {
  const heard: unknown[] = [];
  const listener: AnyProjection = {
    table: 'heard',
    key: ['id'],
    columns: { id: 'text' },
    on: {
      Told: (told) => {
        heard.push(told);
        return [{ put: { id: (told as { id: string }).id } }];
      },
    },
  };

  test('is told the data, the id of the entity and the time of the fact', () => {
    const event = eventOf('lamp-a-b', 3, 'Told', { changes: [] }, 60);
    expect(only(project([listener], [event]))).toStrictEqual({
      op: 'put',
      row: { id: 'a-b', revision: 3 },
    });
    expect(heard).toStrictEqual([
      { data: { changes: [] }, id: 'a-b', at: '2026-01-01T00:01:00.000Z' },
    ]);
  });

  test.each(['Smashed', 'toString'])('does not hear of facts that it does not list: %s', (type) => {
    expect(project([listener], [eventOf('lamp-a', 0, type, {})]).size).toBe(0);
  });

  test('answers beside the others', () => {
    const changes = project([lamps, listener], [eventOf('lamp-a', 0, 'Told', { changes: [on] })]);
    expect([...changes.keys()]).toEqual(['lamps', 'heard']);
  });
});

test('the id of an entity is what follows the category', () => {
  expect(entityId('client-demo')).toBe('demo');
  expect(entityId('client-a-b')).toBe('a-b');
});

describe('the version of the read models', () => {
  const source = (path: string) => new URL(`../../src/${path}`, import.meta.url);
  const list = readFileSync(source('projections/index.ts'), 'utf8');
  const files = [...list.matchAll(/ from '\.\/([a-z-]+\.ts)'/g)].map(
    ([, file]) => `projections/${file}`,
  );

  /** What a file does: neither its types nor its comments nor how it is laid out. */
  function essence(path: string): string {
    const { code } = transformSync(readFileSync(source(path), 'utf8'), {
      jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
    });
    return minifySync(code, { module: true, compress: false, mangle: false }).code;
  }

  test('is another as soon as tables or answers are, so that they are built anew', () => {
    const digest = createHash('sha256').update(readModelSql('models', protocolReadModels));
    for (const file of [...files, 'projections/projection.ts', 'eventstore/upcast.ts']) {
      digest.update(essence(file));
    }
    const version = `read_${digest.digest('hex').slice(0, 8)}`;
    if (process.env.WRITE_VERSION) {
      const path = source('projections/version.ts');
      writeFileSync(path, readFileSync(path, 'utf8').replace(/read_[0-9a-f]{8}/, version));
    } else expect(READ_SCHEMA).toBe(version);
  });
});
