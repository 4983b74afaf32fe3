import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digest } from '../../../src/platform/secrets.ts';
import { READ_SCHEMA } from '../../../src/projections/version.ts';
import { type Data, type Harness, openHarness } from '../harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

const USER_ERRORS = 'userErrors { code message field }';

/** Calls one mutation of a client and returns its payload. */
async function mutate(mutation: string, input: object, fields = ''): Promise<Data> {
  const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
  const { data, errors } = await api.call(
    `mutation ($input: ${type}!) { ${mutation}(input: $input) {
       clientId position client { ${fields} version } ${USER_ERRORS} } }`,
    { input },
  );
  expect(errors).toBeUndefined();
  return data[mutation];
}

const REGISTER = `mutation ($input: ClientRegisterInput!) { clientRegister(input: $input) {
  clientId secret secretId position ${USER_ERRORS}
  client { clientId displayName clientType applicationType authenticationMethod consentType
    redirectUris postLogoutRedirectUris permissions { grantTypes responseTypes scopes }
    requirements { pkce } tokenPolicy { accessTokenFormat accessTokenLifetime } jwks
    clientUri disabled disabledAt version secrets { secretId description expiresAt } } } }`;

async function register(input: object): Promise<Data> {
  const { data, errors } = await api.call(REGISTER, { input });
  expect(errors).toBeUndefined();
  return data.clientRegister;
}

describe('clientRegister', () => {
  test('with as little as possible makes a working client, and shows its secret once', async () => {
    const made = await register({ displayName: 'Nightly job', clientType: 'CONFIDENTIAL' });
    expect(made).toMatchObject({
      userErrors: [],
      position: expect.stringMatching(/^\d{20}$/),
      secret: expect.stringMatching(/^mun_[\w-]{43}$/),
      client: {
        clientId: made.clientId,
        displayName: 'Nightly job',
        clientType: 'CONFIDENTIAL',
        applicationType: 'WEB',
        authenticationMethod: 'CLIENT_SECRET_BASIC',
        consentType: 'EXPLICIT',
        permissions: { grantTypes: ['client_credentials'], responseTypes: [], scopes: [] },
        requirements: { pkce: true },
        tokenPolicy: { accessTokenFormat: 'REFERENCE', accessTokenLifetime: null },
        disabled: false,
        disabledAt: null,
        version: 2,
        secrets: [{ secretId: made.secretId, description: 'first secret', expiresAt: null }],
      },
    });
    const { rows } = await api.pool.query(
      `select digest from ${READ_SCHEMA}.client_secrets where client_id = $1`,
      [made.clientId],
    );
    expect(rows).toEqual([{ digest: digest(made.secret) }]);
  });

  test('a public client has no secret', async () => {
    const made = await register({
      clientId: 'browser-app',
      displayName: 'Browser application',
      clientType: 'PUBLIC',
      redirectUris: ['https://app.example/callback', 'http://localhost:8080/callback'],
    });
    expect(made).toMatchObject({
      clientId: 'browser-app',
      secret: null,
      userErrors: [],
      client: {
        authenticationMethod: 'NONE',
        permissions: {
          grantTypes: ['authorization_code'],
          responseTypes: ['code'],
          scopes: ['openid'],
        },
        version: 1,
        secrets: [],
      },
    });
  });

  test('an id that is taken', async () => {
    const input = { clientId: 'taken', displayName: 'First', clientType: 'CONFIDENTIAL' };
    expect((await register(input)).userErrors).toEqual([]);
    const again = await register(input);
    expect(again).toMatchObject({
      secret: null,
      position: null,
      userErrors: [{ code: 'ALREADY_EXISTS', field: 'clientId' }],
    });
    expect(again.client.secrets).toHaveLength(1);
  });

  test('every field that is wrong is named', async () => {
    const { userErrors, clientId } = await register({
      displayName: ' ',
      clientType: 'CONFIDENTIAL',
      redirectUris: ['https://app.example/cb', 'http://app.example/cb'],
      clientUri: 'javascript:alert(1)',
      permissions: { grantTypes: ['magic'], responseTypes: [], scopes: ['with space'] },
      tokenPolicy: { accessTokenLifetime: 1 },
      jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] },
    });
    expect(clientId).toBeNull();
    expect(new Set(userErrors.map(({ code }: Data) => code))).toEqual(new Set(['INVALID']));
    expect(userErrors.map(({ field }: Data) => field).sort()).toEqual([
      'clientUri',
      'displayName',
      'jwks.keys.0',
      'permissions.grantTypes.0',
      'permissions.scopes.0',
      'redirectUris.1',
      'tokenPolicy.accessTokenLifetime',
    ]);
  });

  test.each([
    ['WEB', 'com.example.app:/cb', 'redirectUris'],
    ['NATIVE', 'com.example.app:/cb', undefined],
    ['NATIVE', 'https://localhost/cb', 'redirectUris'],
    ['NATIVE', 'https://localhost.example/cb', undefined],
    ['WEB', 'https://localhost/cb', undefined],
  ])('a %s application with %s', async (applicationType, uri, field) => {
    const input = { displayName: 'x', clientType: 'PUBLIC', applicationType, redirectUris: [uri] };
    const { userErrors } = await register(input);
    expect(userErrors.map((error: Data) => error.field)).toEqual(field ? [field] : []);
  });

  test('what does not hold together', async () => {
    const { userErrors } = await register({
      displayName: 'Impossible',
      clientType: 'PUBLIC',
      permissions: { grantTypes: ['client_credentials'], responseTypes: [], scopes: [] },
    });
    expect(userErrors).toMatchObject([{ code: 'INVALID', field: 'permissions.grantTypes' }]);
  });
});

describe('each wish has its mutation', () => {
  const KEY = {
    kty: 'EC',
    crv: 'P-256',
    kid: 'one',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  };

  beforeAll(async () => {
    await register({
      clientId: 'subject',
      displayName: 'Subject',
      clientType: 'CONFIDENTIAL',
      redirectUris: ['https://app.example/cb'],
    });
  });

  test.each([
    [
      'clientPresentationChange',
      { displayName: 'New name', logoUri: 'https://app.example/logo.png' },
      'displayName logoUri tosUri',
      { displayName: 'New name', logoUri: 'https://app.example/logo.png', tosUri: null },
    ],
    [
      'clientRedirectUrisChange',
      { redirectUris: ['https://app.example/new', 'https://app.example/new'] },
      'redirectUris',
      { redirectUris: ['https://app.example/new'] },
    ],
    [
      'clientPostLogoutRedirectUrisChange',
      { postLogoutRedirectUris: ['https://app.example/bye'] },
      'postLogoutRedirectUris',
      { postLogoutRedirectUris: ['https://app.example/bye'] },
    ],
    [
      'clientPermissionsChange',
      {
        permissions: {
          endpoints: ['authorization', 'token'],
          grantTypes: ['authorization_code', 'refresh_token'],
          responseTypes: ['code'],
          scopes: ['openid', 'email'],
        },
      },
      'permissions { endpoints scopes }',
      { permissions: { endpoints: ['authorization', 'token'], scopes: ['openid', 'email'] } },
    ],
    [
      'clientRequirementsChange',
      { requirements: { pkce: false } },
      'requirements { pkce }',
      { requirements: { pkce: false } },
    ],
    [
      'clientRequirementsChange',
      { requirements: { pkce: true, dpop: true, dpopNonce: true } },
      'requirements { pkce dpop dpopNonce certificateBoundTokens }',
      {
        requirements: { pkce: true, dpop: true, dpopNonce: true, certificateBoundTokens: false },
      },
    ],
    ['clientProfileChange', { profile: 'OAUTH_2_1' }, 'profile', { profile: 'OAUTH_2_1' }],
    [
      'clientConsentTypeChange',
      { consentType: 'SYSTEMATIC' },
      'consentType',
      { consentType: 'SYSTEMATIC' },
    ],
    [
      'clientTokenPolicyChange',
      { tokenPolicy: { accessTokenFormat: 'JWT', refreshTokenLifetime: 3600 } },
      'tokenPolicy { accessTokenFormat refreshTokenLifetime }',
      { tokenPolicy: { accessTokenFormat: 'JWT', refreshTokenLifetime: 3600 } },
    ],
    [
      'clientTokenExchangePolicyChange',
      { tokenExchange: { impersonation: false, once: true } },
      'tokenExchange { impersonation delegation resources once }',
      { tokenExchange: { impersonation: false, delegation: true, resources: ['*'], once: true } },
    ],
    ['clientKeysChange', { jwks: { keys: [KEY] } }, 'jwks', { jwks: { keys: [KEY] } }],
    [
      'clientCertificateSubjectChange',
      { certificateSubject: { type: 'SAN_DNS', value: 'shop.example' } },
      'certificateSubject { type value }',
      { certificateSubject: { type: 'SAN_DNS', value: 'shop.example' } },
    ],
    [
      'clientAuthenticationMethodChange',
      { authenticationMethod: 'PRIVATE_KEY_JWT' },
      'authenticationMethod',
      { authenticationMethod: 'PRIVATE_KEY_JWT' },
    ],
    ['clientDisable', { reason: 'Abuse' }, 'disabled', { disabled: true }],
    ['clientEnable', {}, 'disabled disabledAt', { disabled: false, disabledAt: null }],
  ])('%s', async (mutation, change, fields, after) => {
    const before = (await api.call('{ client(clientId: "subject") { version } }')).data.client;
    const input = { clientId: 'subject', expectedVersion: before.version, ...change };
    const payload = await mutate(mutation, input, fields);
    expect(payload).toEqual({
      clientId: 'subject',
      position: expect.stringMatching(/^\d+$/),
      client: { ...after, version: before.version + 1 },
      userErrors: [],
    });

    const repeated = await mutate(mutation, { clientId: 'subject', ...change }, fields);
    expect(repeated).toEqual({ ...payload, position: null });
  });

  test('clientSecretAdd and clientSecretRevoke', async () => {
    const { data } = await api.call(`mutation { clientSecretAdd(input: {
      clientId: "subject", description: "from May on", expiresAt: "2099-05-01T02:00:00+02:00"
    }) { secret secretId client { secrets { secretId description expiresAt } } ${USER_ERRORS} } }`);
    const { secret, secretId, client } = data.clientSecretAdd;
    expect(secret).toMatch(/^mun_[\w-]{43}$/);
    expect(client.secrets).toContainEqual({
      secretId,
      description: 'from May on',
      expiresAt: '2099-05-01T00:00:00.000Z',
    });

    const revoked = await mutate(
      'clientSecretRevoke',
      { clientId: 'subject', secretId },
      'secrets { secretId }',
    );
    expect(revoked.client.secrets).not.toContainEqual({ secretId });
    expect(revoked.client.secrets).toHaveLength(client.secrets.length - 1);
  });

  test('clientSecretAdd refuses an end that is past', async () => {
    const { data } = await api.call(`mutation { clientSecretAdd(input: {
      clientId: "subject", expiresAt: "2020-01-01T00:00:00Z" }) { secret ${USER_ERRORS} } }`);
    expect(data.clientSecretAdd).toMatchObject({
      secret: null,
      userErrors: [{ code: 'INVALID', field: 'expiresAt' }],
    });
  });

  test('clientRemove, after which nothing can be wished of it', async () => {
    await register({ clientId: 'leaving', displayName: 'Leaving', clientType: 'CONFIDENTIAL' });
    const removed = await mutate('clientRemove', { clientId: 'leaving' });
    expect(removed).toMatchObject({ client: null, userErrors: [] });
    const late = await mutate('clientEnable', { clientId: 'leaving' });
    expect(late).toMatchObject({ position: null, userErrors: [{ code: 'REMOVED' }] });
  });
});

test('a version that is not the present one, with the present entity to look at', async () => {
  const { clientId } = await register({ displayName: 'Busy', clientType: 'CONFIDENTIAL' });
  const payload = await mutate(
    'clientDisable',
    { clientId, expectedVersion: 1 },
    'displayName disabled',
  );
  expect(payload).toEqual({
    clientId,
    position: null,
    client: { displayName: 'Busy', disabled: false, version: 2 },
    userErrors: [
      {
        code: 'STALE_VERSION',
        field: 'expectedVersion',
        message: 'the entity has changed in the meantime',
      },
    ],
  });
});

test('a client nobody registered', async () => {
  const payload = await mutate('clientEnable', { clientId: 'nobody' });
  expect(payload).toMatchObject({ client: null, userErrors: [{ code: 'NOT_FOUND' }] });
  expect((await api.call('{ client(clientId: "nobody") { id } }')).data).toEqual({ client: null });
});

test('several mutations in one document each see what the former left', async () => {
  const { clientId } = await register({ displayName: 'Twice', clientType: 'CONFIDENTIAL' });
  const { data } = await api.call(
    `mutation ($id: String!) {
      off: clientDisable(input: { clientId: $id }) { client { disabled version } }
      on: clientEnable(input: { clientId: $id }) { client { disabled version } } }`,
    { id: clientId },
  );
  expect(data).toEqual({
    off: { client: { disabled: true, version: 3 } },
    on: { client: { disabled: false, version: 4 } },
  });
});
