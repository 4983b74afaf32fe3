import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fold } from '../../src/domain/decider.ts';
import {
  deciderOf,
  type EntityName,
  entityNames,
  type Step,
  steps,
} from '../support/arbitraries.ts';
import { attempt } from '../support/decider-spec.ts';

/** Wishes that decide the same facts again when they are repeated, and why they may. */
const REPEATABLE: Readonly<Record<string, string>> = {
  SetPassword: 'each sealing of a password differs, so the state does not keep the text to compare',
  ChangeBackchannelCode: 'each sealing of a code differs, as of a password',
  EndUserSessions: 'there may be others by now',
  RevokeUserGrants: 'there may be others by now',
  RevokeClientGrants: 'there may be others by now',
  RecordSignInFailure: 'each attempt is one of its own',
  RecordAuditReading: 'each look is one of its own',
  ChangeUserClaims: 'each sealing of the claims differs, so the state does not keep the text',
};

/** The indispensable scope is among the ids, for it follows a rule of its own. */
const lifeOf = (name: EntityName) =>
  fc.constantFrom('one', 'openid').chain((id) => steps([[name, id]], 24));

/** Puts the wishes of one entity to it, each to the state the former left. */
function live(name: EntityName, life: readonly Step[]) {
  const decider = deciderOf(name);
  let state = decider.initial;
  return life.map(({ wish }) => {
    const before = state;
    const { facts, refused } = attempt(decider, wish, before);
    state = fold(decider, facts, before);
    return { wish, before, facts, refused, after: state };
  });
}

/** Names what a state is made of. */
function shapeOf(state: unknown): string {
  return state instanceof Object ? Object.keys(state).sort().join() : String(state);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

describe.each(entityNames)('%s', (name) => {
  const decider = deciderOf(name);
  const life = lifeOf(name);

  test('random wishes bring about every fact there is', () => {
    const seen = fc
      .sample(life, { numRuns: 300, seed: 1 })
      .flatMap((steps) => live(name, steps))
      .flatMap(({ facts }) => facts.map(({ type }) => type));
    expect([...new Set(seen)].sort()).toEqual(Object.keys(decider.evolve).sort());
  });

  test('every decided fact folds into a whole state', () => {
    fc.assert(
      fc.property(life, (steps) => {
        const shapes = live(name, steps).map(({ after }) => shapeOf(after));
        expect(new Set(shapes)).toEqual(new Set(shapes.map(() => shapeOf(decider.initial))));
      }),
    );
  });

  test('a wish repeated at once is granted nothing', () => {
    fc.assert(
      fc.property(life, (steps) => {
        const granted = live(name, steps)
          .filter(({ wish }) => !Object.hasOwn(REPEATABLE, wish.type))
          .map(({ wish, after }) => attempt(decider, wish, after))
          .filter(({ refused }) => !refused);
        expect(granted.flatMap(({ facts }) => facts)).toEqual([]);
      }),
    );
  });

  test('facts are plain JSON', () => {
    fc.assert(
      fc.property(life, (steps) => {
        const facts = live(name, steps).flatMap((step) => step.facts);
        expect(JSON.parse(JSON.stringify(facts))).toStrictEqual(facts);
      }),
    );
  });

  test('a decision depends on nothing but wish and state, and changes neither', () => {
    fc.assert(
      fc.property(life, (steps) => {
        const once = live(name, steps);
        const again = deepFreeze(once).map(({ wish, before }) => {
          const { facts, refused } = attempt(decider, wish, before);
          return { wish, before, facts, refused, after: fold(decider, facts, before) };
        });
        expect(again).toStrictEqual(once);
      }),
    );
  });
});
