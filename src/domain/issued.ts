import type { Digest, Instant } from './ids.ts';

/**
 * What was issued and has not expired, by digest. In shares by how the digest begins, so that a change
 * copies one of them: a grant that is refreshed every minute holds thousands.
 */
export type IssuedByDigest<T> = Readonly<Record<string, Readonly<Record<Digest, T>>>>;

interface Expiring {
  readonly expiresAt: Instant;
}

const SHARE = 2;
/** So many shares are gone through whole; of more, each forgets when its turn comes. */
const FEW = 64;

export function issued<T>(all: IssuedByDigest<T>, digest: Digest): T | undefined {
  return all[digest.slice(0, SHARE)]?.[digest];
}

/** Adds one, and forgets what has expired before it; where there are many, only some of that. */
export function issuing<T extends Expiring>(
  all: IssuedByDigest<T>,
  digest: Digest,
  one: T,
  at: Instant,
): IssuedByDigest<T> {
  const name = digest.slice(0, SHARE);
  const names = Object.keys(all);
  const left = { ...all };
  for (const each of names.length > FEW ? [name] : names) {
    const share = unexpired(left[each] ?? {}, at);
    if (Object.keys(share).length > 0) left[each] = share;
    else delete left[each];
  }
  left[name] = { ...left[name], [digest]: one };
  return left;
}

/** Puts another in the place of one that is there. */
export function changing<T>(
  all: IssuedByDigest<T>,
  digest: Digest,
  change: (one: T) => T,
): IssuedByDigest<T> {
  const one = issued(all, digest);
  const name = digest.slice(0, SHARE);
  return one ? { ...all, [name]: { ...all[name], [digest]: change(one) } } : all;
}

export function ending<T>(all: IssuedByDigest<T>, digest: Digest): IssuedByDigest<T> {
  const name = digest.slice(0, SHARE);
  const { [digest]: _, ...others } = all[name] ?? {};
  return { ...all, [name]: others };
}

export function digestsOf(all: IssuedByDigest<unknown>): Digest[] {
  return Object.values(all).flatMap((share) => Object.keys(share));
}

/** The share itself while nothing in it has expired. */
function unexpired<T extends Expiring>(share: Readonly<Record<Digest, T>>, at: Instant) {
  const lasts = ([, { expiresAt }]: [Digest, T]) => expiresAt > at;
  const all = Object.entries(share);
  return all.every(lasts) ? share : Object.fromEntries(all.filter(lasts));
}
