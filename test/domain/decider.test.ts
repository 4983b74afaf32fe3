import { describe, expect, test } from '@jest/globals';
import { type Decider, decide, fold, own, same, streamOf } from '../../src/domain/decider.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { given } from '../support/decider-spec.ts';

type LampFacts = { LampLit: { by: string }; LampSmashed: { by: string } };
type LampWishes = { Light: { by: string }; Smash: { by: string }; Sell: { by: string } };

const lamp: Decider<{ lit: boolean }, LampWishes, LampFacts> = {
  category: 'lamp',
  initial: { lit: false },
  evolve: { LampLit: () => ({ lit: true }), LampSmashed: () => ({ lit: false }) },
  decide: {
    Light: ({ by }, { lit }) => (lit ? [] : [{ type: 'LampLit', data: { by } }]),
    Smash: ({ by }) => ({
      refused: new DomainError('conflict', 'not yours', { field: 'by', owner: 'ada' }),
      facts: [{ type: 'LampSmashed', data: { by } }],
    }),
    Sell: () => {
      throw new DomainError('disabled', 'not for sale', { field: 'by' });
    },
  },
};

const lit = { type: 'LampLit', data: { by: 'ada' } } as const;
const smashed = { type: 'LampSmashed', data: { by: 'bob' } } as const;
const light = { type: 'Light', data: { by: 'ada' } } as const;
const smash = { type: 'Smash', data: { by: 'bob' } } as const;
const sell = { type: 'Sell', data: { by: 'bob' } } as const;

describe('fold', () => {
  test('applies facts in order, from the initial state', () => {
    expect(fold(lamp, [])).toEqual({ lit: false });
    expect(fold(lamp, [lit])).toEqual({ lit: true });
    expect(fold(lamp, [lit, smashed])).toEqual({ lit: false });
  });

  test('goes on from a state it is given', () => {
    expect(fold(lamp, [], { lit: true })).toEqual({ lit: true });
  });

  test.each(['LampSold', 'toString'])('stops at a fact the decider does not know: %s', (type) => {
    expect(() => fold(lamp, [{ type, data: {} }])).toThrow(`lamp does not know the fact ${type}`);
  });
});

describe('decide', () => {
  test('returns the facts of a wish that is granted', () => {
    expect(decide(lamp, light, lamp.initial)).toEqual({ facts: [lit] });
  });

  test('returns the reason beside the facts of a refusal that proved something', () => {
    expect(decide(lamp, smash, lamp.initial)).toEqual({
      refused: expect.objectContaining({ code: 'conflict' }),
      facts: [smashed],
    });
  });

  test('lets the error of a plain refusal through', () => {
    expect(() => decide(lamp, sell, lamp.initial)).toThrow(DomainError);
  });
});

test('a stream is named by category and id', () => {
  expect(streamOf(lamp, 'a-1')).toBe('lamp-a-1');
});

describe('same', () => {
  test.each([
    [1, 1],
    ['a', 'a'],
    [null, null],
    [
      { a: 1, b: [{ c: null }] },
      { b: [{ c: null }], a: 1 },
    ],
    [[], []],
  ])('holds %j and %j for the same', (a, b) => {
    expect(same(a, b)).toBe(true);
  });

  test.each([
    [1, '1'],
    [null, {}],
    [{}, null],
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [{ a: null }, {}],
    [
      [1, 2],
      [2, 1],
    ],
    [['a'], ['a', 'b']],
    [['a'], { 0: 'a' }],
    [[], {}],
    ['a', ['a']],
  ])('holds %j and %j apart', (a, b) => {
    expect(same(a, b)).toBe(false);
  });
});

test('own finds what a record holds, and nothing that it inherits', () => {
  expect(own({ a: 1 }, 'a')).toBe(1);
  expect(own({ a: 1 }, 'b')).toBeUndefined();
  expect(own({}, 'toString')).toBeUndefined();
  expect(own({}, '__proto__')).toBeUndefined();
});

describe('the sentences that the other tests are written in', () => {
  test('hold when they are true', () => {
    given(lamp).when(light).then(lit);
    given(lamp, lit).when(light).thenNothing();
    given(lamp).when(sell).thenRefused('disabled', { field: 'by' });
    given(lamp)
      .when(smash)
      .thenRefused('conflict', { field: 'by', owner: 'ada', facts: [smashed] });
  });

  test.each<[string, () => unknown]>([
    ['facts that were not decided', () => given(lamp, lit).when(light).then(lit)],
    ['other facts than were decided', () => given(lamp).when(light).then(smashed)],
    ['facts of a refusal', () => given(lamp).when(smash).then(smashed)],
    ['nothing, when there is a fact', () => given(lamp).when(light).thenNothing()],
    ['nothing, when it is refused', () => given(lamp).when(sell).thenNothing()],
    ['a refusal of what is granted', () => given(lamp).when(light).thenRefused('disabled')],
    ['another code', () => given(lamp).when(sell).thenRefused('conflict', { field: 'by' })],
    ['another field', () => given(lamp).when(sell).thenRefused('disabled', { field: 'to' })],
    ['no field, when there is one', () => given(lamp).when(sell).thenRefused('disabled')],
    [
      'a refusal without its facts',
      () => given(lamp).when(smash).thenRefused('conflict', { field: 'by', owner: 'ada' }),
    ],
  ])('fail when they claim %s', (_, sentence) => {
    expect(sentence).toThrow();
  });
});
