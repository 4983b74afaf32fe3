import type { Consequences } from '../../eventstore/execute.ts';
import type { Outbound } from '../../platform/outbound.ts';
import { digest, type Secrets } from '../../platform/secrets.ts';
import { entityId } from '../../projections/projection.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { PING, type Ping } from '../adapter/backchannel-request.ts';
import { type Deliver, noticeRow } from './notice.ts';

export interface PingNotices {
  readonly reads: Pick<ProtocolReads, 'client' | 'entry' | 'backchannelRequest'>;
  readonly secrets: Secrets;
  readonly outbound: Outbound;
}

const DECISIONS = ['BackchannelAuthenticationApproved', 'BackchannelAuthenticationDenied'];

/** A client that wants to be told is told of each decision, by whomever it was made. */
export function pingConsequences({
  reads,
  secrets,
}: Pick<PingNotices, 'reads' | 'secrets'>): Consequences {
  return async (writes, envelope) => {
    const decided = writes
      .filter(({ events }) => events.some(({ type }) => DECISIONS.includes(type)))
      .map(({ stream }) => entityId(stream));
    const rows = decided.map(async (about) => {
      const [request, ping] = await Promise.all([
        reads.backchannelRequest(about),
        reads.entry(PING, about),
      ]);
      if (!request || !ping?.payload) return [];
      const id = digest(JSON.stringify(['backchannel_ping', about]));
      const notice = {
        kind: 'backchannel_ping',
        clientId: request.client_id,
        about,
        payload: JSON.parse(secrets.open(PING, ping.payload)) as Ping & Record<string, unknown>,
      } as const;
      return [noticeRow(secrets, id, notice, envelope)];
    });
    return (await Promise.all(rows)).flat();
  };
}

/** Tells a client that it can fetch its answer (OpenID Connect CIBA §10.2). */
export function backchannelPing({ reads, outbound }: Omit<PingNotices, 'secrets'>): Deliver {
  return async ({ clientId, about, payload }, _id, signal) => {
    const [client, request] = await Promise.all([
      reads.client(clientId),
      reads.backchannelRequest(about),
    ]);
    const endpoint = client?.ciba.notificationEndpoint;
    if (!endpoint || client.disabled_at || client.ciba.deliveryMode !== 'ping') {
      return { dropped: 'the client takes no notifications' };
    }
    if (!request || !(request.approved_at ?? request.denied_at)) return 'later';
    if (request.redeemed_at) return { dropped: 'the client has its answer' };
    if (Date.parse(request.expires_at) <= Date.now()) {
      return { dropped: 'the request has run out' };
    }
    const { authReqId, notificationToken } = payload as unknown as Ping;
    const response = await outbound(endpoint, {
      method: 'POST',
      body: JSON.stringify({ auth_req_id: authReqId }),
      headers: {
        authorization: `Bearer ${notificationToken}`,
        'content-type': 'application/json',
      },
      redirect: 'manual',
      signal,
    });
    if (!response.ok) throw new Error(`the client answered ${response.status}`);
    return 'delivered';
  };
}
