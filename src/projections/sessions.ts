import type { Instant } from '../domain/ids.ts';
import type { SessionEnd, SessionFacts } from '../domain/session.ts';
import type { Projection } from './projection.ts';

/** A person's session; an ended one keeps its row. */
export interface SessionRow {
  readonly uid: string;
  readonly sub: string;
  readonly auth_time: Instant;
  readonly acr: string | null;
  readonly amr: readonly string[];
  readonly started_at: Instant;
  readonly ended_at: Instant | null;
  readonly end_reason: SessionEnd | null;
}

export const sessions: Projection<
  SessionRow,
  'uid',
  Pick<SessionFacts, 'SessionStarted' | 'SessionReauthenticated' | 'SessionEnded'>
> = {
  table: 'sessions',
  key: ['uid'],
  columns: {
    uid: 'text',
    sub: 'text not null',
    auth_time: 'timestamptz not null',
    acr: 'text',
    amr: 'jsonb not null',
    started_at: 'timestamptz not null',
    ended_at: 'timestamptz',
    end_reason: 'text',
  },
  indexes: ['(sub)', '(started_at, uid)', '(uid) where ended_at is null'],
  on: {
    SessionStarted: ({ data, at }) => [
      {
        put: {
          uid: data.uid,
          sub: data.sub,
          auth_time: data.authTime,
          acr: data.acr,
          amr: data.amr,
          started_at: at,
          ended_at: null,
          end_reason: null,
        },
      },
    ],
    SessionReauthenticated: ({ data, id }) => [
      { set: { uid: id, auth_time: data.authTime, acr: data.acr, amr: data.amr } },
    ],
    SessionEnded: ({ data, id, at }) => [
      { set: { uid: id, ended_at: at, end_reason: data.reason } },
    ],
  },
};

/** The clients a person signed in to within a session. */
export interface SessionClientRow {
  readonly uid: string;
  readonly client_id: string;
  readonly sid: string;
  readonly grant_id: string | null;
  readonly persists_logout: boolean;
  readonly joined_at: Instant;
}

export const sessionClients: Projection<
  SessionClientRow,
  'uid' | 'client_id',
  Pick<SessionFacts, 'ClientJoinedSession' | 'ClientLeftSession'>
> = {
  table: 'session_clients',
  key: ['uid', 'client_id'],
  columns: {
    uid: 'text',
    client_id: 'text',
    sid: 'text not null',
    grant_id: 'text',
    persists_logout: 'boolean not null',
    joined_at: 'timestamptz not null',
  },
  on: {
    ClientJoinedSession: ({ data, id, at }) => [
      {
        put: {
          uid: id,
          client_id: data.clientId,
          sid: data.sid,
          grant_id: data.grantId,
          persists_logout: data.persistsLogout,
          joined_at: at,
        },
      },
    ],
    ClientLeftSession: ({ data, id }) => [{ drop: { uid: id, client_id: data.clientId } }],
  },
};
