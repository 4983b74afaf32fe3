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
    when(wish: Wish<W>) {
      const outcome = () => decide(decider, wish, state);
      return {
        /** The wish is granted, with exactly these facts. */
        // biome-ignore lint/suspicious/noThenProperty: a sentence is never awaited
        then: (...facts: Fact<F>[]) => expect(outcome()).toStrictEqual({ facts }),
        /** What was wished is true already. */
        thenNothing: () => expect(outcome()).toStrictEqual({ facts: [] }),
        /** Refused with this code and exactly this detail, and nothing recorded but `facts`. */
        thenRefused(code: DomainErrorCode, expected: Detail & { facts?: Fact<F>[] } = {}) {
          const { facts = [], ...detail } = expected;
          const { refused, facts: proved } = refusal(outcome);
          expect({ code: refused.code, detail: refused.detail, facts: proved }).toStrictEqual({
            code,
            detail,
            facts,
          });
        },
      };
    },
  };
}

type Detail = DomainError['detail'];

function refusal(outcome: () => { facts: readonly object[]; refused?: DomainError }) {
  try {
    const { facts, refused } = outcome();
    if (!refused) throw new Error(`granted with ${JSON.stringify(facts)}`);
    return { facts, refused };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { facts: [], refused: error };
  }
}
