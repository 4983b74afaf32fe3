import Provider from 'oidc-provider';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { instantIn } from './model-adapter.ts';

/** Seconds a client waits between two polls (RFC 8628 §3.2, OpenID Connect CIBA §7.3). */
export const POLL_INTERVAL = 5;

/** The technical row by which a client is seen to poll too fast, on all nodes together. */
export const POLL = 'Poll';

/** Seconds by which a poll may come early: clocks differ, and networks are not even. */
const SLACK = 1;

/** What a client polls for, while a person is to decide. */
interface Polled {
  readonly digest: string;
  readonly client_id: string;
  readonly expires_at: string;
  readonly poll_interval: number;
  readonly approved_at: string | null;
  readonly denied_at: string | null;
}

/** While nothing is decided, of two polls within the interval one is refused with `slow_down`. */
export function pace({ digest: id, poll_interval, ...row }: Polled): void {
  const decided = row.approved_at ?? row.denied_at;
  const theirs = Provider.ctx?.oidc.client?.clientId === row.client_id;
  if (decided || !theirs || Date.parse(row.expires_at) <= Date.now()) return;
  currentUnitOfWork().change({
    op: 'claim',
    model: POLL,
    id,
    lookup: null,
    payload: null,
    expiresAt: instantIn(poll_interval - SLACK),
  });
}
