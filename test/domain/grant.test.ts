import { describe, expect, test } from '@jest/globals';
import { decide, type Fact, fold } from '../../src/domain/decider.ts';
import {
  type GrantFacts,
  type GrantTerms,
  grant,
  type IssuedAccessToken,
  type IssuedRefreshToken,
  MAX_LEEWAY,
} from '../../src/domain/grant.ts';
import { digestsOf } from '../../src/domain/issued.ts';
import { given } from '../support/decider-spec.ts';

/** The moment so many seconds after the tests' own midnight. */
const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

const terms: GrantTerms = {
  grantId: 'g1',
  sub: 'ada',
  clientId: 'shop',
  sessionUid: 'session-1',
  scopes: ['openid', 'email'],
  claims: [],
  resources: { 'https://api.example': ['read'] },
  declined: { scopes: ['address'], claims: [], resources: {} },
  basis: 'consent',
  assertedBy: null,
};
const open = { type: 'OpenGrant', data: terms } as const;
const opened = { type: 'GrantOpened', data: terms } as const;
const revoked = (reason: GrantFacts['GrantRevoked']['reason']) =>
  ({ type: 'GrantRevoked', data: { reason } }) as const;

const issued = (digest: string, from: number, lifetime: number) => ({
  digest,
  issuedAt: at(from),
  expiresAt: at(from + lifetime),
  scopes: ['openid'],
  parameters: { nonce: 'n' },
});
const code = issued('c1', 0, 60);
const codeIssued = { type: 'AuthorizationCodeIssued', data: code } as const;
const redeemCode = (seconds: number, digest = 'c1') =>
  ({ type: 'RedeemAuthorizationCode', data: { digest, now: at(seconds) } }) as const;
const codeRedeemed = (seconds: number) =>
  ({ type: 'AuthorizationCodeRedeemed', data: { digest: 'c1', at: at(seconds) } }) as const;

const access = (digest: string, from = 0, lifetime = 300): IssuedAccessToken => ({
  ...issued(digest, from, lifetime),
  format: 'reference',
  audience: null,
  exchangedFrom: null,
  clientId: null,
});
const accessIssued = (digest: string, from?: number, lifetime?: number) =>
  ({ type: 'AccessTokenIssued', data: access(digest, from, lifetime) }) as const;
const revokeAccess = (digest: string) => ({ type: 'RevokeAccessToken', data: { digest } }) as const;
const accessRevoked = (digest: string) =>
  ({ type: 'AccessTokenRevoked', data: { digest } }) as const;

const refresh = (digest: string, from = 0, lifetime = 3600): IssuedRefreshToken => ({
  ...issued(digest, from, lifetime),
  rotations: 0,
});
const refreshIssued = (digest: string, from?: number, lifetime?: number) =>
  ({ type: 'RefreshTokenIssued', data: refresh(digest, from, lifetime) }) as const;
const redeemRefresh = (
  seconds: number,
  leeway: number,
  { digest = 'r1', expiresAt = null as string | null } = {},
) =>
  ({
    type: 'RedeemRefreshToken',
    data: { digest, expiresAt, successor: 'r2', now: at(seconds), leeway },
  }) as const;
const refreshRedeemed = (seconds: number) =>
  ({
    type: 'RefreshTokenRedeemed',
    data: { digest: 'r1', successor: 'r2', at: at(seconds) },
  }) as const;
const revokeRefresh = (digest: string) =>
  ({ type: 'RevokeRefreshToken', data: { digest } }) as const;
const refreshRevoked = (digest: string) =>
  ({ type: 'RefreshTokenRevoked', data: { digest } }) as const;

describe('opening and extending', () => {
  const nothing = { scopes: [], claims: [], resources: {}, declined: terms.declined };
  const wider = { ...nothing, scopes: ['email', 'phone'], claims: ['name'] };
  const extend = (wanted: GrantFacts['GrantExtended']) =>
    ({ type: 'ExtendGrant', data: wanted }) as const;

  test('a grant is opened once', () => {
    given(grant).when(open).then(opened);
    given(grant, opened).when(open).thenRefused('already_exists', { field: 'grantId' });
  });

  test('it is extended by what it did not allow yet, and keeps what it did', () => {
    const extended = {
      type: 'GrantExtended',
      data: {
        scopes: ['openid', 'email', 'phone'],
        claims: ['name'],
        resources: { 'https://api.example': ['read'] },
        declined: terms.declined,
      },
    } as const;
    given(grant, opened).when(extend(wider)).then(extended);
    given(grant, opened, extended).when(extend(wider)).thenNothing();
  });

  test('what it allows already decides nothing', () => {
    given(grant, opened)
      .when(extend({ ...nothing, scopes: ['email'] }))
      .thenNothing();
    given(grant, opened)
      .when(extend({ ...nothing, declined: { scopes: [], claims: [], resources: {} } }))
      .thenNothing();
  });

  test('what is declined is remembered beside what was declined before', () => {
    const { scopes, claims, resources } = terms;
    const more = { ...nothing, declined: { scopes: ['phone'], claims: ['name'], resources: {} } };
    const extended = {
      type: 'GrantExtended',
      data: {
        scopes,
        claims,
        resources,
        declined: { scopes: ['address', 'phone'], claims: ['name'], resources: {} },
      },
    } as const;
    given(grant, opened).when(extend(more)).then(extended);
    given(grant, opened, extended).when(extend(more)).thenNothing();
  });
});

describe('authorization codes', () => {
  const issue = { type: 'IssueAuthorizationCode', data: code } as const;

  test('a code is issued once', () => {
    given(grant, opened).when(issue).then(codeIssued);
    given(grant, opened, codeIssued).when(issue).thenNothing();
  });

  test('a code that was redeemed cannot be made new by issuing it again', () => {
    given(grant, opened, codeIssued, codeRedeemed(1)).when(issue).thenNothing();
  });

  test('it is redeemed once, before it expires', () => {
    given(grant, opened, codeIssued).when(redeemCode(59)).then(codeRedeemed(59));
  });

  test('a second redemption is a replay, and ends the grant (RFC 6749 §4.1.2)', () => {
    given(grant, opened, codeIssued, codeRedeemed(1))
      .when(redeemCode(1))
      .thenRefused('code_replayed', {
        field: 'code',
        facts: [
          { type: 'AuthorizationCodeReplayDetected', data: { digest: 'c1' } },
          revoked('code_replayed'),
        ],
      });
  });

  test('from the moment it expires it is not known, redeemed or not', () => {
    given(grant, opened, codeIssued)
      .when(redeemCode(60))
      .thenRefused('not_found', { field: 'code' });
    given(grant, opened, codeIssued, codeRedeemed(1))
      .when(redeemCode(60))
      .thenRefused('not_found', { field: 'code' });
  });

  test('a code never issued here is not known', () => {
    given(grant, opened, codeIssued)
      .when(redeemCode(1, 'other'))
      .thenRefused('not_found', { field: 'code' });
  });

  test('redeeming one code leaves another redeemable', () => {
    given(
      grant,
      opened,
      codeIssued,
      { type: 'AuthorizationCodeIssued', data: { ...code, digest: 'c2' } },
      {
        type: 'AuthorizationCodeRedeemed',
        data: { digest: 'c2', at: at(1) },
      },
    )
      .when(redeemCode(2))
      .then(codeRedeemed(2));
  });
});

describe('access tokens', () => {
  const issue = { type: 'IssueAccessToken', data: access('a1') } as const;

  test('one is issued once', () => {
    given(grant, opened).when(issue).then(accessIssued('a1'));
    given(grant, opened, accessIssued('a1')).when(issue).thenNothing();
  });

  test('one is revoked once', () => {
    given(grant, opened, accessIssued('a1')).when(revokeAccess('a1')).then(accessRevoked('a1'));
    given(grant, opened, accessIssued('a1'), accessRevoked('a1'))
      .when(revokeAccess('a1'))
      .thenNothing();
  });

  test('revoking one leaves its sibling, and the grant, alive', () => {
    const siblings = [opened, accessIssued('a1'), accessIssued('a2'), accessRevoked('a1')];
    given(grant, ...siblings)
      .when(revokeAccess('a2'))
      .then(accessRevoked('a2'));
    given(grant, ...siblings)
      .when({ type: 'IssueAccessToken', data: access('a3') })
      .then(accessIssued('a3'));
  });

  test('one is exchanged for another while it lasts', () => {
    const exchanged = { ...access('a2', 100), exchangedFrom: 'a1', clientId: 'orders' };
    const exchange = { type: 'IssueAccessToken', data: exchanged } as const;
    given(grant, opened, accessIssued('a1'))
      .when(exchange)
      .then({ type: 'AccessTokenIssued', data: exchanged });
    const ended = [
      [opened],
      [opened, accessIssued('a1', 0, 100)],
      [opened, accessIssued('a1'), accessRevoked('a1')],
    ];
    for (const facts of ended) {
      given(grant, ...facts)
        .when(exchange)
        .thenRefused('not_found', { field: 'subject_token' });
    }
    given(grant, opened, accessIssued('a1'), revoked('administrator'))
      .when(exchange)
      .thenRefused('grant_revoked');
  });

  test('revoking one that is not known decides nothing', () => {
    given(grant, opened).when(revokeAccess('a1')).thenNothing();
    given(grant).when(revokeAccess('a1')).thenNothing();
  });
});

describe('refresh tokens', () => {
  const issue = { type: 'IssueRefreshToken', data: refresh('r1') } as const;
  const rotated = [opened, refreshIssued('r1'), refreshRedeemed(100), refreshIssued('r2', 100)];
  const reused = {
    field: 'refresh_token',
    facts: [
      { type: 'RefreshTokenReuseDetected', data: { digest: 'r1' } },
      revoked('refresh_token_reused'),
    ],
  } satisfies { field: string; facts: Fact<GrantFacts>[] };

  test('one is issued once', () => {
    given(grant, opened).when(issue).then(refreshIssued('r1'));
    given(grant, opened, refreshIssued('r1')).when(issue).thenNothing();
    given(grant, ...rotated)
      .when(issue)
      .thenNothing();
  });

  test('one is redeemed for its successor, until it expires', () => {
    given(grant, opened, refreshIssued('r1'))
      .when(redeemRefresh(3599, 0))
      .then(refreshRedeemed(3599));
    given(grant, opened, refreshIssued('r1'))
      .when(redeemRefresh(3600, 0))
      .thenRefused('not_found', { field: 'refresh_token' });
  });

  test('the successor is redeemable in its turn', () => {
    given(grant, ...rotated)
      .when({
        type: 'RedeemRefreshToken',
        data: { digest: 'r2', expiresAt: null, successor: 'r3', now: at(200), leeway: 0 },
      })
      .then({
        type: 'RefreshTokenRedeemed',
        data: { digest: 'r2', successor: 'r3', at: at(200) },
      });
  });

  test.each([
    ['at once', 100],
    ['at the last moment', 110],
  ])('a retry within the leeway, %s, is refused with the successor and harms nothing', (_, now) => {
    given(grant, ...rotated)
      .when(redeemRefresh(now, 10))
      .thenRefused('refresh_token_rotated', { field: 'refresh_token', successor: 'r2' });
  });

  test('after the leeway it is a reuse, and ends the family (RFC 9700 §4.14.2)', () => {
    given(grant, ...rotated)
      .when(redeemRefresh(110.001, 10))
      .thenRefused('refresh_token_reused', reused);
  });

  test('without leeway it is a reuse at once, even by the clock of a node that is behind', () => {
    given(grant, ...rotated)
      .when(redeemRefresh(100, 0))
      .thenRefused('refresh_token_reused', reused);
    given(grant, ...rotated)
      .when(redeemRefresh(99.5, 0))
      .thenRefused('refresh_token_reused', reused);
  });

  test('a rotated token that has expired is not known', () => {
    given(grant, ...rotated)
      .when(redeemRefresh(3600, 10))
      .thenRefused('not_found', { field: 'refresh_token' });
  });

  test('one never issued here is not known', () => {
    given(grant, opened, accessIssued('a1'), codeIssued)
      .when(redeemRefresh(1, 0, { digest: 'c1' }))
      .thenRefused('not_found', { field: 'refresh_token' });
  });

  test('revoking one ends the grant, once (RFC 7009 §2.1)', () => {
    given(grant, opened, refreshIssued('r1'))
      .when(revokeRefresh('r1'))
      .then(refreshRevoked('r1'), revoked('refresh_token_revoked'));
    given(
      grant,
      opened,
      refreshIssued('r1'),
      refreshRevoked('r1'),
      revoked('refresh_token_revoked'),
    )
      .when(revokeRefresh('r1'))
      .thenNothing();
  });

  test('so does revoking one that was rotated', () => {
    given(grant, ...rotated)
      .when(revokeRefresh('r1'))
      .then(refreshRevoked('r1'), revoked('refresh_token_revoked'));
  });

  test.each([0, MAX_LEEWAY])(
    'one forgotten since it was redeemed is a reuse, with a leeway of %s',
    (leeway) => {
      const later = 100 + MAX_LEEWAY;
      const forgotten = [...rotated, refreshIssued('r3', later)];
      given(grant, ...forgotten)
        .when(redeemRefresh(later, leeway))
        .thenRefused('not_found', { field: 'refresh_token' });
      given(grant, ...forgotten)
        .when(redeemRefresh(later, leeway, { expiresAt: at(3600) }))
        .thenRefused('refresh_token_reused', reused);
      given(grant, ...forgotten)
        .when(redeemRefresh(3600, leeway, { expiresAt: at(3600) }))
        .thenRefused('not_found', { field: 'refresh_token' });
      given(grant, ...forgotten)
        .when(revokeRefresh('r1'))
        .then(refreshRevoked('r1'), revoked('refresh_token_revoked'));
    },
  );
});

describe('revoking the grant', () => {
  const revoke = { type: 'RevokeGrant', data: { reason: 'signed_out' } } as const;
  const over = [
    opened,
    codeIssued,
    accessIssued('a1'),
    refreshIssued('r1'),
    revoked('administrator'),
  ];

  test('is recorded once, with its cause', () => {
    given(grant, opened).when(revoke).then(revoked('signed_out'));
    given(grant, ...over)
      .when(revoke)
      .thenNothing();
    given(grant).when(revoke).thenNothing();
  });

  test.each([
    {
      type: 'ExtendGrant',
      data: { scopes: ['phone'], claims: [], resources: {}, declined: terms.declined },
    } as const,
    { type: 'IssueAuthorizationCode', data: issued('c2', 0, 60) } as const,
    redeemCode(1),
    { type: 'IssueAccessToken', data: access('a2') } as const,
    { type: 'IssueRefreshToken', data: refresh('r2') } as const,
    redeemRefresh(1, 10),
  ])('refuses $type from then on, and before there is a grant', (wish) => {
    given(grant, ...over)
      .when(wish)
      .thenRefused('grant_revoked');
    given(grant).when(wish).thenRefused('not_found', { field: 'grantId' });
  });

  test('leaves nothing to revoke, and cannot be undone by opening the grant again', () => {
    given(grant, ...over)
      .when(revokeAccess('a1'))
      .thenNothing();
    given(grant, ...over)
      .when(revokeRefresh('r1'))
      .thenNothing();
    given(grant, ...over)
      .when(open)
      .thenRefused('already_exists', { field: 'grantId' });
  });
});

describe('the state forgets what has expired', () => {
  test.each([
    [
      'codes',
      codeIssued,
      { type: 'AuthorizationCodeIssued', data: issued('c2', 60, 60) } as const,
      'c2',
    ],
    ['accessTokens', accessIssued('a1', 0, 60), accessIssued('a2', 60), 'a2'],
    ['refreshTokens', refreshIssued('r1', 0, 60), refreshIssued('r2', 60), 'r2'],
  ] as const)('%s, when the next is issued', (kind, before, next, digest) => {
    const state = fold(grant, [opened, before, next]);
    expect(digestsOf(state[kind])).toEqual([digest]);
  });

  test.each([
    ['codes', codeIssued, { type: 'AuthorizationCodeIssued', data: issued('c2', 59, 60) } as const],
    ['accessTokens', accessIssued('a1', 0, 60), accessIssued('a2', 59)],
    ['refreshTokens', refreshIssued('r1', 0, 60), refreshIssued('r2', 59)],
  ] as const)('and nothing sooner: %s', (kind, before, next) => {
    expect(digestsOf(fold(grant, [opened, before, next])[kind])).toHaveLength(2);
  });

  test('redeemed refresh tokens, when no leeway lasts so long', () => {
    const redeemed = fold(grant, [opened, refreshIssued('r1'), refreshRedeemed(100)]);
    const kept = (seconds: number) =>
      digestsOf(fold(grant, [refreshIssued('r2', seconds)], redeemed).refreshTokens);
    expect(kept(99 + MAX_LEEWAY)).toEqual(['r1', 'r2']);
    expect(kept(100 + MAX_LEEWAY)).toEqual(['r2']);
  });

  test('so ten thousand refreshes leave it small', () => {
    const [interval, lifetime, months] = [60, 600, 1e7];
    let state = fold(grant, [opened, refreshIssued('r0', 0, months)]);
    let redeemed = 0;
    for (let n = 1; n <= 10_000; n++) {
      const now = n * interval;
      const rotation = {
        digest: `r${n - 1}`,
        expiresAt: null,
        successor: `r${n}`,
        now: at(now),
        leeway: 10,
      };
      const { facts } = decide(grant, { type: 'RedeemRefreshToken', data: rotation }, state);
      redeemed += facts.length;
      const tokens = [refreshIssued(`r${n}`, now, months), accessIssued(`a${n}`, now, lifetime)];
      state = fold(grant, [...facts, ...tokens], state);
    }
    expect(redeemed).toBe(10_000);
    expect(digestsOf(state.refreshTokens)).toHaveLength(MAX_LEEWAY / interval + 1);
    expect(digestsOf(state.accessTokens)).toHaveLength(lifetime / interval);
  });
});
