import { describe, test } from '@jest/globals';
import { selfDescription } from '../../src/commands/clients.ts';
import { client } from '../../src/domain/client.ts';
import { openPolicy } from '../../src/domain/registration-policy.ts';
import { given } from '../support/decider-spec.ts';

const said = {
  displayName: 'Tool',
  clientType: 'confidential',
  redirectUris: ['https://tool.example/callback'],
};
const tool = selfDescription(said, 'tool', 'dynamic');
const describeIt = (data: typeof tool) => ({ type: 'DescribeClient', data }) as const;
const registered = { type: 'ClientRegistered', data: tool } as const;
const secret = {
  secretId: 's1',
  digest: 'd1',
  description: 'first secret',
  addedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
};
const added = { type: 'ClientSecretAdded', data: secret } as const;
const access = { digest: 'd2', policy: openPolicy(['openid']) };
const issue = { type: 'IssueClientRegistrationAccessToken', data: access } as const;
const issued = { type: 'ClientRegistrationAccessTokenIssued', data: access } as const;

describe('what a client says of itself', () => {
  test('registers it', () => {
    given(client).when(describeIt(tool)).then(registered);
  });

  test('decides nothing when it is so already', () => {
    given(client, registered).when(describeIt(tool)).thenNothing();
  });

  test('becomes a fact for each part that is different', () => {
    const redirectUris = ['https://tool.example/new'];
    given(client, registered)
      .when(describeIt({ ...tool, displayName: 'Better tool', redirectUris }))
      .then(
        {
          type: 'ClientPresentationChanged',
          data: {
            displayName: 'Better tool',
            description: '',
            clientUri: null,
            logoUri: null,
            policyUri: null,
            tosUri: null,
          },
        },
        { type: 'ClientRedirectUrisChanged', data: { redirectUris } },
      );
  });

  test('ends its secrets when it cannot keep one any more', () => {
    given(client, registered, added)
      .when(describeIt({ ...tool, clientType: 'public', authenticationMethod: 'none' }))
      .then(
        { type: 'ClientTypeChanged', data: { clientType: 'public', applicationType: 'web' } },
        { type: 'ClientAuthenticationMethodChanged', data: { authenticationMethod: 'none' } },
        { type: 'ClientSecretRevoked', data: { secretId: 's1' } },
      );
  });

  test('has to hold together', () => {
    given(client, registered)
      .when(describeIt({ ...tool, redirectUris: [] }))
      .thenRefused('invalid', { field: 'redirectUris' });
  });

  test('counts for nothing where another registered it, and when it is gone', () => {
    const other = { ...tool, origin: 'administrator' } as const;
    given(client, { type: 'ClientRegistered', data: other })
      .when(describeIt(tool))
      .thenRefused('already_exists', { field: 'clientId' });
    given(client, registered, { type: 'ClientRemoved', data: {} })
      .when(describeIt(tool))
      .thenRefused('removed', { field: 'clientId' });
  });

  test.each([
    ['consentType', { consentType: 'implicit' }],
    ['permissions.scopes', { permissions: { ...tool.permissions, scopes: ['*'] } }],
    ['permissions.scopes', { permissions: { ...tool.permissions, scopes: ['admin:keys:read'] } }],
  ] as const)('never makes it trusted: %s', (field, part) => {
    given(client)
      .when(describeIt({ ...tool, ...part }))
      .thenRefused('invalid', { field });
    const trusted = { ...tool, ...part, origin: 'administrator' } as const;
    given(client).when({ type: 'RegisterClient', data: trusted }).then({
      type: 'ClientRegistered',
      data: trusted,
    });
  });
});

describe('a registration access token', () => {
  test('is issued to a client that registered itself, and ends with it', () => {
    given(client, registered).when(issue).then(issued);
    given(client, registered, issued).when(issue).thenNothing();
    given(client, registered, issued)
      .when({ type: 'RemoveClient', data: {} })
      .then({ type: 'ClientRemoved', data: {} });
  });

  test('is not issued to another', () => {
    const data = { ...tool, origin: 'metadata_document' } as const;
    given(client, { type: 'ClientRegistered', data })
      .when(issue)
      .thenRefused('invalid', { field: 'clientId' });
  });
});
