/** THE LIST of what clients are told of their own. */
import type { Consequences } from '../../eventstore/execute.ts';
import { backchannelLogout, type LogoutNotices, logoutConsequences } from './backchannel-logout.ts';
import { backchannelPing, type PingNotices, pingConsequences } from './backchannel-ping.ts';
import type { Handlers } from './notice.ts';

type NoticeContext = LogoutNotices & PingNotices;

/** The notices that come of what is written. */
export function noticeConsequences(
  context: Pick<NoticeContext, 'reads' | 'secrets'>,
): Consequences {
  const all = [logoutConsequences(context), pingConsequences(context)];
  return async (writes, envelope) =>
    (await Promise.all(all.map((each) => each(writes, envelope)))).flat();
}

export function noticeHandlers(context: Omit<NoticeContext, 'secrets'>): Handlers {
  return {
    backchannel_logout: backchannelLogout(context),
    backchannel_ping: backchannelPing(context),
  };
}
