import { describe, expect, test } from '@jest/globals';
import type { Instant } from '../../../src/domain/ids.ts';
import { cookieKeyPolicy } from '../../../src/oidc/keys/cookie-keys.ts';
import {
  type KeyDue,
  type KeyPolicy,
  type KnownKey,
  keysDue,
} from '../../../src/oidc/keys/key-rotation.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const algorithms = ['RS256', 'ES256'];
const POLICY: KeyPolicy = { algorithms, rotation: 90, announcement: 14, retention: 14 };

/** The instant so many days after the first. */
function day(nth: number): Instant {
  return new Date(Date.UTC(2026, 0, 1) + nth * DAY_MS).toISOString();
}

function key(kid: string, generated: number, activated: number | null, alg = 'RS256'): KnownKey {
  return {
    kid,
    alg,
    generated_at: day(generated),
    activated_at: activated === null ? null : day(activated),
  };
}

/** An algorithm in whose life nothing is due. */
const QUIET = key('quiet', 0, 10_000, 'ES256');

function given(...keys: KnownKey[]) {
  return {
    when: (now: number, policy = POLICY) => ({
      thenDue(...due: KeyDue[]) {
        expect(keysDue([...keys, QUIET], day(now), policy)).toEqual(due);
      },
    }),
  };
}

/** A moment before that day. */
const justBefore = (nth: number) => nth - 1 / DAY_MS;

describe('an algorithm without a key that signs', () => {
  test('gets one that signs at once', () => {
    given().when(0).thenDue({ generate: 'RS256', active: true });
    expect(keysDue([], day(0), POLICY)).toEqual([
      { generate: 'RS256', active: true },
      { generate: 'ES256', active: true },
    ]);
  });

  test('takes the one announced first, whether or not its time has come', () => {
    given(key('late', 2, null), key('early', 1, null))
      .when(2)
      .thenDue({ activate: 'early' });
  });
});

describe('a successor', () => {
  test('is announced so early that it can take over in time', () => {
    given(key('a', 0, 0))
      .when(justBefore(76))
      .thenDue();
    given(key('a', 0, 0))
      .when(76)
      .thenDue({ generate: 'RS256', active: false });
  });

  test('is announced once', () => {
    given(key('a', 0, 0), key('b', 76, null))
      .when(80)
      .thenDue();
  });

  test('signs when it has been announced for long enough', () => {
    given(key('a', 0, 0), key('b', 76, null))
      .when(justBefore(90))
      .thenDue();
    given(key('a', 0, 0), key('b', 76, null))
      .when(90)
      .thenDue({ activate: 'b' });
  });

  test('is announced for its whole time even where that is longer than keys sign', () => {
    const policy = { algorithms, rotation: 5, announcement: 10, retention: 2 };
    given(key('a', 0, 0))
      .when(0, policy)
      .thenDue({ generate: 'RS256', active: false });
    given(key('a', 0, 0), key('b', 0, null))
      .when(justBefore(10), policy)
      .thenDue();
    given(key('a', 0, 0), key('b', 0, null))
      .when(10, policy)
      .thenDue({ activate: 'b' });
  });

  test('signs at once where nothing is announced', () => {
    const policy = { ...POLICY, announcement: 0 };
    given(key('a', 0, 0))
      .when(justBefore(90), policy)
      .thenDue();
    given(key('a', 0, 0))
      .when(90, policy)
      .thenDue({ generate: 'RS256', active: true });
  });

  test('is counted from the key that signs, not from those before it', () => {
    given(key('a', 0, 0), key('b', 76, 90))
      .when(100)
      .thenDue();
  });
});

describe('a former key', () => {
  test('verifies for its time after the next one took over, and then goes', () => {
    given(key('a', 0, 0), key('b', 76, 90))
      .when(justBefore(104))
      .thenDue();
    given(key('b', 76, 90), key('a', 0, 0))
      .when(104)
      .thenDue({ retire: 'a' });
  });

  test('counts from its own successor, and not from the last', () => {
    const keys = [key('a', 0, 0), key('b', 0, 10), key('c', 0, 20)];
    given(...keys)
      .when(24)
      .thenDue({ retire: 'a' });
    given(...keys)
      .when(34)
      .thenDue({ retire: 'b' }, { retire: 'a' });
  });

  test('is never the last one that is active, however old', () => {
    given(key('a', 0, 0), key('b', 76, null))
      .when(10_000)
      .thenDue({ activate: 'b' });
  });
});

test('keys of other algorithms have lives of their own', () => {
  const keys = [key('r', 0, 0), key('e', 50, 50, 'ES256')];
  expect(keysDue(keys, day(76), POLICY)).toEqual([{ generate: 'RS256', active: false }]);
  expect(keysDue(keys, day(126), POLICY)).toEqual([
    { generate: 'RS256', active: false },
    { generate: 'ES256', active: false },
  ]);
});

test('keys of an algorithm that is not kept any more verify for as long as they would have', () => {
  const keys = [key('r', 0, 0), key('old', 0, 10, 'PS256'), key('next', 80, null, 'PS256')];
  const due = (now: number) => keysDue(keys, day(now), POLICY).filter((each) => 'retire' in each);
  expect(due(justBefore(114))).toEqual([]);
  expect(due(114)).toEqual([{ retire: 'old' }]);
  expect(due(184)).toEqual([{ retire: 'old' }, { retire: 'next' }]);
});

test('keys of cookies: the next one is always ready, and the last are believed while cookies live', () => {
  const policy = cookieKeyPolicy({ ...POLICY, retention: 2 });
  const [alg = ''] = policy.algorithms;
  const due = (now: number, ...keys: KnownKey[]) => keysDue(keys, day(now), policy);
  const [first, second] = [key('a', 0, 0, alg), key('b', 0, null, alg)];
  expect(due(0)).toEqual([{ generate: alg, active: true }]);
  expect(due(0, first)).toEqual([{ generate: alg, active: false }]);
  expect(due(justBefore(90), first, second)).toEqual([]);
  expect(due(90, first, second)).toEqual([{ activate: 'b' }]);
  const [active, next] = [key('b', 0, 90, alg), key('c', 90, null, alg)];
  expect(due(justBefore(104), first, active, next)).toEqual([]);
  expect(due(104, first, active, next)).toEqual([{ retire: 'a' }]);
});

test('from day to day one key signs, everyone has known it for its announcement, and the last verifies', () => {
  let keys: KnownKey[] = [];
  let made = 0;
  for (let now = 0; now < 1_000; now++) {
    // What was signed the day before has to be verified still.
    const signedWith = signing(keys);
    for (const due of keysDue(keys, day(now), POLICY)) {
      if ('generate' in due) {
        keys.push(key(`k${made++}`, now, due.active ? now : null, due.generate));
      } else if ('activate' in due) {
        keys = keys.map((each) =>
          each.kid === due.activate ? { ...each, activated_at: day(now) } : each,
        );
      } else keys = keys.filter(({ kid }) => kid !== due.retire);
    }
    expect(signing(keys)).toHaveLength(2);
    expect(keys).toEqual(expect.arrayContaining(signedWith));
    expect(keys.length).toBeLessThanOrEqual(4);
  }
  expect(made).toBe(2 * Math.ceil((1_000 + 14) / 90));
});

/** For each algorithm the key activated last. */
function signing(keys: readonly KnownKey[]): KnownKey[] {
  return ['RS256', 'ES256'].flatMap((alg) =>
    keys
      .filter((each) => each.alg === alg && each.activated_at)
      .sort((a, b) => String(b.activated_at).localeCompare(String(a.activated_at)))
      .slice(0, 1),
  );
}
