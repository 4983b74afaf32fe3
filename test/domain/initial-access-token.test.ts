import { describe, test } from '@jest/globals';
import {
  type InitialAccessToken,
  initialAccessToken,
} from '../../src/domain/initial-access-token.ts';
import { openPolicy } from '../../src/domain/registration-policy.ts';
import { given } from '../support/decider-spec.ts';

const token: InitialAccessToken = {
  tokenId: 'i1',
  digest: 'd1',
  description: 'for the partners',
  policy: openPolicy(['openid']),
  quota: 2,
  expiresAt: '2026-01-02T00:00:00.000Z',
};
const now = '2026-01-01T12:00:00.000Z';

const create = { type: 'CreateInitialAccessToken', data: token } as const;
const created = { type: 'InitialAccessTokenCreated', data: token } as const;
const use = (clientId: string, at = now) =>
  ({ type: 'UseInitialAccessToken', data: { clientId, now: at } }) as const;
const used = (clientId: string, uses: number) =>
  ({ type: 'InitialAccessTokenUsed', data: { clientId, uses, at: now } }) as const;
const revoke = { type: 'RevokeInitialAccessToken', data: { reason: 'leaked' } } as const;
const revoked = { type: 'InitialAccessTokenRevoked', data: { reason: 'leaked' } } as const;
const blamed = { field: 'tokenId' };

describe('an initial access token', () => {
  test('is created once', () => {
    given(initialAccessToken).when(create).then(created);
    given(initialAccessToken, created).when(create).thenRefused('already_exists', blamed);
  });

  test('is used as often as its quota says, and counts', () => {
    given(initialAccessToken, created).when(use('a')).then(used('a', 1));
    given(initialAccessToken, created, used('a', 1)).when(use('b')).then(used('b', 2));
    given(initialAccessToken, created, used('a', 1), used('b', 2))
      .when(use('c'))
      .thenRefused('already_used', blamed);
  });

  test('counts a client once', () => {
    given(initialAccessToken, created, used('a', 1)).when(use('a')).thenNothing();
  });

  test('is of no use when it has expired, is revoked, or never was', () => {
    given(initialAccessToken, created)
      .when(use('a', token.expiresAt))
      .thenRefused('disabled', blamed);
    given(initialAccessToken, created, revoked).when(use('a')).thenRefused('disabled', blamed);
    given(initialAccessToken).when(use('a')).thenRefused('not_found', blamed);
  });

  test('is revoked once', () => {
    given(initialAccessToken, created).when(revoke).then(revoked);
    given(initialAccessToken, created, revoked).when(revoke).thenNothing();
    given(initialAccessToken).when(revoke).thenRefused('not_found', blamed);
  });
});
