import type { AdapterPayload, KoaContextWithOIDC } from 'oidc-provider';
import Provider from 'oidc-provider';
import { backchannelRequest } from '../../domain/backchannel-request.ts';
import { digest, type Secrets } from '../../platform/secrets.ts';
import type { SubjectKeys } from '../../platform/subject-keys.ts';
import type { BackchannelRequestRow } from '../../projections/backchannel-requests.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { askedDetails } from '../authorization-details.ts';
import { requested } from '../grant-loader.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import type { DetailSeals } from './authorization-details.ts';
import {
  instantIn,
  instantOf,
  ModelAdapter,
  numericDate,
  rest,
  scopeList,
} from './model-adapter.ts';
import { POLL_INTERVAL, pace } from './polling.ts';

/** Told by other fields of the facts, or by a technical row, or by nothing at all. */
const TOLD_ELSEWHERE = ['jti', 'kind', 'iat', 'exp', 'clientId', 'accountId', 'scope', 'params'];

/** The technical row with what it takes to tell a client that a person has decided. */
export const PING = 'BackchannelPing';

/** What it takes (OpenID Connect CIBA §10.2). */
export interface Ping {
  readonly authReqId: string;
  /** By which the client knows that it is told by this server. */
  readonly notificationToken: string;
}

/**
 * Requests by the back channel (OpenID Connect CIBA). What the person decides comes by a command
 * (commands/backchannel-requests.ts); here a client asks, and asks again until they have.
 */
export class BackchannelRequestAdapter extends ModelAdapter {
  constructor(
    private readonly context: {
      readonly reads: ProtocolReads;
      readonly secrets: Secrets;
      readonly subjectKeys: SubjectKeys;
      readonly details: DetailSeals;
    },
  ) {
    super();
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const { secrets, subjectKeys, details } = this.context;
    const ctx = Provider.ctx as KoaContextWithOIDC;
    const { clientId = '', accountId: sub = '', params = {} } = payload;
    const { binding_message: message, client_notification_token: token } = params;
    const asked = askedDetails(ctx);
    const unit = currentUnitOfWork();
    const code = digest(id);
    unit.wish(
      backchannelRequest,
      code,
      {
        type: 'RequestBackchannelAuthentication',
        data: {
          digest: code,
          clientId,
          sub,
          scopes: scopeList(payload.scope as string | undefined),
          allowance: requested(ctx),
          bindingMessage: message ? await subjectKeys.seal(sub, String(message)) : null,
          requestedAt: instantOf(payload.iat as number),
          expiresAt: instantOf(payload.exp as number),
          interval: POLL_INTERVAL,
          parameters: rest(
            // The person says yes to all of it or to nothing.
            await details.seal({ ...payload, rar: asked && [...asked] }),
            ...TOLD_ELSEWHERE,
          ),
        },
      },
      { fresh: true },
    );
    if (!token) return;
    const ping: Ping = { authReqId: id, notificationToken: String(token) };
    unit.change({
      op: 'put',
      model: PING,
      id: code,
      lookup: null,
      payload: secrets.seal(PING, JSON.stringify(ping)),
      expiresAt: instantIn(expiresIn),
    });
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const row = await this.context.reads.backchannelRequest(digest(id));
    if (!row) return undefined;
    pace(row);
    return this.context.details.open({ ...requestPayload(row), jti: id });
  }

  /** Whether it was redeemed before is decided at commit. A refusal of the person's can be read again. */
  override async consume(id: string): Promise<void> {
    const code = digest(id);
    const row = await this.context.reads.backchannelRequest(code);
    if (!row || row.denied_at) return;
    currentUnitOfWork().wish(backchannelRequest, code, {
      type: 'RedeemBackchannelRequest',
      data: { now: new Date().toISOString() },
    });
  }
}

function requestPayload(row: BackchannelRequestRow): AdapterPayload {
  return {
    ...row.parameters,
    kind: 'BackchannelAuthenticationRequest',
    iat: numericDate(row.requested_at),
    exp: numericDate(row.expires_at),
    clientId: row.client_id,
    accountId: row.sub,
    scope: row.scopes.join(' '),
    ...(row.grant_id && {
      grantId: row.grant_id,
      authTime: row.auth_time ? numericDate(row.auth_time) : undefined,
      acr: row.acr ?? undefined,
      amr: row.amr ? [...row.amr] : undefined,
    }),
    ...(row.denied_at && { error: 'access_denied', errorDescription: 'the person said no' }),
  };
}
