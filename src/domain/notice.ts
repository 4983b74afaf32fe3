import type { Decider } from './decider.ts';
import type { Instant } from './ids.ts';

/** What clients are told of: a kind for each handler in src/oidc/notices/. */
export type NoticeKind = 'backchannel_logout' | 'backchannel_ping';

/** Whom a notice is for, and about what. */
export interface NoticeSubject {
  readonly kind: NoticeKind;
  readonly clientId: string;
  /** Id of the entity it is about: the session's uid, the request's digest. */
  readonly about: string;
}

/**
 * A message to a client, sent again until the client has taken it or there were enough attempts. That
 * it is due stands in a technical row; what became of it is recorded here.
 */
export type NoticeFacts = {
  NoticeDelivered: NoticeAttempts;
  /** `retryAt` is null when it was the last attempt. */
  NoticeFailed: NoticeAttempts & { readonly error: string; readonly retryAt: Instant | null };
  /** There is nobody to be told any more. */
  NoticeDropped: NoticeAttempts & { readonly reason: string };
};

/** How often it was tried, this time included. */
type NoticeAttempts = NoticeSubject & { readonly attempts: number };

export type NoticeWishes = {
  DeliverNotice: NoticeFacts['NoticeDelivered'];
  FailNotice: NoticeFacts['NoticeFailed'];
  DropNotice: NoticeFacts['NoticeDropped'];
};

export interface NoticeState {
  readonly status: 'due' | 'delivered' | 'failed' | 'dropped';
  readonly attempts: number;
}

export const notice: Decider<NoticeState, NoticeWishes, NoticeFacts> = {
  category: 'notice',
  initial: { status: 'due', attempts: 0 },

  evolve: {
    NoticeDelivered: (_, { attempts }) => ({ status: 'delivered', attempts }),
    NoticeFailed: (_, { attempts, retryAt }) => ({
      status: retryAt === null ? 'failed' : 'due',
      attempts,
    }),
    NoticeDropped: (state) => ({ ...state, status: 'dropped' }),
  },

  decide: {
    DeliverNotice: (wish, { status }) =>
      status === 'due' ? [{ type: 'NoticeDelivered', data: wish }] : [],
    FailNotice: (wish, { status, attempts }) =>
      status === 'due' && wish.attempts > attempts ? [{ type: 'NoticeFailed', data: wish }] : [],
    DropNotice: (wish, { status }) =>
      status === 'due' ? [{ type: 'NoticeDropped', data: wish }] : [],
  },
};
