import { describe, test } from '@jest/globals';
import { type ClientInSession, type SessionStart, session } from '../../src/domain/session.ts';
import { given } from '../support/decider-spec.ts';

const start: SessionStart = {
  uid: 'session-1',
  sub: 'ada',
  authTime: '2026-01-01T08:00:00.000Z',
  acr: null,
  amr: ['pwd'],
};
const begin = (data: SessionStart) => ({ type: 'StartSession', data }) as const;
const started = { type: 'SessionStarted', data: start } as const;

const proof = (authTime: string) => ({ authTime, acr: 'mfa', amr: ['pwd', 'otp'] });
const reauthenticate = (authTime: string) =>
  ({ type: 'ReauthenticateSession', data: proof(authTime) }) as const;
const reauthenticated = (authTime: string) =>
  ({ type: 'SessionReauthenticated', data: proof(authTime) }) as const;

const shop: ClientInSession = {
  clientId: 'shop',
  sid: 'sid-1',
  grantId: 'g1',
  persistsLogout: false,
};
const join = (data: ClientInSession) => ({ type: 'JoinSession', data }) as const;
const joined = (data: ClientInSession) => ({ type: 'ClientJoinedSession', data }) as const;
const leave = (clientId: string) => ({ type: 'LeaveSession', data: { clientId } }) as const;
const left = (clientId: string) =>
  ({ type: 'ClientLeftSession', data: { clientId, sid: 'sid-1' } }) as const;

const end = { type: 'EndSession', data: { reason: 'signed_out' } } as const;
const ended = { type: 'SessionEnded', data: { reason: 'signed_out', clients: [] } } as const;

describe('starting', () => {
  test('a session is recorded once', () => {
    given(session).when(begin(start)).then(started);
    given(session, started).when(begin(start)).thenNothing();
  });

  test('one that belongs to another person is refused', () => {
    given(session, started)
      .when(begin({ ...start, sub: 'bob' }))
      .thenRefused('conflict');
  });

  test('one that has ended does not start again', () => {
    given(session, started, ended).when(begin(start)).thenRefused('conflict');
  });
});

describe('proving who one is again', () => {
  test('is recorded when it is later than what is known', () => {
    given(session, started)
      .when(reauthenticate('2026-01-01T08:00:00.001Z'))
      .then(reauthenticated('2026-01-01T08:00:00.001Z'));
  });

  test('decides nothing when it is not later', () => {
    given(session, started).when(reauthenticate(start.authTime)).thenNothing();
    given(session, started, reauthenticated('2026-01-01T10:00:00.000Z'))
      .when(reauthenticate('2026-01-01T09:00:00.000Z'))
      .thenNothing();
  });
});

describe('clients', () => {
  test('join once', () => {
    given(session, started).when(join(shop)).then(joined(shop));
    given(session, started, joined(shop)).when(join(shop)).thenNothing();
  });

  test('stay joined when the person signs in again', () => {
    given(session, started, joined(shop), reauthenticated('2026-01-01T10:00:00.000Z'))
      .when(join(shop))
      .thenNothing();
  });

  test.each([{ sid: 'sid-2' }, { grantId: 'g2' }, { grantId: null }, { persistsLogout: true }])(
    'join again when their part changes: %j',
    (change) => {
      const changed = { ...shop, ...change };
      given(session, started, joined(shop)).when(join(changed)).then(joined(changed));
      given(session, started, joined(shop), joined(changed)).when(join(changed)).thenNothing();
    },
  );

  test('leave once, and may come back', () => {
    given(session, started, joined(shop)).when(leave('shop')).then(left('shop'));
    given(session, started, joined(shop), left('shop')).when(leave('shop')).thenNothing();
    given(session, started, joined(shop), left('shop')).when(join(shop)).then(joined(shop));
  });

  test('leave the session as it is', () => {
    given(session, started, joined(shop), left('shop')).when(begin(start)).thenNothing();
    given(session, started, joined(shop), left('shop')).when(end).then(ended);
  });

  test('leave the others behind', () => {
    const bank = { ...shop, clientId: 'bank' };
    given(session, started, joined(shop), joined(bank), left('shop'))
      .when(leave('bank'))
      .then(left('bank'));
  });

  test.each(['bank', 'toString', '__proto__'])('that never joined do not leave: %s', (clientId) => {
    given(session, started, joined(shop)).when(leave(clientId)).thenNothing();
  });

  test.each(['toString', '__proto__'])('may be called %s', (clientId) => {
    const odd = { ...shop, clientId };
    given(session, started).when(join(odd)).then(joined(odd));
    given(session, started, joined(odd)).when(join(odd)).thenNothing();
    given(session, started, joined(odd)).when(leave(clientId)).then(left(clientId));
  });
});

describe('ending', () => {
  test('is recorded once', () => {
    given(session, started).when(end).then(ended);
    given(session, started, ended).when(end).thenNothing();
    given(session).when(end).thenNothing();
  });

  test('ends the part of every client, and tells whose', () => {
    const bank = { ...shop, clientId: 'bank', sid: 'sid-2' };
    const clients = [
      { clientId: 'shop', sid: 'sid-1' },
      { clientId: 'bank', sid: 'sid-2' },
    ];
    given(session, started, joined(shop), joined(bank))
      .when(end)
      .then({ type: 'SessionEnded', data: { reason: 'signed_out', clients } });
    given(session, started, joined(shop), ended).when(leave('shop')).thenNothing();
  });

  test.each([reauthenticate('2026-01-01T10:00:00.000Z'), join(shop)])(
    'refuses $type from then on, and before there is a session',
    (wish) => {
      given(session, started, ended).when(wish).thenRefused('removed');
      given(session).when(wish).thenRefused('not_found');
    },
  );
});
