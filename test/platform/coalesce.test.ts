import { expect, test } from '@jest/globals';
import { coalesced } from '../../src/platform/coalesce.ts';

/** A loader that notes its batches; `release` lets the one under way end. */
function loader(options: { maxBatch?: number } = {}) {
  const batches: number[][] = [];
  let underWay = Promise.withResolvers<void>();
  const load = coalesced<number, number>(async (keys) => {
    batches.push([...keys]);
    await underWay.promise;
    return keys.map((key) => (key < 0 ? new RangeError(`no ${key}`) : key * 2));
  }, options);
  const release = () => {
    underWay.resolve();
    underWay = Promise.withResolvers();
  };
  return { load, batches, release };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number) => {
  for (let nth = 0; nth < count; nth++) await turn();
};

test('what is asked in one moment is one batch, answered in its order', async () => {
  const { load, batches, release } = loader();
  const answers = Promise.all([load(1), load(2), load(1)]);
  await turns(2);
  release();
  expect(await answers).toEqual([2, 4, 2]);
  expect(batches).toEqual([[1, 2, 1]]);
});

test('who comes while others gather goes with them, and a lone caller waits for nobody', async () => {
  const { load, batches, release } = loader();
  const first: Promise<number>[] = [];
  setImmediate(() => first.push(load(2)));
  first.push(load(1));
  await turns(4);
  expect(batches).toEqual([[1, 2]]);
  release();
  await Promise.all(first);

  const alone = load(3);
  await turns(2);
  expect(batches).toEqual([[1, 2], [3]]);
  release();
  expect(await alone).toBe(6);
});

test('a steady stream of callers does not keep the first ones waiting', async () => {
  const { load, batches, release } = loader();
  let comers = 0;
  const answers: Promise<number>[] = [];
  const come = () => {
    answers.push(load(comers));
    if (++comers < 100) setImmediate(come);
  };
  come();
  while (batches.length === 0) await turn();
  expect(comers).toBeLessThan(20);
  while (comers < 100) await turn();
  release();
  await turns(4);
  release();
  expect(await Promise.all(answers)).toHaveLength(100);
  expect(batches).toHaveLength(2);
});

test('what comes while a batch is under way is the next one, cut to what fits', async () => {
  const { load, batches, release } = loader({ maxBatch: 2 });
  const answers = Promise.all([load(1)]);
  await turns(2);
  const later = Promise.all([load(2), load(3), load(4)]);
  await turns(4);
  expect(batches).toEqual([[1]]);
  for (let nth = 0; nth < 3; nth++) {
    release();
    await turns(4);
  }
  expect(batches).toEqual([[1], [2, 3], [4]]);
  expect(await answers).toEqual([2]);
  expect(await later).toEqual([4, 6, 8]);
});

test('an error in an answer is for its key alone, and a failed batch for all in it', async () => {
  const { load, release } = loader();
  const some = Promise.allSettled([load(1), load(-1)]);
  await turns(2);
  release();
  expect((await some).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);

  let asked = 0;
  const failing = coalesced<number, number>(async () => {
    if (asked++ === 0) throw new Error('the database is away');
    return [7];
  });
  const failed = await Promise.allSettled([failing(1), failing(2)]);
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await failing(1)).toBe(7);
});
