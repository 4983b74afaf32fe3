import type pg from 'pg';
import type { Instant, Sealed } from '../domain/ids.ts';
import type { NoticeFacts, NoticeKind, NoticeSubject } from '../domain/notice.ts';
import { READ_SCHEMA } from './apply.ts';
import type { Condition } from './page.ts';
import type { Projection, Told } from './projection.ts';

/** A notice that was tried at least once, or dropped; one that was not yet is a technical row alone. */
export interface NoticeRow {
  readonly notice_id: string;
  readonly kind: NoticeKind;
  readonly client_id: string;
  readonly about: string;
  readonly attempts: number;
  readonly error: string | null;
  readonly tried_at: Instant;
  /** null: it is not tried again. */
  readonly retry_at: Instant | null;
  readonly delivered_at: Instant | null;
  /** Why nobody is told any more. */
  readonly dropped: string | null;
}

export const notices: Projection<NoticeRow, 'notice_id', NoticeFacts> = {
  table: 'notices',
  key: ['notice_id'],
  columns: {
    notice_id: 'text',
    kind: 'text not null',
    client_id: 'text not null',
    about: 'text not null',
    attempts: 'integer not null',
    error: 'text',
    tried_at: 'timestamptz not null',
    retry_at: 'timestamptz',
    delivered_at: 'timestamptz',
    dropped: 'text',
  },
  indexes: ['(about)', '(client_id)', '(tried_at, notice_id)'],
  on: {
    NoticeDelivered: (told) => [{ put: { ...tried(told), delivered_at: told.at } }],
    NoticeFailed: (told) => [
      { put: { ...tried(told), error: told.data.error, retry_at: told.data.retryAt } },
    ],
    NoticeDropped: (told) => [{ put: { ...tried(told), dropped: told.data.reason } }],
  },
};

function tried({ data, id, at }: Told<NoticeSubject & { readonly attempts: number }>): NoticeRow {
  return {
    notice_id: id,
    kind: data.kind,
    client_id: data.clientId,
    about: data.about,
    attempts: data.attempts,
    error: null,
    tried_at: at,
    retry_at: null,
    delivered_at: null,
    dropped: null,
  };
}

export type NoticeStatus = 'delivered' | 'dropped' | 'failed' | 'retrying';

/** What has become of a notice. */
export function noticeStatus({ delivered_at, dropped, retry_at }: NoticeRow): NoticeStatus {
  if (delivered_at) return 'delivered';
  if (dropped !== null) return 'dropped';
  return retry_at ? 'retrying' : 'failed';
}

/** Notices of one status. */
export function noticesOf(status: NoticeStatus): Condition {
  const open = 't.delivered_at is null and t.dropped is null';
  const conditions: Readonly<Record<NoticeStatus, string>> = {
    delivered: 't.delivered_at is not null',
    dropped: 't.dropped is not null',
    failed: `${open} and t.retry_at is null`,
    retrying: `${open} and t.retry_at is not null`,
  };
  return () => conditions[status];
}

/** A notice whose time has come. */
export interface DueNotice {
  readonly id: string;
  readonly payload: Sealed;
  /** So often it was tried without success. */
  readonly attempts: number;
}

/** Some of the notices that are due, without those named. */
export async function dueNotices(
  pool: pg.Pool,
  model: string,
  { limit, except }: { limit: number; except: readonly string[] },
): Promise<DueNotice[]> {
  const { rows } = await pool.query<DueNotice>({
    name: 'due-notices',
    text: `
      select e.id, e.payload, coalesce(n.attempts, 0) as attempts
      from state.entries e left join ${READ_SCHEMA}.notices n on n.notice_id = e.id
      where e.model = $1 and e.expires_at > now() and e.id <> all($2)
        and (n.retry_at is null or n.retry_at <= now())
      order by e.expires_at limit $3`,
    values: [model, except, limit],
  });
  return rows;
}
