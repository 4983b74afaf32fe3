import { describe, expect, test } from '@jest/globals';
import { filledIn } from '../../src/eventstore/upcast.ts';

describe('a fact written before it had all its fields', () => {
  test('is given what held before there was the field', () => {
    expect(filledIn({ name: 'a' }, { colour: null })).toEqual({ name: 'a', colour: null });
  });

  test('keeps what it says, null and false as well', () => {
    const said = { name: null, on: false, list: [] };
    expect(filledIn(said, { name: 'x', on: true, list: [1] })).toEqual(said);
  });

  test('is filled in within its objects, and never within its lists', () => {
    const before = { requirements: { pkce: false }, list: [{}] };
    expect(
      filledIn(before, { requirements: { pkce: true, dpop: false }, list: [{ a: 1 }] }),
    ).toEqual({
      requirements: { pkce: false, dpop: false },
      list: [{}],
    });
  });
});
