import type { AdapterPayload } from 'oidc-provider';
import { session } from '../../domain/session.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { KnownSession, ProtocolReads } from '../../projections/protocol-reads.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { instantOf, numericDate } from './model-adapter.ts';
import { StateAdapter } from './state.ts';

interface ClientAuthorization {
  readonly sid?: string;
  readonly grantId?: string;
  readonly persistsLogout?: boolean;
}

/**
 * The cookie is a sealed technical row that names a session by its uid. Who is signed in and which
 * clients joined is told by events and read from their read model, so two requests in one session
 * never overwrite each other's clients, and a session that has ended is ended for every cookie.
 */
export class SessionAdapter extends StateAdapter {
  constructor(context: { readonly reads: ProtocolReads; readonly secrets: Secrets }) {
    super('Session', context);
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const unit = currentUnitOfWork();
    const uid = payload.uid as string;
    const { accountId, loginTs, acr, amr, authorizations, ...technical } = payload;
    unit.droppedSessions.delete(uid);
    await super.upsert(id, technical, expiresIn);
    unit.remember('Session', id, payload);
    if (!accountId) return;

    // As it was when the request came in: what the library changed is found by comparison.
    const before = await this.context.reads.session(uid);
    const authentication = {
      authTime: instantOf(loginTs ?? payload.iat ?? 0),
      acr: acr ?? null,
      amr: amr ?? [],
    };
    if (!before) {
      const start = { uid, sub: accountId, ...authentication };
      unit.wish(session, uid, { type: 'StartSession', data: start }, { fresh: true });
    } else if (before.auth_time < authentication.authTime) {
      unit.wish(session, uid, { type: 'ReauthenticateSession', data: authentication });
    }
    this.#joinAndLeave(uid, before, authorizations ?? {});
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const technical = await super.find(id);
    if (!technical || currentUnitOfWork().recall('Session', id)) return technical;
    const known = await this.context.reads.session(technical.uid as string);
    if (!known) return technical.accountId ? undefined : technical;
    return isLive(known) ? { ...technical, ...signedIn(known) } : undefined;
  }

  override async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const known = await this.context.reads.session(uid);
    if (!known?.live || !isLive(known)) return undefined;
    return { kind: 'Session', uid, ...signedIn(known) };
  }

  override async destroy(id: string): Promise<void> {
    const found = await this.find(id);
    await super.destroy(id);
    // The library changes a cookie's value by dropping the old row and writing a new one.
    if (found?.uid) currentUnitOfWork().droppedSessions.add(found.uid as string);
  }

  protected override lookup(payload: AdapterPayload): string {
    return payload.uid as string;
  }

  #joinAndLeave(
    uid: string,
    before: KnownSession | undefined,
    authorizations: Readonly<Record<string, ClientAuthorization>>,
  ): void {
    const unit = currentUnitOfWork();
    const joined = new Map(before?.clients.map((each) => [each.client_id, each]));
    for (const [clientId, { sid, grantId, persistsLogout = false }] of Object.entries(
      authorizations,
    )) {
      const known = joined.get(clientId);
      joined.delete(clientId);
      if (!sid || (known?.grant_id === grantId && known?.persists_logout === persistsLogout))
        continue;
      const data = { clientId, sid, grantId: grantId ?? null, persistsLogout };
      unit.wish(session, uid, { type: 'JoinSession', data });
    }
    for (const clientId of joined.keys()) {
      unit.wish(session, uid, { type: 'LeaveSession', data: { clientId } });
    }
  }
}

/** The session of a person who may not sign in is none: whoever holds its cookie starts anew. */
function isLive({ ended_at, enabled }: KnownSession): boolean {
  return !ended_at && enabled;
}

function signedIn(known: KnownSession): AdapterPayload {
  const authorizations = known.clients.map((each): [string, ClientAuthorization] => [
    each.client_id,
    {
      sid: each.sid,
      ...(each.grant_id ? { grantId: each.grant_id } : {}),
      ...(each.persists_logout ? { persistsLogout: true } : {}),
    },
  ]);
  return {
    accountId: known.sub,
    loginTs: numericDate(known.auth_time),
    ...(known.acr ? { acr: known.acr } : {}),
    amr: [...known.amr],
    authorizations: Object.fromEntries(authorizations),
  };
}
