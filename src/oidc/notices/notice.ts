import type { NoticeKind, NoticeSubject } from '../../domain/notice.ts';
import type { Envelope, StateChange } from '../../eventstore/event-store.ts';
import type { Secrets } from '../../platform/secrets.ts';

/** The technical rows of notices that are due; what they hold is sealed for the same purpose. */
export const NOTICE = 'Notice';

/** Days. Who could not be told by then is not: a server that was away so long tells nobody. */
const KEPT = 7;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** What a client is to be told, and all that is needed for it. */
export interface Notice extends NoticeSubject {
  readonly payload: Readonly<Record<string, unknown>>;
  /** Of what brought it about; what becomes of it belongs to the same story. */
  readonly correlationId: string;
}

/** What came of an attempt: `later` when what it tells is not recorded yet. Failure is an exception. */
export type Outcome = 'delivered' | 'later' | { readonly dropped: string };

/** Tells a client. @param id the same for each attempt */
export type Deliver = (notice: Notice, id: string, signal: AbortSignal) => Promise<Outcome>;

/** One handler for each kind. */
export type Handlers = { readonly [K in NoticeKind]: Deliver };

/**
 * The technical row by which a client will be told, however long that takes. It is written in the
 * commit of what it tells.
 * @param id the same for the same message, so that it is told once
 */
export function noticeRow(
  secrets: Secrets,
  id: string,
  told: Omit<Notice, 'correlationId'>,
  envelope: Pick<Envelope, '$correlationId'>,
): StateChange {
  const notice: Notice = { ...told, correlationId: envelope.$correlationId };
  return {
    op: 'put',
    model: NOTICE,
    id,
    lookup: null,
    payload: secrets.seal(NOTICE, JSON.stringify(notice)),
    expiresAt: new Date(Date.now() + KEPT * DAY_MS).toISOString(),
  };
}

export function openNotice(secrets: Secrets, payload: string): Notice {
  return JSON.parse(secrets.open(NOTICE, payload));
}
