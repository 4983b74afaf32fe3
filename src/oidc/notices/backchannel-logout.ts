import { importJWK, SignJWT } from 'jose';
import { SIGNING_KEY, signingKeyOf } from '../../commands/signing-keys.ts';
import type { SessionFacts, SessionPart } from '../../domain/session.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import type { Consequences } from '../../eventstore/execute.ts';
import type { Outbound } from '../../platform/outbound.ts';
import { digest, type Secrets } from '../../platform/secrets.ts';
import { entityId } from '../../projections/projection.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { idTokenAlgorithm } from '../response-protection.ts';
import { subjectFor } from '../subjects.ts';
import { type Deliver, noticeRow } from './notice.ts';

export interface LogoutNotices {
  readonly reads: Pick<ProtocolReads, 'client' | 'session' | 'signingKeys'>;
  readonly secrets: Secrets;
  /** Those that keys are kept for. */
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  readonly issuer: string;
  readonly outbound: Outbound;
}

/** Seconds (OpenID Connect Back-Channel Logout §2.4). */
const LIFETIME = 120;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

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
export function backchannelLogout(context: LogoutNotices): Deliver {
  const { reads, secrets, issuer, outbound } = context;
  return async ({ clientId, about, payload }, id, signal) => {
    const [client, session] = await Promise.all([reads.client(clientId), reads.session(about)]);
    if (!client?.logout.backchannelUri) return { dropped: 'the client takes no logout tokens' };
    const sid = String(payload.sid);
    const part = session?.clients.find((each) => each.client_id === clientId && each.sid === sid);
    if (!session || (part && !session.ended_at)) return 'later';

    const alg = idTokenAlgorithm(client, context.signingAlgorithms);
    const token = await sign(context, alg, {
      iss: issuer,
      aud: clientId,
      sub: subjectFor(secrets, session.sub, client),
      sid,
      jti: id,
      events: { [LOGOUT_EVENT]: {} },
    });
    const response = await outbound(client.logout.backchannelUri, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
      redirect: 'manual',
      signal,
    });
    if (!response.ok) throw new Error(`the client answered ${response.status}`);
    return 'delivered';
  };
}

async function sign(
  { reads, secrets }: LogoutNotices,
  alg: SigningAlgorithm,
  claims: Record<string, unknown>,
) {
  const key = signingKeyOf(alg, await reads.signingKeys());
  if (!key) throw new Error(`there is no key for ${alg}`);
  const jwk = JSON.parse(secrets.open(SIGNING_KEY, key.private_jwk));
  return new SignJWT(claims)
    .setProtectedHeader({ alg, kid: key.kid, typ: 'logout+jwt' })
    .setIssuedAt()
    .setExpirationTime(`${LIFETIME} s`)
    .sign(await importJWK(jwk, alg));
}
