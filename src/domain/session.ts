import { type Decider, own } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Instant } from './ids.ts';

/** How a person proved who they are (OpenID Connect Core §2). */
export interface Authentication {
  readonly authTime: Instant;
  readonly acr: string | null;
  readonly amr: readonly string[];
}

export interface SessionStart extends Authentication {
  /** Identifies the session inside the server; the cookie is another, secret value. */
  readonly uid: string;
  readonly sub: string;
}

export interface ClientInSession {
  readonly clientId: string;
  /** The `sid` this client knows the session by (OpenID Connect Back-Channel Logout §2.1). */
  readonly sid: string;
  readonly grantId: string | null;
  /** The client's grant outlives the session: it was given offline_access. */
  readonly persistsLogout: boolean;
}

export type SessionFacts = {
  SessionStarted: SessionStart;
  SessionReauthenticated: Authentication;
  ClientJoinedSession: ClientInSession;
  /** At a logout that ends only this client's part in the session; null where it was not noted. */
  ClientLeftSession: { readonly clientId: string; readonly sid: string | null };
  /** With those whose part in it ends now: they may have to be told. */
  SessionEnded: { readonly reason: SessionEnd; readonly clients: readonly SessionPart[] };
};

/** A session as one client knows it. */
export type SessionPart = Pick<ClientInSession, 'clientId' | 'sid'>;

export type SessionEnd =
  | 'signed_out'
  | 'replaced'
  | 'expired'
  | 'administrator'
  | 'user_disabled'
  | 'password_changed';

export type SessionWishes = {
  StartSession: SessionStart;
  ReauthenticateSession: Authentication;
  JoinSession: ClientInSession;
  LeaveSession: { readonly clientId: string };
  EndSession: { readonly reason: SessionEnd };
};

export interface SessionState {
  readonly status: 'none' | 'active' | 'ended';
  readonly sub: string | null;
  readonly authentication: Authentication | null;
  readonly clients: Readonly<Record<string, ClientInSession>>;
}

export const session: Decider<SessionState, SessionWishes, SessionFacts> = {
  category: 'session',
  initial: { status: 'none', sub: null, authentication: null, clients: {} },

  evolve: {
    SessionStarted: (state, { sub, authTime, acr, amr }) => ({
      ...state,
      status: 'active',
      sub,
      authentication: { authTime, acr, amr },
    }),
    SessionReauthenticated: (state, authentication) => ({ ...state, authentication }),
    ClientJoinedSession: (state, joined) => ({
      ...state,
      clients: { ...state.clients, [joined.clientId]: joined },
    }),
    ClientLeftSession: (state, { clientId }) => {
      const { [clientId]: _, ...clients } = state.clients;
      return { ...state, clients };
    },
    SessionEnded: (state) => ({ ...state, status: 'ended', clients: {} }),
  },

  decide: {
    StartSession(start, state) {
      if (state.status === 'active' && state.sub === start.sub) return [];
      if (state.status !== 'none') {
        throw new DomainError('conflict', 'the session belongs to somebody, or has ended');
      }
      return [{ type: 'SessionStarted', data: start }];
    },
    ReauthenticateSession(authentication, state) {
      active(state);
      if ((state.authentication?.authTime ?? '') >= authentication.authTime) return [];
      return [{ type: 'SessionReauthenticated', data: authentication }];
    },
    JoinSession(wish, state) {
      active(state);
      const known = own(state.clients, wish.clientId);
      const unchanged =
        known &&
        known.sid === wish.sid &&
        known.grantId === wish.grantId &&
        known.persistsLogout === wish.persistsLogout;
      return unchanged ? [] : [{ type: 'ClientJoinedSession', data: wish }];
    },
    LeaveSession({ clientId }, state) {
      const part = own(state.clients, clientId);
      return part ? [{ type: 'ClientLeftSession', data: { clientId, sid: part.sid } }] : [];
    },
    EndSession({ reason }, { status, clients }) {
      if (status !== 'active') return [];
      const parts = Object.values(clients).map(({ clientId, sid }) => ({ clientId, sid }));
      return [{ type: 'SessionEnded', data: { reason, clients: parts } }];
    },
  },
};

function active(state: SessionState): void {
  if (state.status === 'none') throw new DomainError('not_found', 'no such session');
  if (state.status === 'ended') throw new DomainError('removed', 'the session has ended');
}
