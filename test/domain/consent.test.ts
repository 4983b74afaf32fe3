import { describe, expect, test } from '@jest/globals';
import { type ConsentTerms, consent, covers, union } from '../../src/domain/consent.ts';
import { given } from '../support/decider-spec.ts';

const api = 'https://api.example';
const terms: ConsentTerms = {
  sub: 'ada',
  clientId: 'shop',
  scopes: ['openid', 'email'],
  claims: ['name'],
  resources: { [api]: ['read'] },
};
const grant = (data: ConsentTerms) => ({ type: 'GrantConsent', data }) as const;
const at = '2026-01-01T08:00:00.000Z';
const renew = (data: ConsentTerms) => ({ type: 'RenewConsent', data: { ...data, at } }) as const;
const renewed = (data: ConsentTerms) =>
  ({ type: 'ConsentRenewed', data: { ...data, at } }) as const;
const granted = (data: ConsentTerms) => ({ type: 'ConsentGranted', data }) as const;
const withdraw = { type: 'WithdrawConsent', data: { by: 'user' } } as const;
const withdrawn = { type: 'ConsentWithdrawn', data: { by: 'user' } } as const;

describe('granting', () => {
  test('a first time records the terms', () => {
    given(consent).when(grant(terms)).then(granted(terms));
  });

  test('the same, or less, decides nothing', () => {
    given(consent, granted(terms)).when(grant(terms)).thenNothing();
    given(consent, granted(terms))
      .when(grant({ ...terms, scopes: ['email'], claims: [], resources: {} }))
      .thenNothing();
  });

  test('more adds to what is allowed, and takes nothing away', () => {
    const more: ConsentTerms = {
      ...terms,
      scopes: ['phone'],
      claims: ['address'],
      resources: { [api]: ['write'], 'https://other.example': ['read'] },
    };
    const all = granted({
      ...terms,
      scopes: ['openid', 'email', 'phone'],
      claims: ['name', 'address'],
      resources: { [api]: ['read', 'write'], 'https://other.example': ['read'] },
    });
    given(consent, granted(terms)).when(grant(more)).then(all);
    given(consent, granted(terms), all).when(grant(more)).thenNothing();
    given(consent, granted(terms), all).when(grant(terms)).thenNothing();
  });
});

describe('renewing', () => {
  const less = { ...terms, scopes: ['openid'], claims: [], resources: {} };

  test('records once what is agreed to now, and forgets what was before', () => {
    given(consent, granted(terms)).when(renew(less)).then(renewed(less));
    given(consent, granted(terms), renewed(less)).when(renew(less)).thenNothing();
    given(consent, granted(terms), renewed(less)).when(grant(less)).thenNothing();
    given(consent, granted(terms), renewed(less)).when(grant(terms)).then(granted(terms));
  });

  test('the same begins anew all the same', () => {
    given(consent, granted(terms)).when(renew(terms)).then(renewed(terms));
  });
});

describe('withdrawing', () => {
  test('is recorded once, with who did it', () => {
    given(consent, granted(terms)).when(withdraw).then(withdrawn);
    given(consent, granted(terms), withdrawn).when(withdraw).thenNothing();
    given(consent).when(withdraw).thenNothing();
  });

  test('leaves nothing behind for the next consent to build on', () => {
    const less = { ...terms, scopes: ['openid'], claims: [], resources: {} };
    given(consent, granted(terms), withdrawn).when(grant(less)).then(granted(less));
  });
});

const nothing = { scopes: [], claims: [], resources: {} };

describe('covers', () => {
  test('everything covers nothing, and nothing covers only nothing', () => {
    expect(covers(terms, nothing)).toBe(true);
    expect(covers(nothing, nothing)).toBe(true);
    expect(covers(nothing, terms)).toBe(false);
  });

  test.each([
    ['a scope', { ...nothing, scopes: ['email', 'phone'] }],
    ['a claim', { ...nothing, claims: ['address'] }],
    ['a scope of a resource', { ...nothing, resources: { [api]: ['read', 'write'] } }],
    ['a resource', { ...nothing, resources: { 'https://other.example': ['read'] } }],
    ['a resource named like a method', { ...nothing, resources: { toString: ['read'] } }],
  ])('not %s that is missing', (_, wanted) => {
    expect(covers(terms, wanted)).toBe(false);
  });

  test('a scope of one resource is not that of another, nor one of its own', () => {
    const given = { ...nothing, scopes: ['read'], resources: { a: ['write'] } };
    expect(covers(given, { ...nothing, scopes: ['write'] })).toBe(false);
    expect(covers(given, { ...nothing, resources: { a: ['read'] } })).toBe(false);
    expect(covers(given, { ...nothing, resources: { b: ['write'] } })).toBe(false);
  });
});

describe('union', () => {
  test('allows what either allows, once each, what was there first', () => {
    expect(
      union(
        { scopes: ['a', 'b'], claims: ['x'], resources: { r: ['1'], s: ['1'] } },
        { scopes: ['b', 'c'], claims: ['x', 'y'], resources: { r: ['1', '2'], t: ['3'] } },
      ),
    ).toEqual({
      scopes: ['a', 'b', 'c'],
      claims: ['x', 'y'],
      resources: { r: ['1', '2'], s: ['1'], t: ['3'] },
    });
  });

  test.each(['toString', '__proto__'])('holds for a resource with the name %s', (name) => {
    const wanted = { ...nothing, resources: { [name]: ['read'] } };
    const both = union(nothing, wanted);
    expect(covers(both, wanted)).toBe(true);
    expect(Object.keys(both.resources)).toEqual([name]);
  });
});
