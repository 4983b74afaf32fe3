import type { AdapterPayload } from 'oidc-provider';
import Provider from 'oidc-provider';
import { deviceAuthorization } from '../../domain/device-authorization.ts';
import { digest, type Secrets } from '../../platform/secrets.ts';
import type { DeviceAuthorizationRow } from '../../projections/device-authorizations.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
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

/** The technical row that leads from a user code to its device code, while it lasts. */
export const USER_CODE = 'UserCode';

/** Seconds for which a person is told that their code has run out, rather than that there is none. */
const REMEMBERED = 10 * 60;

/** Told by other fields of the facts, or by the technical row, or by nothing at all. */
const TOLD_ELSEWHERE = [
  'jti',
  'kind',
  'iat',
  'exp',
  'clientId',
  'accountId',
  'grantId',
  'sessionUid',
  'scope',
  'params',
  'userCode',
  'deviceInfo',
  'inFlight',
  'error',
  'errorDescription',
];

/**
 * Where the person's part begins the device code is not known: its digest stands for it, marked so
 * that it is never mistaken for one. The token endpoint takes no such handle.
 */
const HANDLE = /^device:([0-9a-f]{64})$/;

interface KnownByUserCode {
  readonly digest: string;
  /** The device's request, as the protocol engine wants it back when the person has come. */
  readonly params: Readonly<Record<string, unknown>>;
}

/**
 * Device codes and user codes (RFC 8628). A user code is found by its keyed digest in a row that
 * expires with it; no two live codes are the same, for the row is claimed.
 */
export class DeviceCodeAdapter extends ModelAdapter {
  constructor(
    private readonly context: {
      readonly reads: ProtocolReads;
      readonly secrets: Secrets;
      readonly details: DetailSeals;
    },
  ) {
    super();
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const known = HANDLE.exec(id)?.[1];
    if (known) this.#tell(known, await this.context.details.seal(payload));
    else this.#request(digest(id), payload, expiresIn);
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const polled = Provider.ctx?.oidc.route === 'token';
    const code = polled ? digest(id) : HANDLE.exec(id)?.[1];
    const row = code ? await this.context.reads.deviceAuthorization(code) : undefined;
    if (!row) return undefined;
    if (polled) pace(row);
    return this.context.details.open({ ...devicePayload(row), jti: id });
  }

  override async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    const { reads, secrets } = this.context;
    const entry = await reads.entry(USER_CODE, userCodeDigest(secrets, userCode));
    if (!entry?.payload) return undefined;
    const known: KnownByUserCode = JSON.parse(secrets.open(USER_CODE, entry.payload));
    const row = await reads.deviceAuthorization(known.digest);
    if (!row) return undefined;
    return {
      ...devicePayload(row),
      jti: `device:${row.digest}`,
      userCode,
      params: known.params,
    };
  }

  /** Whether it was redeemed before is decided at commit. A refusal of the person's can be read again. */
  override async consume(value: string): Promise<void> {
    const code = digest(value);
    const row = await this.context.reads.deviceAuthorization(code);
    if (!row || row.denied_at) return;
    currentUnitOfWork().wish(deviceAuthorization, code, {
      type: 'RedeemDeviceCode',
      data: { now: new Date().toISOString() },
    });
  }

  #request(code: string, payload: AdapterPayload, expiresIn: number): void {
    const { secrets } = this.context;
    const { clientId = '', userCode = '', params = {} } = payload;
    const unit = currentUnitOfWork();
    unit.wish(
      deviceAuthorization,
      code,
      {
        type: 'RequestDeviceAuthorization',
        data: {
          digest: code,
          clientId,
          scopes: scopeList(params.scope as string | undefined),
          requestedAt: instantOf(payload.iat as number),
          expiresAt: instantOf(payload.exp as number),
          interval: POLL_INTERVAL,
          parameters: rest(payload, ...TOLD_ELSEWHERE),
        },
      },
      { fresh: true },
    );
    const known: KnownByUserCode = { digest: code, params };
    unit.change({
      op: 'claim',
      model: USER_CODE,
      id: userCodeDigest(secrets, userCode),
      lookup: null,
      payload: secrets.seal(USER_CODE, JSON.stringify(known)),
      expiresAt: instantIn(expiresIn + REMEMBERED),
    });
  }

  /** What the person did: each save of the library's is the whole of it so far. */
  #tell(code: string, payload: AdapterPayload): void {
    const unit = currentUnitOfWork();
    const now = new Date().toISOString();
    const { error, errorDescription, accountId, grantId = '', sessionUid } = payload;
    if (error) {
      unit.wish(deviceAuthorization, code, {
        type: 'DenyDeviceAuthorization',
        data: { error, description: errorDescription ?? null, at: now },
      });
    } else if (accountId) {
      unit.wish(deviceAuthorization, code, {
        type: 'ApproveDeviceAuthorization',
        data: {
          sub: accountId,
          grantId,
          sessionUid: sessionUid ?? null,
          scopes: scopeList(payload.scope as string | undefined),
          parameters: rest(payload, ...TOLD_ELSEWHERE),
          at: now,
        },
      });
    } else {
      unit.wish(deviceAuthorization, code, { type: 'EnterDeviceUserCode', data: { now } });
    }
  }
}

function userCodeDigest(secrets: Secrets, userCode: string): string {
  return secrets.keyedDigest('user-code', userCode);
}

function devicePayload(row: DeviceAuthorizationRow): AdapterPayload {
  return {
    ...row.parameters,
    kind: 'DeviceCode',
    iat: numericDate(row.requested_at),
    exp: numericDate(row.expires_at),
    clientId: row.client_id,
    inFlight: row.entered_at !== null,
    scope: row.scopes.join(' ') || undefined,
    ...(row.sub && {
      accountId: row.sub,
      grantId: row.grant_id ?? undefined,
      sessionUid: row.session_uid ?? undefined,
    }),
    ...(row.error && {
      error: row.error,
      errorDescription: row.error_description ?? undefined,
    }),
  };
}
