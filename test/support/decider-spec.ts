import { expect } from '@jest/globals';
import { type Decider, decide, type Fact, fold, type Wish } from '../../src/domain/decider.ts';
import { DomainError, type DomainErrorCode } from '../../src/domain/errors.ts';

/**
 * A test as a sentence of facts: `given(user, registered).when(erase).then(erased)`. Nothing is
 * asserted before the sentence is finished with one of the three `then`s.
 */
export function given<S, W, F extends Record<keyof F, object>>(
  decider: Decider<S, W, F>,
  ...past: NoInfer<Fact<F>>[]
) {
  const state = fold(decider, past);
  return {
    when: (wish: Wish<W>) => ({
      /** The wish is granted, with exactly these facts. */
      // biome-ignore lint/suspicious/noThenProperty: a sentence is never awaited
      then: (...facts: Fact<F>[]) => expect(attempt(decider, wish, state)).toStrictEqual({ facts }),
      /** What was wished is true already. */
      thenNothing: () => expect(attempt(decider, wish, state)).toStrictEqual({ facts: [] }),
      /** Refused with this code and exactly this detail, and nothing recorded but `facts`. */
      thenRefused(code: DomainErrorCode, expected: Detail & { facts?: Fact<F>[] } = {}) {
        const { facts: proved, refused } = attempt(decider, wish, state);
        const { facts = [], ...detail } = expected;
        expect({ code: refused?.code, detail: refused?.detail, facts: proved }).toStrictEqual({
          code,
          detail,
          facts,
        });
      },
    }),
  };
}

type Detail = DomainError['detail'];

/** Puts a wish to a state; a refusal is returned, whichever way the decider expressed it. */
export function attempt<S, W, F>(
  decider: Decider<S, W, F>,
  wish: Wish<W>,
  state: S,
): { facts: readonly Fact<F>[]; refused?: DomainError } {
  try {
    return decide(decider, wish, state);
  } catch (error) {
    if (error instanceof DomainError) return { facts: [], refused: error };
    throw error;
  }
}
