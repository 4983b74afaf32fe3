import { test } from '@jest/globals';
import { type ClientToken, clientToken } from '../../src/domain/token.ts';
import { given } from '../support/decider-spec.ts';

const token: ClientToken = {
  digest: 'd1',
  clientId: 'machine',
  format: 'reference',
  scopes: ['orders'],
  audience: null,
  issuedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: '2026-01-01T01:00:00.000Z',
  parameters: {},
};
const issue = { type: 'IssueClientToken', data: token } as const;
const issued = { type: 'ClientTokenIssued', data: token } as const;
const revoke = { type: 'RevokeClientToken', data: { digest: 'd1' } } as const;
const revoked = { type: 'ClientTokenRevoked', data: { digest: 'd1' } } as const;

test('a token is issued once', () => {
  given(clientToken).when(issue).then(issued);
  given(clientToken, issued).when(issue).thenRefused('already_exists');
});

test('it is revoked once, and cannot be issued anew', () => {
  given(clientToken, issued).when(revoke).then(revoked);
  given(clientToken, issued, revoked).when(revoke).thenNothing();
  given(clientToken, issued, revoked).when(issue).thenRefused('already_exists');
});

test('revoking one that was never issued decides nothing', () => {
  given(clientToken).when(revoke).thenNothing();
});
