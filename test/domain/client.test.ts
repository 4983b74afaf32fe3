import { describe, test } from '@jest/globals';
import {
  type ClientFacts,
  type ClientRegistration,
  type ClientSecret,
  type ClientText,
  type ClientWishes,
  client,
} from '../../src/domain/client.ts';
import {
  type ClientResponseProtection,
  PROTECTED_BY_DEFAULT,
} from '../../src/domain/client-responses.ts';
import type { Fact, Wish } from '../../src/domain/decider.ts';
import type { EncryptionAlgorithm } from '../../src/domain/encryption.ts';
import { given } from '../support/decider-spec.ts';

const requirements = {
  pkce: true,
  pushedAuthorizationRequests: false,
  signedRequestObjects: false,
  dpop: false,
  dpopNonce: false,
  certificateBoundTokens: false,
};
const web: ClientRegistration = {
  clientId: 'shop',
  origin: 'administrator',
  clientType: 'confidential',
  applicationType: 'web',
  authenticationMethod: 'client_secret_basic',
  certificateSubject: null,
  profile: 'none',
  consentType: 'explicit',
  consentLifetime: null,
  displayName: 'The shop',
  description: '',
  clientUri: null,
  logoUri: null,
  policyUri: null,
  tosUri: null,
  redirectUris: ['https://shop.example/callback'],
  postLogoutRedirectUris: [],
  permissions: {
    endpoints: ['*'],
    authorizationDetailTypes: [],
    grantTypes: ['authorization_code', 'refresh_token'],
    responseTypes: ['code'],
    scopes: ['openid'],
  },
  requirements,
  tokenExchange: { impersonation: true, delegation: true, resources: ['*'], once: false },
  tokenPolicy: {
    accessTokenFormat: 'reference',
    accessTokenSigningAlg: null,
    claims: {},
    claimsPrefix: 'client_',
    accessTokenLifetime: null,
    refreshTokenLifetime: null,
    authorizationCodeLifetime: null,
    idTokenLifetime: null,
    refreshTokenUsage: 'one_time',
    refreshTokenAbsoluteLifetime: null,
  },
  responseProtection: PROTECTED_BY_DEFAULT,
  jwks: null,
  jwksUri: null,
  subjectType: 'public',
  logout: {
    backchannelUri: null,
    frontchannelUri: null,
    sessionRequired: false,
    revokesOfflineAccess: null,
  },
  ciba: {
    deliveryMode: 'poll',
    notificationEndpoint: null,
    userCodeParameter: false,
    requestSigningAlg: null,
  },
  allowedOrigins: [],
  properties: {},
};
const spa: ClientRegistration = { ...web, clientType: 'public', authenticationMethod: 'none' };
const machine: ClientRegistration = {
  ...web,
  redirectUris: [],
  permissions: {
    endpoints: ['*'],
    authorizationDetailTypes: [],
    grantTypes: ['client_credentials'],
    responseTypes: [],
    scopes: ['orders'],
  },
};
const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg' }] };

const register = (data: ClientRegistration) => ({ type: 'RegisterClient', data }) as const;
const registered = (data: ClientRegistration) => ({ type: 'ClientRegistered', data }) as const;
const disabled = { type: 'ClientDisabled', data: { reason: 'audit' } } as const;
const removed = { type: 'ClientRemoved', data: {} } as const;

const first: ClientSecret = {
  secretId: 's1',
  digest: 'd1',
  description: 'the first',
  addedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
};
const second: ClientSecret = { ...first, secretId: 's2', digest: 'd2' };
const add = (data: ClientSecret) => ({ type: 'AddClientSecret', data }) as const;
const added = (data: ClientSecret) => ({ type: 'ClientSecretAdded', data }) as const;
const revoke = (secretId: string) => ({ type: 'RevokeClientSecret', data: { secretId } }) as const;
const revoked = (secretId: string) =>
  ({ type: 'ClientSecretRevoked', data: { secretId } }) as const;

describe('registering', () => {
  test('a client that there was not', () => {
    given(client).when(register(web)).then(registered(web));
  });

  test('the same client again decides nothing, even while it is disabled', () => {
    given(client, registered(web)).when(register(web)).thenNothing();
    given(client, registered(web), disabled).when(register(web)).thenNothing();
  });

  test('another client under a taken id is refused', () => {
    given(client, registered(web))
      .when(register({ ...web, displayName: 'Another shop' }))
      .thenRefused('already_exists', { field: 'clientId' });
  });

  test('the id of a removed client is never given again', () => {
    given(client, registered(web), removed)
      .when(register(web))
      .thenRefused('already_exists', { field: 'clientId' });
  });
});

describe('a registration that does not hold together is refused', () => {
  const permitting = (it: ClientRegistration, grantTypes: string[], responseTypes: string[] = []) =>
    ({ ...it, permissions: { ...it.permissions, grantTypes, responseTypes } }) as const;

  const encrypted = (
    response: keyof ClientResponseProtection,
    encryptionAlg: EncryptionAlgorithm,
  ): ClientResponseProtection => ({
    ...PROTECTED_BY_DEFAULT,
    [response]: { ...PROTECTED_BY_DEFAULT[response], encryptionAlg },
  });

  test.each<[string, string, ClientRegistration]>([
    ['a public client with a secret', 'authenticationMethod', { ...web, clientType: 'public' }],
    [
      'a confidential client without authentication',
      'authenticationMethod',
      { ...web, authenticationMethod: 'none' },
    ],
    [
      'private_key_jwt without a key set',
      'jwks',
      { ...web, authenticationMethod: 'private_key_jwt' },
    ],
    [
      'private_key_jwt with an empty key set',
      'jwks',
      { ...web, authenticationMethod: 'private_key_jwt', jwks: { keys: [] } },
    ],
    [
      'tls_client_auth without a name in the certificate',
      'certificateSubject',
      { ...web, authenticationMethod: 'tls_client_auth' },
    ],
    [
      'self_signed_tls_client_auth with keys that have no certificate',
      'jwks',
      { ...web, authenticationMethod: 'self_signed_tls_client_auth', jwks },
    ],
    [
      'a nonce without DPoP',
      'requirements.dpopNonce',
      { ...web, requirements: { ...requirements, dpopNonce: true } },
    ],
    [
      'tokens bound to a key and to a certificate',
      'requirements.certificateBoundTokens',
      { ...web, requirements: { ...requirements, dpop: true, certificateBoundTokens: true } },
    ],
    [
      'encryption without a key',
      'responseProtection.idToken.encryptionAlg',
      { ...web, responseProtection: encrypted('idToken', 'ECDH-ES') },
    ],
    [
      'encryption to a key that only signs',
      'responseProtection.userinfo.encryptionAlg',
      { ...web, jwks, responseProtection: encrypted('userinfo', 'ECDH-ES') },
    ],
    [
      'encryption to a key for another algorithm',
      'responseProtection.authorization.encryptionAlg',
      {
        ...web,
        jwks: { keys: [{ kty: 'EC', crv: 'P-256' }] },
        responseProtection: encrypted('authorization', 'RSA-OAEP-256'),
      },
    ],
    [
      'a public client with client_credentials',
      'permissions.grantTypes',
      permitting(spa, ['client_credentials']),
    ],
    [
      'a public client with token exchange',
      'permissions.grantTypes',
      permitting(spa, ['urn:ietf:params:oauth:grant-type:token-exchange']),
    ],
    ['a public client with passwords', 'permissions.grantTypes', permitting(spa, ['password'])],
    [
      'refresh tokens where tokens are only exchanged',
      'permissions.grantTypes',
      permitting(machine, ['urn:ietf:params:oauth:grant-type:token-exchange', 'refresh_token']),
    ],
    [
      'a public client with codes and without PKCE',
      'requirements.pkce',
      { ...spa, requirements: { ...requirements, pkce: false } },
    ],
    ['codes without a redirect URI', 'redirectUris', { ...web, redirectUris: [] }],
    [
      'codes without the response type',
      'permissions.responseTypes',
      permitting(web, ['authorization_code']),
    ],
    [
      'the response type without codes',
      'permissions.responseTypes',
      permitting(web, ['client_credentials'], ['code']),
    ],
    [
      'an access token from the authorization endpoint without implicit',
      'permissions.responseTypes',
      permitting(web, ['authorization_code'], ['code token']),
    ],
    [
      'a response type without a redirect URI',
      'redirectUris',
      { ...permitting(machine, ['client_credentials'], ['none']) },
    ],
    [
      'implicit of a web application at http',
      'redirectUris',
      {
        ...permitting(web, ['implicit'], ['id_token']),
        redirectUris: ['http://shop.example/callback'],
      },
    ],
    [
      'access tokens from the authorization endpoint that are to be bound to a key',
      'requirements.dpop',
      {
        ...permitting(web, ['implicit'], ['id_token token']),
        requirements: { ...requirements, dpop: true },
      },
    ],
    [
      'refresh tokens that a public client uses again and again',
      'tokenPolicy.refreshTokenUsage',
      { ...spa, tokenPolicy: { ...web.tokenPolicy, refreshTokenUsage: 'reuse' } },
    ],
    [
      'pairwise subjects for two hosts',
      'subjectType',
      {
        ...web,
        subjectType: 'pairwise',
        redirectUris: ['https://shop.example/callback', 'https://shop.example:444/callback'],
      },
    ],
    [
      'pairwise subjects of a client that nobody signs in to',
      'subjectType',
      { ...machine, subjectType: 'pairwise' },
    ],
    [
      'pairwise subjects of a device',
      'subjectType',
      {
        ...permitting(
          web,
          ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
          ['code'],
        ),
        subjectType: 'pairwise',
      },
    ],
    [
      'refresh tokens that nothing issues',
      'permissions.grantTypes',
      permitting(web, ['refresh_token']),
    ],
    [
      'refresh tokens beside client_credentials, which issues none',
      'permissions.grantTypes',
      permitting(web, ['refresh_token', 'client_credentials']),
    ],
  ])('%s (%s)', (_, field, registration) => {
    given(client).when(register(registration)).thenRefused('invalid', { field });
  });

  test.each<[string, ClientRegistration]>([
    ['a public client with PKCE', spa],
    [
      'a public client that uses no codes, without PKCE',
      {
        ...permitting(spa, ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token']),
        redirectUris: [],
        requirements: { ...requirements, pkce: false },
      },
    ],
    [
      'a confidential client without PKCE',
      { ...web, requirements: { ...requirements, pkce: false } },
    ],
    ['private_key_jwt with a key', { ...web, authenticationMethod: 'private_key_jwt', jwks }],
    ['client_credentials without redirect URIs', machine],
    [
      'a public client that uses refresh tokens again and binds them to its key',
      {
        ...spa,
        requirements: { ...requirements, dpop: true },
        tokenPolicy: { ...web.tokenPolicy, refreshTokenUsage: 'reuse' },
      },
    ],
    [
      'pairwise subjects for two addresses of one host',
      {
        ...web,
        subjectType: 'pairwise',
        redirectUris: ['https://shop.example/a', 'https://shop.example/b'],
      },
    ],
    [
      'implicit at https',
      permitting(web, ['authorization_code', 'implicit'], ['code', 'code id_token token']),
    ],
  ])('while %s is accepted', (_, registration) => {
    given(client).when(register(registration)).then(registered(registration));
  });
});

describe('what is shown in one language', () => {
  const text = {
    displayName: 'Der Laden',
    description: null,
    clientUri: 'https://shop.example/de',
    logoUri: null,
    policyUri: null,
    tosUri: null,
  };
  const localize = (locale: string, text: ClientText | null) =>
    ({ type: 'LocalizeClient', data: { locale, text } }) as const;
  const localized = (locale: string, text: ClientText | null) =>
    ({ type: 'ClientLocalized', data: { locale, text } }) as const;

  test('is recorded once, and can be replaced and taken away', () => {
    const german = localized('de', text);
    given(client, registered(web)).when(localize('de', text)).then(german);
    given(client, registered(web), german).when(localize('de', text)).thenNothing();
    const other = { ...text, displayName: 'Das Geschäft' };
    given(client, registered(web), german).when(localize('de', other)).then(localized('de', other));
    given(client, registered(web), german).when(localize('de', null)).then(localized('de', null));
    given(client, registered(web)).when(localize('de', null)).thenNothing();
  });

  test('needs a client', () => {
    given(client).when(localize('de', text)).thenRefused('not_found', { field: 'clientId' });
  });

  test('goes with the client', () => {
    given(client, registered(web), localized('de', text))
      .when({ type: 'RemoveClient', data: {} })
      .then(localized('de', null), removed);
  });
});

/** A wish that replaces one part of the registration, and the fact that it has been replaced. */
function change<W extends keyof ClientWishes, F extends keyof ClientFacts>(
  wish: W,
  fact: F,
  part: ClientWishes[W] & ClientFacts[F] & Partial<ClientRegistration>,
) {
  return {
    wish: { type: wish, data: part } as Wish<ClientWishes>,
    fact: { type: fact, data: part } as Fact<ClientFacts>,
    part,
  };
}

describe.each([
  change('ChangeClientPresentation', 'ClientPresentationChanged', {
    displayName: 'The new shop',
    description: '',
    clientUri: 'https://shop.example',
    logoUri: null,
    policyUri: null,
    tosUri: null,
  }),
  change('ChangeClientRedirectUris', 'ClientRedirectUrisChanged', {
    redirectUris: ['https://shop.example/b'],
  }),
  change('ChangeClientPostLogoutRedirectUris', 'ClientPostLogoutRedirectUrisChanged', {
    postLogoutRedirectUris: ['https://shop.example/bye'],
  }),
  change('ChangeClientPermissions', 'ClientPermissionsChanged', {
    permissions: { ...web.permissions, scopes: ['openid', 'email'] },
  }),
  change('ChangeClientRequirements', 'ClientRequirementsChanged', {
    requirements: { ...requirements, pkce: false },
  }),
  change('ChangeClientConsentType', 'ClientConsentTypeChanged', { consentType: 'implicit' }),
  change('ChangeClientConsentLifetime', 'ClientConsentLifetimeChanged', { consentLifetime: 3600 }),
  change('ChangeClientTokenPolicy', 'ClientTokenPolicyChanged', {
    tokenPolicy: { ...web.tokenPolicy, accessTokenLifetime: 60 },
  }),
  change('ChangeClientTokenExchangePolicy', 'ClientTokenExchangePolicyChanged', {
    tokenExchange: { ...web.tokenExchange, once: true },
  }),
  change('ChangeClientAuthenticationMethod', 'ClientAuthenticationMethodChanged', {
    authenticationMethod: 'client_secret_post',
  }),
  change('ChangeClientKeys', 'ClientKeysChanged', { jwks, jwksUri: null }),
  change('ChangeClientSubjectType', 'ClientSubjectTypeChanged', { subjectType: 'pairwise' }),
  change('ChangeClientLogout', 'ClientLogoutChanged', {
    logout: { ...web.logout, backchannelUri: 'https://shop.example/logout' },
  }),
  change('ChangeClientAllowedOrigins', 'ClientAllowedOriginsChanged', {
    allowedOrigins: ['https://shop.example'],
  }),
  change('ChangeClientProperties', 'ClientPropertiesChanged', { properties: { team: 'deeds' } }),
])('$wish.type', ({ wish, fact, part }) => {
  test('is recorded once', () => {
    given(client, registered(web)).when(wish).then(fact);
    given(client, registered(web), fact).when(wish).thenNothing();
  });

  test('is allowed while the client is disabled', () => {
    given(client, registered(web), disabled).when(wish).then(fact);
  });

  test('keeps the rest of the registration', () => {
    given(client, registered(web), fact)
      .when(register({ ...web, ...part }))
      .thenNothing();
  });

  test('needs a client', () => {
    given(client).when(wish).thenRefused('not_found', { field: 'clientId' });
    given(client, registered(web), removed)
      .when(wish)
      .thenRefused('removed', { field: 'clientId' });
  });
});

describe('a change that would leave the client incoherent is refused', () => {
  test('the last redirect URI of a client with codes', () => {
    given(client, registered(web))
      .when({ type: 'ChangeClientRedirectUris', data: { redirectUris: [] } })
      .thenRefused('invalid', { field: 'redirectUris' });
  });

  test('PKCE of a public client', () => {
    given(client, registered(spa))
      .when({
        type: 'ChangeClientRequirements',
        data: { requirements: { ...requirements, pkce: false } },
      })
      .thenRefused('invalid', { field: 'requirements.pkce' });
  });

  test('the keys of a client that authenticates with them', () => {
    given(client, registered({ ...web, authenticationMethod: 'private_key_jwt', jwks }))
      .when({ type: 'ChangeClientKeys', data: { jwks: null, jwksUri: null } })
      .thenRefused('invalid', { field: 'jwks' });
  });

  test('authentication of a public client', () => {
    given(client, registered(spa))
      .when({
        type: 'ChangeClientAuthenticationMethod',
        data: { authenticationMethod: 'client_secret_basic' },
      })
      .thenRefused('invalid', { field: 'authenticationMethod' });
  });

  test('authentication by keys that are not known yet', () => {
    const change = {
      type: 'ChangeClientAuthenticationMethod',
      data: { authenticationMethod: 'private_key_jwt' },
    } as const;
    const changed = {
      type: 'ClientAuthenticationMethodChanged',
      data: { authenticationMethod: 'private_key_jwt' },
    } as const;
    given(client, registered(web)).when(change).thenRefused('invalid', { field: 'jwks' });
    given(client, registered(web), { type: 'ClientKeysChanged', data: { jwks, jwksUri: null } })
      .when(change)
      .then(changed);
  });
});

describe('secrets', () => {
  test('several live side by side, so that they can be rotated', () => {
    given(client, registered(web)).when(add(first)).then(added(first));
    given(client, registered(web), added(first)).when(add(second)).then(added(second));
  });

  test('adding the same secret again decides nothing', () => {
    given(client, registered(web), added(first)).when(add(first)).thenNothing();
  });

  test('another secret under a known id is refused: it would be shown and never work', () => {
    given(client, registered(web), added(first))
      .when(add({ ...second, secretId: 's1' }))
      .thenRefused('already_exists', { field: 'secretId' });
  });

  test('a public client cannot keep one', () => {
    given(client, registered(spa)).when(add(first)).thenRefused('invalid', { field: 'clientType' });
  });

  test('there are at most ten, and a revoked one makes room', () => {
    const nine = Array.from({ length: 9 }, (_, n) => added({ ...first, secretId: `n${n}` }));
    given(client, registered(web), ...nine)
      .when(add(second))
      .then(added(second));
    given(client, registered(web), ...nine, added(first))
      .when(add(second))
      .thenRefused('invalid', { field: 'secret' });
    given(client, registered(web), ...nine, added(first), revoked('s1'))
      .when(add(second))
      .then(added(second));
  });

  test('one is revoked by its id, once, and the others stay', () => {
    const both = [registered(web), added(first), added(second)];
    given(client, ...both)
      .when(revoke('s1'))
      .then(revoked('s1'));
    given(client, ...both, revoked('s1'))
      .when(revoke('s1'))
      .thenNothing();
    given(client, ...both, revoked('s1'))
      .when(revoke('s2'))
      .then(revoked('s2'));
  });

  test('revoking one that is not known decides nothing', () => {
    given(client, registered(web)).when(revoke('s1')).thenNothing();
  });

  test('without a client there is none', () => {
    given(client).when(add(first)).thenRefused('not_found', { field: 'clientId' });
    given(client).when(revoke('s1')).thenRefused('not_found', { field: 'clientId' });
    given(client, registered(web), removed)
      .when(add(first))
      .thenRefused('removed', { field: 'clientId' });
    given(client, registered(web), removed)
      .when(revoke('s1'))
      .thenRefused('removed', { field: 'clientId' });
  });
});

describe('disabling, enabling, removing', () => {
  const disable = { type: 'DisableClient', data: { reason: 'audit' } } as const;
  const enable = { type: 'EnableClient', data: {} } as const;
  const enabled = { type: 'ClientEnabled', data: {} } as const;
  const remove = { type: 'RemoveClient', data: {} } as const;

  test('each is recorded once', () => {
    given(client, registered(web)).when(disable).then(disabled);
    given(client, registered(web), disabled).when(disable).thenNothing();
    given(client, registered(web), disabled).when(enable).then(enabled);
    given(client, registered(web)).when(enable).thenNothing();
    given(client, registered(web), disabled, enabled).when(enable).thenNothing();
    given(client, registered(web)).when(remove).then(removed);
    given(client, registered(web), disabled).when(remove).then(removed);
    given(client, registered(web), removed).when(remove).thenNothing();
  });

  test('removing a client revokes its secrets by name', () => {
    given(client, registered(web), added(first), added(second))
      .when(remove)
      .then(revoked('s1'), revoked('s2'), removed);
  });

  test.each([disable, enable])('$type needs a client', (wish) => {
    given(client).when(wish).thenRefused('not_found', { field: 'clientId' });
    given(client, registered(web), removed)
      .when(wish)
      .thenRefused('removed', { field: 'clientId' });
  });

  test('there is nothing to remove where there was no client', () => {
    given(client).when(remove).thenRefused('not_found', { field: 'clientId' });
  });
});

describe('a profile', () => {
  const change = (profile: ClientRegistration['profile']) =>
    ({ type: 'ChangeClientProfile', data: { profile } }) as const;
  const financial: ClientRegistration = {
    ...web,
    profile: 'fapi2',
    authenticationMethod: 'private_key_jwt',
    jwks,
    requirements: { ...requirements, pushedAuthorizationRequests: true, dpop: true },
    tokenPolicy: { ...web.tokenPolicy, refreshTokenUsage: 'reuse' },
  };
  const tls: ClientRegistration = {
    ...financial,
    authenticationMethod: 'tls_client_auth',
    certificateSubject: { type: 'san_dns', value: 'shop.example' },
    requirements: { ...financial.requirements, dpop: false, certificateBoundTokens: true },
  };

  test('is taken by a client that keeps it, with keys or with certificates', () => {
    for (const it of [financial, tls, { ...web, profile: 'oauth2.1' } as const]) {
      given(client, registered({ ...it, profile: 'none' }))
        .when(change(it.profile))
        .then({ type: 'ClientProfileChanged', data: { profile: it.profile } });
    }
  });

  test('is refused to a client that does not keep it, and names the setting', () => {
    given(client, registered(web))
      .when(change('fapi2'))
      .thenRefused('invalid', { field: 'authenticationMethod' });
  });

  test('holds settings that break it off afterwards', () => {
    given(client, registered(financial))
      .when({
        type: 'ChangeClientRequirements',
        data: { requirements: { ...financial.requirements, dpop: false } },
      })
      .thenRefused('invalid', { field: 'requirements.dpop' });
  });

  const grant = (it: ClientRegistration, type: string): ClientRegistration['permissions'] => ({
    ...it.permissions,
    grantTypes: [...it.permissions.grantTypes, type],
  });
  const front = (it: ClientRegistration): ClientRegistration['permissions'] => ({
    ...grant(it, 'implicit'),
    responseTypes: ['code', 'code id_token'],
  });
  const modern: ClientRegistration = { ...web, profile: 'oauth2.1' };

  test.each<[string, string, ClientRegistration, Partial<ClientRegistration>]>([
    ['FAPI 2.0: a public client', 'clientType', financial, { ...spa, profile: 'fapi2' }],
    [
      'FAPI 2.0: a secret',
      'authenticationMethod',
      financial,
      { authenticationMethod: 'client_secret_basic' },
    ],
    [
      'FAPI 2.0: requests that are not pushed',
      'requirements.pushedAuthorizationRequests',
      financial,
      { requirements: { ...financial.requirements, pushedAuthorizationRequests: false } },
    ],
    [
      'FAPI 2.0: no PKCE',
      'requirements.pkce',
      financial,
      { requirements: { ...financial.requirements, pkce: false } },
    ],
    ['FAPI 2.0: hybrid', 'permissions.responseTypes', financial, { permissions: front(financial) }],
    [
      'FAPI 2.0: passwords',
      'permissions.grantTypes',
      financial,
      { permissions: grant(financial, 'password') },
    ],
    [
      'FAPI 2.0: http for a web application',
      'redirectUris',
      financial,
      { redirectUris: ['http://localhost:8080/callback'] },
    ],
    [
      'FAPI 2.0: codes that live for longer',
      'tokenPolicy.authorizationCodeLifetime',
      financial,
      { tokenPolicy: { ...financial.tokenPolicy, authorizationCodeLifetime: 61 } },
    ],
    [
      'FAPI 2.0: rotation',
      'tokenPolicy.refreshTokenUsage',
      financial,
      { tokenPolicy: { ...financial.tokenPolicy, refreshTokenUsage: 'one_time' } },
    ],
    [
      'OAuth 2.1: no PKCE',
      'requirements.pkce',
      modern,
      { requirements: { ...requirements, pkce: false } },
    ],
    ['OAuth 2.1: hybrid', 'permissions.responseTypes', modern, { permissions: front(modern) }],
    [
      'OAuth 2.1: passwords',
      'permissions.grantTypes',
      modern,
      { permissions: grant(modern, 'password') },
    ],
  ])('refuses, by %s', (_, field, it, broken) => {
    given(client)
      .when(register({ ...it, ...broken }))
      .thenRefused('invalid', { field });
  });
});
