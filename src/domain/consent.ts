import { type Decider, own } from './decider.ts';
import type { Instant } from './ids.ts';

/** What a person allows a client, lastingly: the permanent authorization of OpenIddict. */
export interface ConsentTerms {
  readonly sub: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Claims asked for by name (OpenID Connect Core §5.5). */
  readonly claims: readonly string[];
  /** Scopes by resource indicator (RFC 8707). */
  readonly resources: Readonly<Record<string, readonly string[]>>;
}

export interface ConsentRenewal extends ConsentTerms {
  readonly at: Instant;
}

export type ConsentFacts = {
  ConsentGranted: ConsentTerms;
  /** Given anew after its time was over: it is what takes the place of what was allowed before. */
  ConsentRenewed: ConsentRenewal;
  ConsentWithdrawn: { readonly by: 'user' | 'administrator' };
};

export type ConsentWishes = {
  /** Adds to what is allowed already; never takes anything away. */
  GrantConsent: ConsentTerms;
  /** Begins anew, with these terms alone. */
  RenewConsent: ConsentRenewal;
  WithdrawConsent: { readonly by: 'user' | 'administrator' };
};

export interface ConsentState {
  readonly terms: ConsentTerms | null;
  readonly renewedAt: Instant | null;
}

/** Streams are named `consent-<sub>.<client_id>`. */
export const consent: Decider<ConsentState, ConsentWishes, ConsentFacts> = {
  category: 'consent',
  initial: { terms: null, renewedAt: null },

  evolve: {
    ConsentGranted: (state, terms) => ({ ...state, terms }),
    ConsentRenewed: (_, { at, ...terms }) => ({ terms, renewedAt: at }),
    ConsentWithdrawn: () => ({ terms: null, renewedAt: null }),
  },

  decide: {
    GrantConsent(wish, { terms }) {
      if (!terms) return [{ type: 'ConsentGranted', data: wish }];
      if (covers(terms, wish)) return [];
      return [{ type: 'ConsentGranted', data: { ...wish, ...union(terms, wish) } }];
    },
    RenewConsent: (wish, { renewedAt }) =>
      renewedAt === wish.at ? [] : [{ type: 'ConsentRenewed', data: wish }],
    WithdrawConsent: (wish, { terms }) => (terms ? [{ type: 'ConsentWithdrawn', data: wish }] : []),
  },
};

/** Scopes, claims, and scopes by resource. */
export type Allowance = Pick<ConsentTerms, 'scopes' | 'claims' | 'resources'>;

/** Whether everything asked for in `wanted` is allowed by `given`. */
export function covers(given: Allowance, wanted: Allowance): boolean {
  return (
    within(wanted.scopes, given.scopes) &&
    within(wanted.claims, given.claims) &&
    Object.entries(wanted.resources).every(([resource, scopes]) =>
      within(scopes, own(given.resources, resource) ?? []),
    )
  );
}

/** Everything that either allows. */
export function union(a: Allowance, b: Allowance): Allowance {
  const added = Object.entries(b.resources).map(([resource, scopes]) => [
    resource,
    merged(own(a.resources, resource) ?? [], scopes),
  ]);
  return {
    scopes: merged(a.scopes, b.scopes),
    claims: merged(a.claims, b.claims),
    resources: { ...a.resources, ...Object.fromEntries(added) },
  };
}

function within(part: readonly string[], whole: readonly string[]): boolean {
  return part.every((each) => whole.includes(each));
}

function merged(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a, ...b])];
}
