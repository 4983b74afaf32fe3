import type { AdapterPayload } from 'oidc-provider';
import Provider from 'oidc-provider';
import { grant } from '../../domain/grant.ts';
import { type Audience, clientToken } from '../../domain/token.ts';
import { digest } from '../../platform/secrets.ts';
import type { KnownToken, ProtocolReads } from '../../projections/protocol-reads.ts';
import type { TokenKind, TokenRow } from '../../projections/tokens.ts';
import type { JtiOf } from '../tokens/jwt-access-tokens.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import type { DetailSeals } from './authorization-details.ts';
import { instantOf, ModelAdapter, numericDate, rest, scopeList } from './model-adapter.ts';

/** Told by other fields of the fact, by the grant, or by nothing at all (the value itself). */
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
  'aud',
  'rotations',
];

/** The fact's part that all tokens share. */
export async function issued(value: string, given: AdapterPayload, details: DetailSeals) {
  const payload = await details.seal(given);
  return {
    digest: digest(value),
    issuedAt: instantOf(payload.iat as number),
    expiresAt: instantOf(payload.exp as number),
    scopes: scopeList(payload.scope as string | undefined),
    parameters: rest(payload, ...TOLD_ELSEWHERE),
  };
}

export interface TokenContext {
  readonly reads: ProtocolReads;
  readonly issuer: string;
  readonly jtiOf: JtiOf;
  readonly details: DetailSeals;
  /** Seconds during which a rotated refresh token may be presented again. */
  readonly refreshTokenLeeway: number;
}

abstract class TokenAdapter extends ModelAdapter {
  protected abstract readonly kind: TokenKind;
  protected abstract readonly model: string;

  constructor(protected readonly context: TokenContext) {
    super();
  }

  /** A reference token is found by its value; a JWT by the `jti` in it, which is then its id here. */
  override async find(value: string): Promise<AdapterPayload | undefined> {
    const jti = await this.context.jtiOf(value);
    const id = jti ?? value;
    const token = await this.known(id, jti === undefined ? 'reference' : 'jwt');
    return token && this.context.details.open(this.payload(id, token));
  }

  /** The token's row, if it may be presented: neither it nor what it rests on has been revoked. */
  protected async known(id: string, format: TokenRow['format']): Promise<KnownToken | undefined> {
    const token = await this.context.reads.token(digest(id));
    // The `jti` of a JWT is no secret: alone it must never pass for a reference token.
    if (!token || token.kind !== this.kind || token.format !== format) return undefined;
    if (!token.enabled || token.revoked_at || token.grant?.revoked_at) return undefined;
    this.bringAlong(token);
    return token;
  }

  protected payload(value: string, token: KnownToken): AdapterPayload {
    return {
      ...token.parameters,
      kind: this.model,
      jti: value,
      iat: numericDate(token.issued_at),
      exp: numericDate(token.expires_at),
      clientId: holderOf(token),
      ...(token.grant && {
        accountId: token.grant.sub,
        grantId: token.grant.grant_id,
        sessionUid: token.grant.session_uid ?? undefined,
      }),
      scope: token.scopes.length > 0 ? token.scopes.join(' ') : undefined,
      aud: (token.audience as string | string[] | null) ?? undefined,
    };
  }

  /**
   * The library asks for these next; this is what they were at the same moment. It wants the grant of a
   * token, and the grant's place in a session, to be of the client that presents the token: a token
   * that was exchanged is taken for one under a grant of its holder's.
   */
  private bringAlong(token: KnownToken): void {
    const { grant, user, session, client_version } = token;
    const unit = currentUnitOfWork();
    const holder = holderOf(token) ?? '';
    const client = client_version && this.context.reads.clientOfVersion(holder, client_version);
    // A document may say more of a client than its row does.
    if (client && client.origin !== 'metadata_document') unit.came('client', holder, client);
    if (!grant) return;
    unit.came('grant', grant.grant_id, { ...grant, client_id: holder });
    unit.came('user', grant.sub, user ?? undefined);
    if (!grant.session_uid) return;
    const clients = session?.clients.map((each) =>
      each.grant_id === grant.grant_id ? { ...each, client_id: holder } : each,
    );
    unit.came('session', grant.session_uid, session ? { ...session, clients } : undefined);
  }

  /** The grant a presented token belongs to; a token that is not there is nobody's. */
  protected async grantIdOf(value: string): Promise<string | undefined> {
    return (await this.context.reads.token(digest(value)))?.grant?.grant_id;
  }
}

/** The client that the token was issued to. */
function holderOf({ client_id, grant }: KnownToken): string | undefined {
  return client_id ?? grant?.client_id;
}

/** Parameters in which a client presents what it was given (RFC 6749 §4.1.3 and §6, RFC 7662 §2.1). */
const PRESENTED_IN = ['token', 'refresh_token', 'code'];
/** What has parts is a JWT, of which the row is not known before its signature. */
const HAS_PARTS = /[.~]/;

/**
 * Asks for what the request presents. The library does so only when it knows the client: called where it
 * asks for that, both are read in the same moment.
 */
export function readAhead(reads: ProtocolReads): void {
  const body = Provider.ctx?.oidc?.body ?? {};
  for (const parameter of PRESENTED_IN) {
    const presented = body[parameter];
    if (typeof presented !== 'string' || HAS_PARTS.test(presented)) continue;
    // Told to who asks for it, if anybody does.
    reads.token(digest(presented)).catch(() => undefined);
  }
}

export class AuthorizationCodeAdapter extends TokenAdapter {
  protected readonly kind = 'authorization_code';
  protected readonly model = 'AuthorizationCode';

  override async upsert(value: string, payload: AdapterPayload): Promise<void> {
    currentUnitOfWork().wish(grant, payload.grantId as string, {
      type: 'IssueAuthorizationCode',
      data: await issued(value, payload, this.context.details),
    });
  }

  /** Whether it was used before is decided by the grant, at commit. */
  override async consume(value: string): Promise<void> {
    const grantId = await this.grantIdOf(value);
    if (!grantId) return;
    currentUnitOfWork().wish(grant, grantId, {
      type: 'RedeemAuthorizationCode',
      data: { digest: digest(value), now: new Date().toISOString() },
    });
  }
}

export class AccessTokenAdapter extends TokenAdapter {
  protected readonly kind = 'access_token';
  protected readonly model = 'AccessToken';

  override async upsert(value: string, payload: AdapterPayload): Promise<void> {
    const unit = currentUnitOfWork();
    unit.wish(grant, payload.grantId as string, {
      type: 'IssueAccessToken',
      data: {
        ...(await issued(value, payload, this.context.details)),
        format: 'reference',
        audience: audience(payload),
        ...unit.exchange,
      },
    });
  }

  override async destroy(value: string): Promise<void> {
    const grantId = await this.grantIdOf(value);
    if (!grantId) return;
    currentUnitOfWork().wish(grant, grantId, {
      type: 'RevokeAccessToken',
      data: { digest: digest(value) },
    });
  }

  protected override payload(value: string, token: KnownToken): AdapterPayload {
    const payload = super.payload(value, token);
    // A JWT that names no resource is for this server; the library's sign of that is no audience.
    const forUserinfo = token.format === 'jwt' && token.audience === this.context.issuer;
    const atUserinfo = Provider.ctx?.oidc.route === 'userinfo';
    return forUserinfo && atUserinfo ? { ...payload, aud: undefined } : payload;
  }
}

export class RefreshTokenAdapter extends TokenAdapter {
  protected readonly kind = 'refresh_token';
  protected readonly model = 'RefreshToken';

  override async upsert(value: string, payload: AdapterPayload): Promise<void> {
    const unit = currentUnitOfWork();
    if (unit.rotation) unit.rotation.successor = digest(value);
    unit.wish(grant, payload.grantId as string, {
      type: 'IssueRefreshToken',
      data: {
        ...(await issued(value, payload, this.context.details)),
        rotations: (payload.rotations as number) ?? 0,
      },
    });
  }

  override async consume(value: string): Promise<void> {
    const token = await this.context.reads.token(digest(value));
    if (!token?.grant) return;
    const unit = currentUnitOfWork();
    const rotation: { value: string; successor: string | null } = { value, successor: null };
    unit.rotation = rotation;
    const leeway = this.context.refreshTokenLeeway;
    unit.wish(grant, token.grant.grant_id, {
      type: 'RedeemRefreshToken',
      data: {
        digest: token.digest,
        expiresAt: token.expires_at,
        // Known when the successor is made, later in this request and before the commit.
        get successor() {
          return rotation.successor;
        },
        now: new Date().toISOString(),
        leeway,
      },
    });
  }

  /** The revocation endpoint ends a token; the token endpoint comes here with one that was used before. */
  override async destroy(value: string): Promise<void> {
    const token = await this.context.reads.token(digest(value));
    if (!token?.grant) return;
    if (token.redeemed_at) return this.consume(value);
    currentUnitOfWork().wish(grant, token.grant.grant_id, {
      type: 'RevokeRefreshToken',
      data: { digest: token.digest },
    });
  }

  protected override payload(value: string, token: KnownToken): AdapterPayload {
    const payload = super.payload(value, token);
    return token.redeemed_at ? { ...payload, consumed: numericDate(token.redeemed_at) } : payload;
  }
}

export class ClientCredentialsAdapter extends TokenAdapter {
  protected readonly kind = 'client_token';
  protected readonly model = 'ClientCredentials';

  override async upsert(value: string, payload: AdapterPayload): Promise<void> {
    const data = {
      ...(await issued(value, payload, this.context.details)),
      clientId: payload.clientId as string,
      format: 'reference' as const,
      audience: audience(payload),
    };
    currentUnitOfWork().wish(
      clientToken,
      data.digest,
      { type: 'IssueClientToken', data },
      { fresh: true },
    );
  }

  override async destroy(value: string): Promise<void> {
    const id = digest(value);
    currentUnitOfWork().wish(clientToken, id, { type: 'RevokeClientToken', data: { digest: id } });
  }
}

function audience(payload: AdapterPayload): Audience {
  return (payload.aud as Audience | undefined) ?? null;
}
