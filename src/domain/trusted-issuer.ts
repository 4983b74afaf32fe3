import type { PublicKeys } from './client.ts';
import type { Decider } from './decider.ts';
import { same } from './decider.ts';
import { DomainError } from './errors.ts';

/** What a trusted issuer calls the people it speaks of: by their `sub` here, or by their user name. */
export type SubjectMapping = 'sub' | 'username';

/** How far an issuer of assertions is believed (RFC 7523 §3). */
export interface TrustTerms extends PublicKeys {
  readonly displayName: string;
  readonly subjectMapping: SubjectMapping;
  /** Clients that may present its assertions; nobody else may. */
  readonly clientIds: readonly string[];
  /** Scopes that it may vouch for; `*` for every scope the client may ask for. */
  readonly scopes: readonly string[];
}

export interface TrustedIssuer extends TrustTerms {
  /** The `iss` of its assertions. */
  readonly issuer: string;
}

export type TrustedIssuerFacts = {
  IssuerTrusted: TrustedIssuer;
  IssuerTrustTermsChanged: TrustTerms;
  IssuerTrustWithdrawn: { readonly reason: string };
};

export type TrustedIssuerWishes = {
  TrustIssuer: TrustedIssuer;
  /** That it be so: trusted where it is not, and its terms replaced where they differ. */
  DeclareTrustedIssuer: TrustedIssuer;
  ChangeIssuerTrustTerms: TrustTerms;
  WithdrawIssuerTrust: { readonly reason: string };
};

export interface TrustedIssuerState {
  readonly trusted: TrustedIssuer | null;
}

/** Streams are named by the SHA-256 of the issuer: `issuer-<hash>`. */
export const trustedIssuer: Decider<TrustedIssuerState, TrustedIssuerWishes, TrustedIssuerFacts> = {
  category: 'issuer',
  initial: { trusted: null },

  evolve: {
    IssuerTrusted: (_, trusted) => ({ trusted }),
    IssuerTrustTermsChanged: (state, terms) => ({ trusted: { ...present(state), ...terms } }),
    IssuerTrustWithdrawn: () => ({ trusted: null }),
  },

  decide: {
    TrustIssuer(wish, { trusted }) {
      if (trusted && same(trusted, wish)) return [];
      if (trusted) {
        throw new DomainError('already_exists', `${wish.issuer} is trusted already`, {
          field: 'issuer',
        });
      }
      assertKeys(wish);
      return [{ type: 'IssuerTrusted', data: wish }];
    },
    DeclareTrustedIssuer(wish, state) {
      const { issuer: _, ...terms } = wish;
      return state.trusted
        ? trustedIssuer.decide.ChangeIssuerTrustTerms(terms, state)
        : trustedIssuer.decide.TrustIssuer(wish, state);
    },
    ChangeIssuerTrustTerms(terms, state) {
      const trusted = present(state);
      if (same({ ...trusted, ...terms }, trusted)) return [];
      assertKeys(terms);
      return [{ type: 'IssuerTrustTermsChanged', data: terms }];
    },
    WithdrawIssuerTrust: (wish, { trusted }) =>
      trusted ? [{ type: 'IssuerTrustWithdrawn', data: wish }] : [],
  },
};

function present({ trusted }: TrustedIssuerState): TrustedIssuer {
  if (!trusted) {
    throw new DomainError('not_found', 'no such trusted issuer', { field: 'issuer' });
  }
  return trusted;
}

function assertKeys({ jwks, jwksUri }: TrustTerms): void {
  if ((jwks === null) === (jwksUri === null)) {
    throw new DomainError('invalid', 'its keys are kept here or published by it: one of the two', {
      field: 'jwks',
    });
  }
}
