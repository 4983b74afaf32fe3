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
  const shares = Object.entries(all);
  const left =
    shares.length > FEW
      ? { ...all, [name]: unexpired(all[name] ?? {}, at) }
      : Object.fromEntries(
          shares
            .map(([each, share]) => [each, unexpired(share, at)] as const)
            .filter(([, share]) => Object.keys(share).length > 0),
        );
  return { ...left, [name]: { ...left[name], [digest]: one } };
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

function unexpired<T extends Expiring>(share: Readonly<Record<Digest, T>>, at: Instant) {
  return Object.fromEntries(Object.entries(share).filter(([, each]) => each.expiresAt > at));
}
