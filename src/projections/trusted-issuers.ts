import type { Instant } from '../domain/ids.ts';
import type { TrustedIssuer, TrustedIssuerFacts, TrustTerms } from '../domain/trusted-issuer.ts';
import type { Projection } from './projection.ts';

/** An issuer whose assertions are believed. One that no longer is has no row. */
export interface TrustedIssuerRow {
  /** SHA-256 of the issuer, as in the stream's name. */
  readonly issuer_id: string;
  readonly issuer: string;
  readonly display_name: string;
  readonly jwks: TrustedIssuer['jwks'];
  readonly jwks_uri: string | null;
  readonly subject_mapping: TrustedIssuer['subjectMapping'];
  readonly client_ids: readonly string[];
  readonly scopes: readonly string[];
  readonly created_at: Instant;
  readonly changed_at: Instant;
}

export const trustedIssuers: Projection<TrustedIssuerRow, 'issuer_id', TrustedIssuerFacts> = {
  table: 'trusted_issuers',
  key: ['issuer_id'],
  columns: {
    issuer_id: 'text',
    issuer: 'text not null',
    display_name: 'text not null',
    jwks: 'jsonb',
    jwks_uri: 'text',
    subject_mapping: 'text not null',
    client_ids: 'jsonb not null',
    scopes: 'jsonb not null',
    created_at: 'timestamptz not null',
    changed_at: 'timestamptz not null',
  },
  indexes: ['(issuer, issuer_id)', '(created_at, issuer_id)'],
  on: {
    IssuerTrusted: ({ data, id, at }) => [
      {
        put: {
          issuer_id: id,
          issuer: data.issuer,
          ...termsColumns(data),
          created_at: at,
          changed_at: at,
        },
      },
    ],
    IssuerTrustTermsChanged: ({ data, id, at }) => [
      { set: { issuer_id: id, ...termsColumns(data), changed_at: at } },
    ],
    IssuerTrustWithdrawn: ({ id }) => [{ drop: { issuer_id: id } }],
  },
};

function termsColumns(terms: TrustTerms) {
  return {
    display_name: terms.displayName,
    jwks: terms.jwks,
    jwks_uri: terms.jwksUri,
    subject_mapping: terms.subjectMapping,
    client_ids: terms.clientIds,
    scopes: terms.scopes,
  };
}
