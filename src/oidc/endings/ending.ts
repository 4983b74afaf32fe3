import type { BulkEnd, Instant, RevocationReason } from '../../domain/ids.ts';
import type { Leak } from '../../domain/leak.ts';
import type { SessionEnd, SessionFacts } from '../../domain/session.ts';
import type { NewEvent } from '../../eventstore/event-store.ts';
import type { Executed } from '../../eventstore/execute.ts';
import { entityId } from '../../projections/projection.ts';
import type { GrantSelection, Holder } from '../../projections/rights.ts';

/** What the operator lets end with what. */
export interface EndingPolicy {
  readonly logoutEndsOfflineAccess: boolean;
  readonly passwordChangeEnds: 'nothing' | 'sessions' | 'grants';
  readonly userDisableEnds: 'nothing' | 'sessions' | 'grants';
  readonly clientDisableEnds: 'nothing' | 'grants';
}

/** Rights that end because of a fact. */
export interface Ending {
  /** The fact, by which it is seen whether it came to be recorded. */
  readonly cause: { readonly stream: string; readonly revision: number; readonly eventId: string };
  readonly of: Holder;
  /** Whether the sessions of the person end. */
  readonly sessions: Extract<RevocationReason, SessionEnd> | null;
  readonly grants: { readonly select: GrantSelection; readonly reason: RevocationReason } | null;
  /** What a leak touched ends, and nothing by whose it is. */
  readonly leak?: Leak;
}

type Ends = Omit<Ending, 'cause'>;

/** What of a session's grants ends with it, and why. */
const WITH_SESSION: Readonly<Record<SessionEnd, NonNullable<Ending['grants']>>> = {
  signed_out: { select: 'signed_out', reason: 'signed_out' },
  replaced: { select: 'signed_out', reason: 'signed_out' },
  expired: { select: 'session_bound', reason: 'session_expired' },
  administrator: { select: 'all', reason: 'administrator' },
  user_disabled: { select: 'session_bound', reason: 'user_disabled' },
  password_changed: { select: 'session_bound', reason: 'password_changed' },
};

/** What ends with the facts that were, or are about to be, recorded. */
export function endingsOf(writes: Executed['writes'], policy: EndingPolicy): Ending[] {
  const endings = writes.flatMap(({ stream, firstRevision, events }) => {
    const begins = events.some(({ type }) => type === 'UserRegistered');
    return events.flatMap((event, nth): Ending[] => {
      const ends = begins ? null : endsWith(event, entityId(stream), policy);
      const cause = { stream, revision: firstRevision + nth, eventId: event.id };
      return ends ? [{ cause, ...ends }] : [];
    });
  });
  return merged(endings);
}

function endsWith({ type, data }: NewEvent, id: string, policy: EndingPolicy): Ends | null {
  switch (type) {
    case 'SessionEnded':
      return {
        of: { sessionUids: [id] },
        sessions: null,
        grants: WITH_SESSION[(data as SessionFacts['SessionEnded']).reason],
      };
    case 'ClientLeftSession': {
      const { clientId } = data as SessionFacts['ClientLeftSession'];
      return {
        of: { sessionUids: [id], clientId },
        sessions: null,
        grants: WITH_SESSION.signed_out,
      };
    }
    case 'PasswordSet':
      return ofUser(id, policy.passwordChangeEnds, 'password_changed');
    case 'UserDisabled':
      return ofUser(id, policy.userDisableEnds, 'user_disabled');
    case 'UserErased':
      return ofUser(id, 'grants', 'user_disabled');
    case 'UserSessionsEnded':
      return ofUser(id, 'sessions', 'administrator', (data as BulkEnd).since);
    case 'UserGrantsRevoked': {
      const { since } = data as BulkEnd;
      return { of: { sub: id, since }, sessions: null, grants: all('administrator') };
    }
    case 'ClientDisabled':
      if (policy.clientDisableEnds === 'nothing') return null;
      return { of: { clientId: id }, sessions: null, grants: all('client_disabled') };
    case 'ClientGrantsRevoked': {
      const { since } = data as BulkEnd;
      return { of: { clientId: id, since }, sessions: null, grants: all('administrator') };
    }
    case 'LeakContained':
      return { of: {}, sessions: null, grants: null, leak: data as Leak };
    case 'ConsentWithdrawn': {
      const [sub = '', clientId] = partsOf(id);
      const grants = { select: 'consented', reason: 'consent_withdrawn' } as const;
      return { of: { sub, clientId }, sessions: null, grants };
    }
    default:
      return null;
  }
}

function ofUser(
  sub: string,
  ends: 'nothing' | 'sessions' | 'grants',
  reason: Extract<RevocationReason, SessionEnd>,
  since?: Instant | null,
): Ends | null {
  if (ends === 'nothing') return null;
  return { of: { sub, since }, sessions: reason, grants: ends === 'grants' ? all(reason) : null };
}

const all = (reason: RevocationReason) => ({ select: 'all', reason }) as const;

/** `<sub>.<client_id>`; a subject has no dot. */
function partsOf(consentId: string): [sub: string, clientId: string] {
  const dot = consentId.indexOf('.');
  return [consentId.slice(0, dot), consentId.slice(dot + 1)];
}

/** Sessions that end in one commit for one reason are one ending. */
function merged(endings: readonly Ending[]): Ending[] {
  const byKind = new Map<string, Ending>();
  for (const ending of endings) {
    const { of, sessions, grants, cause } = ending;
    const key = JSON.stringify(of.sessionUids ? [of.clientId, sessions, grants] : cause);
    const uids = [...(byKind.get(key)?.of.sessionUids ?? []), ...(of.sessionUids ?? [])];
    const first = byKind.get(key) ?? ending;
    byKind.set(key, { ...first, of: of.sessionUids ? { ...of, sessionUids: uids } : of });
  }
  return [...byKind.values()];
}
