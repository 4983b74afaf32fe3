import type { Instant } from '../../domain/ids.ts';
import type { RecordedEvent } from '../../eventstore/event-store.ts';
import type { Lives } from './lives.ts';

export type Cause =
  | 'EXPIRED'
  | 'REDEEMED'
  | 'REVOKED'
  | 'GRANT_REVOKED'
  | 'CONSENT_WITHDRAWN'
  | 'SESSION_ENDED'
  | 'USER_DISABLED'
  | 'USER_ERASED'
  | 'CLIENT_DISABLED'
  | 'CLIENT_REMOVED'
  | 'KEY_RETIRED';

/** How something ended: since when, why, and by which event. */
export interface Ending {
  readonly at: Instant;
  readonly cause: Cause;
  readonly message: string;
  readonly event: RecordedEvent;
}

type Streams = Lives['streams'];
type Data = Readonly<Record<string, unknown>>;

/** What ended a stream’s entity first; undefined while nothing has. */
export function endOfEntity(streams: Streams, stream: string): Ending | undefined {
  return byAct(streams, earliest(endingsOfEntity(streams, stream)));
}

/** What ended a code or a token first; undefined while it may be used. @param now for what expires */
export function endOfToken(
  streams: Streams,
  issued: RecordedEvent,
  now: Instant,
): Ending | undefined {
  return byAct(streams, earliest(endingsOfToken(streams, issued, now)));
}

function endingsOfToken(streams: Streams, issued: RecordedEvent, now: Instant): Ending[] {
  const { digest, expiresAt, parameters, clientId } = issued.data as Data;
  const own = (streams.get(issued.stream) ?? []).filter(
    ({ data }) => (data as Data).digest === digest,
  );
  const what = WHAT[issued.type] ?? 'token';
  const endings: Ending[] = own.flatMap((event): Ending[] => {
    const { successor } = event.data as Data;
    if (event.type.endsWith('Redeemed')) {
      const then = successor ? ', and another took its place' : '';
      return [ending(event, 'REDEEMED', `the ${what} was redeemed${then}`)];
    }
    return event.type.endsWith('Revoked')
      ? [ending(event, 'REVOKED', `the ${what} was revoked`)]
      : [];
  });
  if (typeof expiresAt === 'string' && expiresAt <= now) {
    const message = `the ${what} expired, as was said when it was issued`;
    endings.push({ ...ending(issued, 'EXPIRED', message), at: expiresAt });
  }
  const holder = typeof clientId === 'string' ? endingsOfEntity(streams, `client-${clientId}`) : [];
  if (!issued.stream.startsWith('grant-')) return [...endings, ...holder];
  const bound = (parameters as Data | undefined)?.expiresWithSession === true;
  const { sessionUid } = firstOf(streams, issued.stream);
  const session = bound && sessionUid ? endingsOfEntity(streams, `session-${sessionUid}`) : [];
  return [...endings, ...holder, ...session, ...endingsOfEntity(streams, issued.stream)];
}

function endingsOfEntity(streams: Streams, stream: string): Ending[] {
  const events = streams.get(stream) ?? [];
  const own = events.flatMap((event, nth): Ending[] => {
    const end = Object.hasOwn(ENDS, event.type) ? ENDS[event.type] : undefined;
    if (!end || events.slice(nth).some(({ type }) => end.until?.includes(type))) return [];
    return [ending(event, end.cause, end.words)];
  });
  const { sub, clientId } = firstOf(streams, stream);
  const rests = stream.startsWith('grant-')
    ? [`user-${sub}`, `client-${clientId}`]
    : stream.startsWith('session-')
      ? [`user-${sub}`]
      : [];
  return [...own, ...rests.flatMap((other) => endingsOfEntity(streams, other))];
}

/** The facts that end an entity, and those after which it goes on all the same. */
const ENDS: Readonly<Record<string, { cause: Cause; words: string; until?: readonly string[] }>> = {
  GrantRevoked: { cause: 'GRANT_REVOKED', words: 'the grant was revoked' },
  ConsentWithdrawn: {
    cause: 'CONSENT_WITHDRAWN',
    words: 'the consent was withdrawn',
    until: ['ConsentGranted', 'ConsentRenewed'],
  },
  SessionEnded: { cause: 'SESSION_ENDED', words: 'the session ended' },
  UserDisabled: {
    cause: 'USER_DISABLED',
    words: 'the person was disabled',
    until: ['UserEnabled', 'UserErased'],
  },
  UserErased: { cause: 'USER_ERASED', words: 'the person was erased' },
  ClientDisabled: {
    cause: 'CLIENT_DISABLED',
    words: 'the client was disabled',
    until: ['ClientEnabled', 'ClientRemoved'],
  },
  ClientRemoved: { cause: 'CLIENT_REMOVED', words: 'the client was removed' },
  SigningKeyRetired: { cause: 'KEY_RETIRED', words: 'the signing key was retired' },
};

/** Acts with which others end. */
const ACTS: Readonly<Record<string, string>> = {
  LeakContained: 'a leak was contained',
  ClientGrantsRevoked: 'the grants of the client were revoked',
  UserGrantsRevoked: 'the grants of the person were revoked',
  UserSessionsEnded: 'the sessions of the person were ended',
};

/** What ended with an act is said to have, and the act is told. */
function byAct(streams: Streams, end: Ending | undefined): Ending | undefined {
  if (!end) return undefined;
  const all = [...streams.values()].flat();
  const causeOf = (event: RecordedEvent) =>
    all.find(({ id }) => id === event.metadata.$causationId);
  let act = causeOf(end.event);
  while (act && !ACTS[act.type]) act = causeOf(act);
  if (!act) return end;
  const { reason } = act.data as Data;
  const words = end.message.replace(/(: \w+)? \(event [^)]*\)$/, '');
  const message = `${words}, because ${ACTS[act.type]}${reason ? `: ${reason}` : ''} (event ${act.id})`;
  return { ...end, event: act, message };
}

const WHAT: Readonly<Record<string, string>> = {
  AuthorizationCodeIssued: 'authorization code',
  AccessTokenIssued: 'access token',
  RefreshTokenIssued: 'refresh token',
  ClientTokenIssued: 'access token',
};

function ending(event: RecordedEvent, cause: Cause, words: string): Ending {
  const { reason, by } = event.data as Data;
  const why = reason || by;
  const message = `${words}${why ? `: ${why}` : ''} (event ${event.id})`;
  return { at: event.metadata.at, cause, message, event };
}

function firstOf(streams: Streams, stream: string): Data {
  return (streams.get(stream)?.[0]?.data ?? {}) as Data;
}

function earliest(endings: readonly Ending[]): Ending | undefined {
  return [...endings].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))[0];
}
