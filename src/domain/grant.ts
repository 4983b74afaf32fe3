import type { TokenFormat } from './client.ts';
import { type Allowance, union } from './consent.ts';
import { type Decider, same } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Digest, Instant, RevocationReason } from './ids.ts';
import { changing, ending, type IssuedByDigest, issued, issuing, unexpired } from './issued.ts';
import type { Audience } from './token.ts';

/**
 * Seconds for which a leeway can last. As long it is remembered when a refresh token was redeemed, and
 * for which successor; of one redeemed before, only that it is not redeemable any more.
 */
export const MAX_LEEWAY = 300;

const LONG_AGO: Instant = new Date(0).toISOString();

/**
 * One authorization in use: what a client may do for a person in one session, with the codes and
 * tokens issued under it. Ad hoc where a consent is permanent. The stream is the one place where
 * "may this be redeemed?" is settled.
 */
export interface GrantTerms {
  readonly grantId: string;
  readonly sub: string;
  readonly clientId: string;
  readonly sessionUid: string | null;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly resources: Readonly<Record<string, readonly string[]>>;
  /** What was asked for and refused: it is not asked for again under this grant. */
  readonly declined: Allowance;
  /** What the grant rests on: a consent, the client's consent type, or the flow itself. */
  readonly basis: 'consent' | 'implicit' | 'external' | 'password' | 'assertion';
  /** Who spoke for the person, where it rests on an assertion (RFC 7523); null otherwise. */
  readonly assertedBy: string | null;
}

type GrantAllowance = Pick<GrantTerms, keyof Allowance | 'declined'>;

interface Issued {
  /** Digest of the value handed out. */
  readonly digest: Digest;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
  readonly scopes: readonly string[];
  /** What the protocol engine must find again: nonce, PKCE challenge, redirect URI, key binding … */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface IssuedAccessToken extends Issued {
  readonly format: TokenFormat;
  readonly audience: Audience;
  /** The access token of this grant that it was given in exchange for (RFC 8693). */
  readonly exchangedFrom: Digest | null;
  /** Who exchanged it, and holds it now; null for the client of the grant. */
  readonly clientId: string | null;
}

export interface IssuedRefreshToken extends Issued {
  /** How many refreshes lead to it. */
  readonly rotations: number;
}

export type GrantFacts = {
  GrantOpened: GrantTerms;
  GrantExtended: GrantAllowance;
  AuthorizationCodeIssued: Issued;
  AuthorizationCodeRedeemed: { readonly digest: Digest; readonly at: Instant };
  AuthorizationCodeReplayDetected: { readonly digest: Digest };
  AccessTokenIssued: IssuedAccessToken;
  AccessTokenRevoked: { readonly digest: Digest };
  RefreshTokenIssued: IssuedRefreshToken;
  RefreshTokenRedeemed: {
    readonly digest: Digest;
    readonly successor: Digest | null;
    readonly at: Instant;
  };
  RefreshTokenReuseDetected: { readonly digest: Digest };
  RefreshTokenRevoked: { readonly digest: Digest };
  GrantRevoked: { readonly reason: RevocationReason };
};

export type GrantWishes = {
  OpenGrant: GrantTerms;
  ExtendGrant: GrantAllowance;
  IssueAuthorizationCode: Issued;
  /** Refused with `code_replayed` the second time; the grant is then revoked (RFC 6749 §4.1.2). */
  RedeemAuthorizationCode: { readonly digest: Digest; readonly now: Instant };
  /** Refused with `not_found` when the token it is exchanged for has ended in the meantime. */
  IssueAccessToken: IssuedAccessToken;
  RevokeAccessToken: { readonly digest: Digest };
  IssueRefreshToken: IssuedRefreshToken;
  /**
   * Refused with `refresh_token_rotated` (detail: `successor`) within the leeway after the first
   * redemption, and with `refresh_token_reused` later, when the whole family is revoked
   * (RFC 9700 §4.14.2). `leeway` is in seconds, {@link MAX_LEEWAY} at most; with 0 every second
   * redemption is a reuse.
   */
  RedeemRefreshToken: {
    readonly digest: Digest;
    /** When it expires, of a token that was issued under this grant; null where that is not known. */
    readonly expiresAt: Instant | null;
    readonly successor: Digest | null;
    readonly now: Instant;
    readonly leeway: number;
  };
  /** Of one that was issued under this grant, whatever has become of it. */
  RevokeRefreshToken: { readonly digest: Digest };
  RevokeGrant: { readonly reason: RevocationReason };
};

interface Redeemable {
  readonly expiresAt: Instant;
  readonly redeemedAt: Instant | null;
  readonly successor: Digest | null;
}

export interface GrantState {
  readonly status: 'none' | 'open' | 'revoked';
  readonly terms: GrantTerms | null;
  /** Only what has not expired: a fact that issues something forgets what expired before it. */
  readonly codes: IssuedByDigest<Redeemable>;
  /** Nor what was redeemed longer ago than any leeway. */
  readonly refreshTokens: IssuedByDigest<Redeemable>;
  readonly accessTokens: IssuedByDigest<{ readonly expiresAt: Instant }>;
}

export const grant: Decider<GrantState, GrantWishes, GrantFacts> = {
  category: 'grant',
  initial: { status: 'none', terms: null, codes: {}, refreshTokens: {}, accessTokens: {} },

  evolve: {
    GrantOpened: (state, terms) => ({ ...state, status: 'open', terms }),
    GrantExtended: (state, allowance) => ({
      ...state,
      terms: state.terms && { ...state.terms, ...allowance },
    }),
    AuthorizationCodeIssued: (state, code) => ({
      ...state,
      codes: issuing(state.codes, code.digest, unredeemed(code), unexpired(code.issuedAt)),
    }),
    AuthorizationCodeRedeemed: (state, { digest, at }) => ({
      ...state,
      codes: changing(state.codes, digest, redeemed(at, null)),
    }),
    AuthorizationCodeReplayDetected: (state) => state,
    AccessTokenIssued: (state, { digest, issuedAt, expiresAt }) => ({
      ...state,
      accessTokens: issuing(state.accessTokens, digest, { expiresAt }, unexpired(issuedAt)),
    }),
    AccessTokenRevoked: (state, { digest }) => ({
      ...state,
      accessTokens: ending(state.accessTokens, digest),
    }),
    RefreshTokenIssued: (state, token) => ({
      ...state,
      refreshTokens: issuing(
        state.refreshTokens,
        token.digest,
        unredeemed(token),
        unforgotten(token.issuedAt),
      ),
    }),
    RefreshTokenRedeemed: (state, { digest, at, successor }) => ({
      ...state,
      refreshTokens: changing(state.refreshTokens, digest, redeemed(at, successor)),
    }),
    RefreshTokenReuseDetected: (state) => state,
    RefreshTokenRevoked: (state, { digest }) => ({
      ...state,
      refreshTokens: ending(state.refreshTokens, digest),
    }),
    GrantRevoked: (state) => ({
      ...state,
      status: 'revoked',
      codes: {},
      refreshTokens: {},
      accessTokens: {},
    }),
  },

  decide: {
    OpenGrant(terms, state) {
      if (state.status !== 'none') {
        throw new DomainError('already_exists', 'the grant exists already', { field: 'grantId' });
      }
      return [{ type: 'GrantOpened', data: terms }];
    },
    ExtendGrant(wanted, state) {
      const terms = open(state);
      const extended = {
        ...union(terms, wanted),
        declined: union(terms.declined, wanted.declined),
      };
      return same({ ...terms, ...extended }, terms)
        ? []
        : [{ type: 'GrantExtended', data: extended }];
    },
    IssueAuthorizationCode(code, state) {
      open(state);
      return issued(state.codes, code.digest)
        ? []
        : [{ type: 'AuthorizationCodeIssued', data: code }];
    },
    RedeemAuthorizationCode({ digest, now }, state) {
      open(state);
      const code = issued(state.codes, digest);
      if (!code || code.expiresAt <= now) {
        throw new DomainError('not_found', 'the authorization code is not known here', {
          field: 'code',
        });
      }
      if (code.redeemedAt) {
        return {
          refused: new DomainError('code_replayed', 'the authorization code was used before', {
            field: 'code',
          }),
          facts: [
            { type: 'AuthorizationCodeReplayDetected', data: { digest } },
            { type: 'GrantRevoked', data: { reason: 'code_replayed' } },
          ],
        };
      }
      return [{ type: 'AuthorizationCodeRedeemed', data: { digest, at: now } }];
    },
    IssueAccessToken(token, state) {
      open(state);
      const subject = token.exchangedFrom && issued(state.accessTokens, token.exchangedFrom);
      if (token.exchangedFrom && (!subject || subject.expiresAt <= token.issuedAt)) {
        throw new DomainError('not_found', 'the token to be exchanged is not known here', {
          field: 'subject_token',
        });
      }
      return issued(state.accessTokens, token.digest)
        ? []
        : [{ type: 'AccessTokenIssued', data: token }];
    },
    RevokeAccessToken: ({ digest }, state) =>
      issued(state.accessTokens, digest) ? [{ type: 'AccessTokenRevoked', data: { digest } }] : [],
    IssueRefreshToken(token, state) {
      open(state);
      return issued(state.refreshTokens, token.digest)
        ? []
        : [{ type: 'RefreshTokenIssued', data: token }];
    },
    RedeemRefreshToken({ digest, expiresAt, successor, now, leeway }, state) {
      open(state);
      const token = issued(state.refreshTokens, digest) ?? forgotten(expiresAt);
      if (!token || token.expiresAt <= now) {
        throw new DomainError('not_found', 'the refresh token is not known here', {
          field: 'refresh_token',
        });
      }
      if (!token.redeemedAt) {
        return [{ type: 'RefreshTokenRedeemed', data: { digest, successor, at: now } }];
      }
      if (leeway > 0 && secondsBetween(token.redeemedAt, now) <= leeway) {
        throw new DomainError(
          'refresh_token_rotated',
          'the refresh token was rotated a moment ago',
          {
            field: 'refresh_token',
            successor: token.successor,
          },
        );
      }
      return {
        refused: new DomainError('refresh_token_reused', 'the refresh token was used before', {
          field: 'refresh_token',
        }),
        facts: [
          { type: 'RefreshTokenReuseDetected', data: { digest } },
          { type: 'GrantRevoked', data: { reason: 'refresh_token_reused' } },
        ],
      };
    },
    RevokeRefreshToken({ digest }, state) {
      // RFC 7009 §2.1: the access tokens of the same authorization end with it.
      if (state.status !== 'open') return [];
      return [
        { type: 'RefreshTokenRevoked', data: { digest } },
        { type: 'GrantRevoked', data: { reason: 'refresh_token_revoked' } },
      ];
    },
    RevokeGrant: ({ reason }, state) =>
      state.status === 'open' ? [{ type: 'GrantRevoked', data: { reason } }] : [],
  },
};

function open(state: GrantState): GrantTerms {
  if (state.status === 'revoked')
    throw new DomainError('grant_revoked', 'the grant has been revoked');
  if (!state.terms) throw new DomainError('not_found', 'no such grant', { field: 'grantId' });
  return state.terms;
}

function unredeemed({ expiresAt }: Issued): Redeemable {
  return { expiresAt, redeemedAt: null, successor: null };
}

/** Whether it was not redeemed yet. */
export function isRedeemable({ redeemedAt }: Redeemable): boolean {
  return redeemedAt === null;
}

function redeemed(at: Instant, successor: Digest | null) {
  return (one: Redeemable): Redeemable => ({ ...one, redeemedAt: at, successor });
}

/** A token that was issued and is not remembered: it was redeemed before any leeway. */
function forgotten(expiresAt: Instant | null): Redeemable | null {
  return expiresAt ? { expiresAt, redeemedAt: LONG_AGO, successor: null } : null;
}

/** For {@link issuing}: what may be redeemed, or was while a leeway can last. */
function unforgotten(at: Instant): (one: Redeemable) => boolean {
  const before = new Date(Date.parse(at) - MAX_LEEWAY * 1000).toISOString();
  return ({ expiresAt, redeemedAt }) => expiresAt > at && (!redeemedAt || redeemedAt > before);
}

function secondsBetween(earlier: Instant, later: Instant): number {
  return (Date.parse(later) - Date.parse(earlier)) / 1000;
}
