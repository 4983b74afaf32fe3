import fc from 'fast-check';
import { fold } from '../../src/domain/decider.ts';
import type { Projectable } from '../../src/projections/projection.ts';
import { deciderOf, entityNames, type Step, steps } from './arbitraries.ts';
import { attempt } from './decider-spec.ts';
import { eventOf } from './projectable.ts';

/** What happens when the wishes are put one after the other, as one log. */
export function happen(wishes: readonly Step[]): Projectable[] {
  const states = new Map<string, unknown>();
  const log: Projectable[] = [];
  for (const { name, stream, wish } of wishes) {
    const decider = deciderOf(name);
    const state = states.has(stream) ? states.get(stream) : decider.initial;
    const { facts } = attempt(decider, wish, state);
    states.set(stream, fold(decider, facts, state));
    const revision = log.filter((event) => event.stream === stream).length;
    log.push(
      ...facts.map((fact, n) =>
        eventOf(stream, revision + n, fact.type, fact.data, log.length + n),
      ),
    );
  }
  return log;
}

/** Up to four entities of any kind live at the same time. */
export const histories = fc
  .subarray(
    entityNames.flatMap((name) => ['one', 'two'].map((id) => [name, id] as const)),
    { minLength: 1, maxLength: 4 },
  )
  .chain((entities) => steps(entities, 40))
  .map(happen);
