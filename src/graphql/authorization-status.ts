import { registerEnumType } from 'type-graphql';
import type { Instant } from '../domain/ids.ts';
import { type Condition, hasCome, isSet } from '../projections/page.ts';

/** Where a request that waits for a person is in its life. */
export const AuthorizationStatus = {
  PENDING: 'pending',
  APPROVED: 'approved',
  DENIED: 'denied',
  REDEEMED: 'redeemed',
  EXPIRED: 'expired',
} as const;
export type AuthorizationStatus = (typeof AuthorizationStatus)[keyof typeof AuthorizationStatus];

registerEnumType(AuthorizationStatus, {
  name: 'AuthorizationStatus',
  description: 'Where a request that waits for a person is in its life.',
  valuesConfig: {
    PENDING: { description: 'The person has not decided.' },
    APPROVED: { description: 'The person said yes; the client has not fetched its tokens.' },
    DENIED: { description: 'The person said no.' },
    REDEEMED: { description: 'The client has its tokens.' },
    EXPIRED: { description: 'It ran out before the person decided, or before the client came.' },
  },
});

interface Row {
  readonly expires_at: Instant;
  readonly approved_at: Instant | null;
  readonly denied_at: Instant | null;
  readonly redeemed_at: Instant | null;
}

/** @param at as it is now when absent */
export function statusOf(row: Row, at: Instant = new Date().toISOString()): AuthorizationStatus {
  if (row.redeemed_at) return 'redeemed';
  if (row.denied_at) return 'denied';
  if (row.expires_at <= at) return 'expired';
  return row.approved_at ? 'approved' : 'pending';
}

/** The rows that have this status then. */
export function withStatus(status: AuthorizationStatus, at: Instant): Condition[] {
  if (status === 'redeemed') return [isSet('redeemed_at', true)];
  if (status === 'denied') return [isSet('denied_at', true)];
  const waiting = [
    isSet('redeemed_at', false),
    isSet('denied_at', false),
    hasCome('expires_at', at, status === 'expired'),
  ];
  return status === 'expired' ? waiting : [...waiting, isSet('approved_at', status === 'approved')];
}
