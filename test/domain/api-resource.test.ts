import { describe, test } from '@jest/globals';
import {
  type ApiResourceDefinition,
  type ApiResourceEncryption,
  apiResource,
} from '../../src/domain/api-resource.ts';
import { given } from '../support/decider-spec.ts';

const api: ApiResourceDefinition = {
  identifier: 'https://api.example',
  displayName: 'The API',
  tokenPolicy: { accessTokenFormat: null, accessTokenSigningAlg: null, accessTokenLifetime: null },
  authorizationDetailTypes: [],
  isolated: false,
  encryption: null,
};
const tokenPolicy = {
  accessTokenFormat: 'jwt',
  accessTokenSigningAlg: null,
  accessTokenLifetime: 60,
} as const;
const define = (data: ApiResourceDefinition) => ({ type: 'DefineApiResource', data }) as const;
const defined = (data: ApiResourceDefinition) => ({ type: 'ApiResourceDefined', data }) as const;
const rename = { type: 'RenameApiResource', data: { displayName: 'Orders' } } as const;
const renamed = { type: 'ApiResourceRenamed', data: { displayName: 'Orders' } } as const;
const changePolicy = { type: 'ChangeApiResourceTokenPolicy', data: { tokenPolicy } } as const;
const policyChanged = { type: 'ApiResourceTokenPolicyChanged', data: { tokenPolicy } } as const;
const types = [{ type: 'payment', displayName: 'Payment', schema: null }];
const changeTypes = {
  type: 'ChangeApiResourceAuthorizationDetailTypes',
  data: { authorizationDetailTypes: types },
} as const;
const typesChanged = {
  type: 'ApiResourceAuthorizationDetailTypesChanged',
  data: { authorizationDetailTypes: types },
} as const;
const isolate = { type: 'ChangeApiResourceIsolation', data: { isolated: true } } as const;
const isolated = { type: 'ApiResourceIsolationChanged', data: { isolated: true } } as const;
const encryption: ApiResourceEncryption = {
  alg: 'ECDH-ES',
  enc: 'A256GCM',
  jwks: { keys: [{ kty: 'EC', crv: 'P-256' }] },
  secret: null,
};
const encrypt = (encryption: ApiResourceEncryption) =>
  ({ type: 'ChangeApiResourceEncryption', data: { encryption } }) as const;
const encrypted = { type: 'ApiResourceEncryptionChanged', data: { encryption } } as const;
const remove = { type: 'RemoveApiResource', data: {} } as const;
const removed = { type: 'ApiResourceRemoved', data: {} } as const;

describe('defining', () => {
  test('a resource is recorded once', () => {
    given(apiResource).when(define(api)).then(defined(api));
    given(apiResource, defined(api)).when(define(api)).thenNothing();
  });

  test('another under the same identifier is refused', () => {
    given(apiResource, defined(api))
      .when(define({ ...api, displayName: 'Another' }))
      .thenRefused('already_exists', { field: 'identifier' });
  });

  test('a removed identifier is free again', () => {
    given(apiResource, defined(api), removed).when(define(api)).then(defined(api));
  });
});

describe.each([
  { wish: rename, fact: renamed },
  { wish: changePolicy, fact: policyChanged },
  { wish: isolate, fact: isolated },
  { wish: encrypt(encryption), fact: encrypted },
])('$wish.type', ({ wish, fact }) => {
  test('is recorded once', () => {
    given(apiResource, defined(api)).when(wish).then(fact);
    given(apiResource, defined(api), fact).when(wish).thenNothing();
  });

  test('needs a resource', () => {
    given(apiResource).when(wish).thenRefused('not_found', { field: 'identifier' });
    given(apiResource, defined(api), removed)
      .when(wish)
      .thenRefused('not_found', { field: 'identifier' });
  });
});

test.each([
  ['none at all', null],
  ['one for signatures', { keys: [{ kty: 'EC', use: 'sig' }] }],
  ['one for another algorithm', { keys: [{ kty: 'RSA' }] }],
])('encryption to a key that is %s is refused', (_, jwks) => {
  given(apiResource, defined(api))
    .when(encrypt({ ...encryption, jwks }))
    .thenRefused('invalid', { field: 'encryption.jwks' });
});

test('each change keeps what the other changed', () => {
  given(apiResource, defined(api), renamed, policyChanged)
    .when(define({ ...api, displayName: 'Orders', tokenPolicy }))
    .thenNothing();
});

test('removing is recorded once', () => {
  given(apiResource, defined(api)).when(remove).then(removed);
  given(apiResource, defined(api), removed).when(remove).thenNothing();
  given(apiResource).when(remove).thenNothing();
});

test('a resource says which authorization details it understands', () => {
  given(apiResource, defined(api)).when(changeTypes).then(typesChanged);
  given(apiResource, defined(api), typesChanged).when(changeTypes).thenNothing();
  given(apiResource).when(changeTypes).thenRefused('not_found', { field: 'identifier' });
});
