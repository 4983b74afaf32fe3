import type { Digest, Instant } from './ids.ts';

/**
 * What was issued and still matters, by digest. In shares by how the digest begins, so that a change
 * copies one of them: a grant that is refreshed every minute holds thousands.
 */
export type IssuedByDigest<T> = Readonly<Record<string, Readonly<Record<Digest, T>>>>;

const SHARE = 2;
/** So many shares, taken by lot, forget with each issue: enough for what is kept not to grow. */
const FORGETTING = 4;

export function issued<T>(all: IssuedByDigest<T>, digest: Digest): T | undefined {
  return all[digest.slice(0, SHARE)]?.[digest];
}

/** Adds one, and forgets some of what no longer matters: where there is little, all. */
export function issuing<T>(
  all: IssuedByDigest<T>,
  digest: Digest,
  one: T,
  matters: (one: T) => boolean,
): IssuedByDigest<T> {
  const name = digest.slice(0, SHARE);
  const names = Object.keys(all);
  const left = { ...all };
  const lot = Number.parseInt(digest.slice(SHARE, SHARE + 6), 16) || 0;
  for (let nth = 0; nth < Math.min(FORGETTING, names.length); nth++) {
    const each = names[(lot + nth) % names.length] as string;
    const share = remembering(left[each] ?? {}, matters);
    if (share) left[each] = share;
    else delete left[each];
  }
  left[name] = { ...left[name], [digest]: one };
  return left;
}

/** For {@link issuing}: whatever has not expired by then matters. */
export function unexpired(at: Instant): (one: { readonly expiresAt: Instant }) => boolean {
  return ({ expiresAt }) => expiresAt > at;
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

/** @param which all when absent */
export function digestsOf<T>(
  all: IssuedByDigest<T>,
  which: (one: T) => boolean = () => true,
): Digest[] {
  const entries = Object.values(all).flatMap((share) => Object.entries(share));
  return entries.filter(([, one]) => which(one)).map(([digest]) => digest);
}

/** The share itself while all in it matters; undefined when nothing is left of it. */
function remembering<T>(share: Readonly<Record<Digest, T>>, matters: (one: T) => boolean) {
  const all = Object.entries(share);
  const left = all.filter(([, one]) => matters(one));
  if (left.length === all.length) return share;
  return left.length > 0 ? Object.fromEntries(left) : undefined;
}
