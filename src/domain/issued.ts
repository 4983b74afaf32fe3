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
/** So many shares, taken by lot, forget with each issue: enough for what is kept not to grow. */
const FORGETTING = 4;

export function issued<T>(all: IssuedByDigest<T>, digest: Digest): T | undefined {
  return all[digest.slice(0, SHARE)]?.[digest];
}

/** Adds one, and forgets some of what has expired before it: where there is little, all. */
export function issuing<T extends Expiring>(
  all: IssuedByDigest<T>,
  digest: Digest,
  one: T,
  at: Instant,
): IssuedByDigest<T> {
  const name = digest.slice(0, SHARE);
  const names = Object.keys(all);
  const left = { ...all };
  const lot = Number.parseInt(digest.slice(SHARE, SHARE + 6), 16) || 0;
  for (let nth = 0; nth < Math.min(FORGETTING, names.length); nth++) {
    const each = names[(lot + nth) % names.length] as string;
    const share = unexpired(left[each] ?? {}, at);
    if (share) left[each] = share;
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

/** The share itself while nothing in it has expired; undefined when nothing is left of it. */
function unexpired<T extends Expiring>(share: Readonly<Record<Digest, T>>, at: Instant) {
  const all = Object.entries(share);
  const left = all.filter(([, { expiresAt }]) => expiresAt > at);
  if (left.length === all.length) return share;
  return left.length > 0 ? Object.fromEntries(left) : undefined;
}
