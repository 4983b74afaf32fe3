import type { Decider } from './decider.ts';
import type { Digest, Instant } from './ids.ts';

/** What may have fallen into the wrong hands, and in what time somebody could have used it. */
export interface Leak {
  readonly of: 'secret' | 'signing_key' | 'address' | 'client';
  /** Of a secret and of a client. */
  readonly clientId: string | null;
  readonly secretId: string | null;
  readonly kid: string | null;
  /** Keyed digest of the address. */
  readonly addressDigest: Digest | null;
  readonly since: Instant;
  readonly until: Instant;
}

/** That all it touched ends, and how much that was when it was decided. */
export interface Containment extends Leak {
  readonly reason: string;
  readonly grants: number;
  readonly sessions: number;
  readonly clientTokens: number;
}

export type LeakFacts = { LeakContained: Containment };
export type LeakWishes = { ContainLeak: Containment };

/** A leak, and the one act that ends what it touched; `leak-<id>`. */
export const leak: Decider<{ readonly contained: boolean }, LeakWishes, LeakFacts> = {
  category: 'leak',
  fleeting: true,
  initial: { contained: false },
  evolve: { LeakContained: () => ({ contained: true }) },
  decide: {
    ContainLeak(containment, { contained }) {
      const { grants, sessions, clientTokens } = containment;
      const nothing = grants + sessions + clientTokens === 0;
      return contained || nothing ? [] : [{ type: 'LeakContained', data: containment }];
    },
  },
};
