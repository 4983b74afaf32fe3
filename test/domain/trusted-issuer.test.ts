import { describe, test } from '@jest/globals';
import { type TrustedIssuer, trustedIssuer } from '../../src/domain/trusted-issuer.ts';
import { given } from '../support/decider-spec.ts';

const terms = {
  displayName: 'Head office',
  jwks: { keys: [{ kty: 'OKP' }] },
  jwksUri: null,
  subjectMapping: 'username',
  clientIds: ['payroll'],
  scopes: ['orders'],
} as const;
const office: TrustedIssuer = { issuer: 'https://office.example', ...terms };
const trust = (data: TrustedIssuer) => ({ type: 'TrustIssuer', data }) as const;
const trusted = { type: 'IssuerTrusted', data: office } as const;
const narrower = { ...terms, scopes: [] };
const change = { type: 'ChangeIssuerTrustTerms', data: narrower } as const;
const changed = { type: 'IssuerTrustTermsChanged', data: narrower } as const;
const withdraw = { type: 'WithdrawIssuerTrust', data: { reason: 'sold' } } as const;
const withdrawn = { type: 'IssuerTrustWithdrawn', data: { reason: 'sold' } } as const;

describe('trust in an issuer', () => {
  test('is given once', () => {
    given(trustedIssuer).when(trust(office)).then(trusted);
    given(trustedIssuer, trusted).when(trust(office)).thenNothing();
    given(trustedIssuer, trusted)
      .when(trust({ ...office, ...narrower }))
      .thenRefused('already_exists', { field: 'issuer' });
  });

  test('needs its keys, from one place', () => {
    const nowhere = { ...office, jwks: null };
    given(trustedIssuer).when(trust(nowhere)).thenRefused('invalid', { field: 'jwks' });
    const both = { ...office, jwksUri: 'https://office.example/keys' };
    given(trustedIssuer).when(trust(both)).thenRefused('invalid', { field: 'jwks' });
    given(trustedIssuer, trusted)
      .when({ type: 'ChangeIssuerTrustTerms', data: { ...terms, jwks: null } })
      .thenRefused('invalid', { field: 'jwks' });
  });

  test('has terms that can be changed', () => {
    given(trustedIssuer, trusted).when(change).then(changed);
    given(trustedIssuer, trusted, changed).when(change).thenNothing();
    given(trustedIssuer).when(change).thenRefused('not_found', { field: 'issuer' });
  });

  test('is withdrawn, and given anew', () => {
    given(trustedIssuer, trusted).when(withdraw).then(withdrawn);
    given(trustedIssuer, trusted, withdrawn).when(withdraw).thenNothing();
    given(trustedIssuer, trusted, withdrawn).when(trust(office)).then(trusted);
  });
});
