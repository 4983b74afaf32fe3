import type { AdapterPayload } from 'oidc-provider';
import Provider from 'oidc-provider';
import type { Allowance } from '../../domain/consent.ts';
import { grant } from '../../domain/grant.ts';
import type { GrantRow } from '../../projections/grants.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { ModelAdapter, numericDate, scopeList } from './model-adapter.ts';

/**
 * The authorization in use (see domain/grant.ts). oidc-provider saves the whole of it each time; the
 * first save opens the grant, a later one extends it.
 */
export class GrantAdapter extends ModelAdapter {
  constructor(private readonly context: { readonly reads: ProtocolReads }) {
    super();
  }

  override async upsert(id: string, payload: AdapterPayload): Promise<void> {
    const unit = currentUnitOfWork();
    const known = await this.find(id);
    const allowance = {
      ...allowanceIn(payload as LibraryAllowance),
      declined: allowanceIn((payload.rejected ?? {}) as LibraryAllowance),
    };
    if (known) {
      unit.wish(grant, id, { type: 'ExtendGrant', data: allowance });
    } else {
      const terms = {
        grantId: id,
        sub: payload.accountId as string,
        clientId: payload.clientId as string,
        sessionUid: unit.sessionUid ?? null,
        ...allowance,
        basis: unit.grantBasis,
        assertedBy: unit.assertedBy,
      };
      unit.wish(grant, id, { type: 'OpenGrant', data: terms }, { fresh: true });
    }
    unit.remember('Grant', id, payload);
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const seen = currentUnitOfWork().recall('Grant', id);
    if (seen) return seen.payload as AdapterPayload | undefined;
    const row = await this.context.reads.grant(id);
    return row && !row.revoked_at ? grantPayload(row) : undefined;
  }

  override async destroy(id: string): Promise<void> {
    // Elsewhere the wish that led here (a replay, a reuse, a revocation) revokes the grant itself.
    if (!signsOut()) return;
    const unit = currentUnitOfWork();
    unit.wish(grant, id, { type: 'RevokeGrant', data: { reason: 'signed_out' } });
    unit.remember('Grant', id, undefined);
  }
}

/** The library's record of a grant. It has no end of its own: its tokens, session and consent do. */
function grantPayload(row: GrantRow): AdapterPayload {
  return {
    kind: 'Grant',
    jti: row.grant_id,
    iat: numericDate(row.opened_at),
    accountId: row.sub,
    clientId: row.client_id,
    ...libraryAllowance(row),
    rejected: libraryAllowance(row.declined),
  };
}

/** How oidc-provider writes down what is allowed: scopes as text, by resource. */
interface LibraryAllowance {
  readonly openid?: { readonly scope?: string; readonly claims?: readonly string[] };
  readonly resources?: Readonly<Record<string, string>>;
}

function libraryAllowance({ scopes, claims, resources }: Allowance) {
  return {
    openid: {
      ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
      ...(claims.length > 0 ? { claims: [...claims] } : {}),
    },
    resources: mapValues(resources, (names) => names.join(' ')),
  };
}

function allowanceIn({ openid, resources = {} }: LibraryAllowance): Allowance {
  return {
    scopes: scopeList(openid?.scope),
    claims: openid?.claims ?? [],
    resources: mapValues(resources, scopeList),
  };
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  to: (value: A) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value)]));
}

function signsOut(): boolean {
  return Provider.ctx?.oidc.route === 'end_session_confirm';
}
