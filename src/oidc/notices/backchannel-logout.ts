import type { SessionFacts, SessionPart } from '../../domain/session.ts';
import type { Consequences } from '../../eventstore/execute.ts';
import type { Outbound } from '../../platform/outbound.ts';
import { digest, type Secrets } from '../../platform/secrets.ts';
import { entityId } from '../../projections/projection.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import type { LogoutToken } from '../tokens/logout-token.ts';
import { type Deliver, noticeRow } from './notice.ts';

export interface LogoutNotices {
  readonly reads: Pick<ProtocolReads, 'client' | 'session'>;
  readonly secrets: Secrets;
  readonly logoutToken: LogoutToken;
  readonly outbound: Outbound;
}

/** Whoever's part in a session ends is told, if there is an address: whatever ended it. */
export function logoutConsequences({
  reads,
  secrets,
}: Pick<LogoutNotices, 'reads' | 'secrets'>): Consequences {
  return async (writes, envelope) => {
    const ended = writes.flatMap(({ stream, events }) =>
      events.flatMap((event) =>
        partsEndedBy(event).map((part) => ({ ...part, uid: entityId(stream) })),
      ),
    );
    const rows = ended.map(async ({ uid, clientId, sid }) => {
      const client = await reads.client(clientId);
      if (!client?.logout.backchannelUri) return [];
      const id = digest(JSON.stringify(['backchannel_logout', uid, clientId, sid]));
      const notice = {
        kind: 'backchannel_logout',
        clientId,
        about: uid,
        payload: { sid },
      } as const;
      return [noticeRow(secrets, id, notice, envelope)];
    });
    return (await Promise.all(rows)).flat();
  };
}

function partsEndedBy({ type, data }: { type: string; data: object }): readonly SessionPart[] {
  if (type === 'SessionEnded') return (data as SessionFacts['SessionEnded']).clients;
  if (type !== 'ClientLeftSession') return [];
  const { clientId, sid } = data as SessionFacts['ClientLeftSession'];
  return sid === null ? [] : [{ clientId, sid }];
}

/** Posts the logout token (OpenID Connect Back-Channel Logout §2.5). */
export function backchannelLogout(context: Omit<LogoutNotices, 'secrets'>): Deliver {
  const { reads, logoutToken, outbound } = context;
  return async ({ clientId, about, payload }, jti, signal) => {
    const [client, session] = await Promise.all([reads.client(clientId), reads.session(about)]);
    const sid = String(payload.sid);
    const part = session?.clients.find((each) => each.client_id === clientId && each.sid === sid);
    if (!session || (part && !session.ended_at)) return 'later';

    const address = client?.logout.backchannelUri;
    const token = address && (await logoutToken(clientId, { sub: session.sub, sid, jti }));
    if (!token) return { dropped: 'the client takes no logout tokens' };
    const response = await outbound(address, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
      redirect: 'manual',
      signal,
    });
    if (!response.ok) throw new Error(`the client answered ${response.status}`);
    return 'delivered';
  };
}
