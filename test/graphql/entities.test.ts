import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifyPassword } from '../../src/platform/passwords.ts';
import { READ_SCHEMA } from '../../src/projections/version.ts';
import { type Data, type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

async function mutate(mutation: string, input: object, fields: string): Promise<Data> {
  const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
  const { data, errors } = await api.call(
    `mutation ($input: ${type}!) { ${mutation}(input: $input) {
       ${fields} position userErrors { code message field } } }`,
    { input },
  );
  expect(errors).toBeUndefined();
  return data[mutation];
}

const GRANTED = { position: expect.stringMatching(/^\d+$/), userErrors: [] };

describe('scopes', () => {
  const FIELDS = `scope { name displayName description claims resourceIdentifiers version
    localizations { locale displayName description } }`;
  const scope = (name: string, change: object) =>
    mutate(name, { name: 'orders', ...change }, FIELDS);
  let known: Data = {
    name: 'orders',
    displayName: 'Orders',
    description: 'See your orders',
    claims: [],
    resourceIdentifiers: ['https://api.example/orders'],
    version: 1,
    localizations: [],
  };

  test('scopeDefine', async () => {
    const { displayName, description } = known;
    const resources = known.resourceIdentifiers;
    expect(await scope('scopeDefine', { displayName, description, resources })).toEqual({
      scope: known,
      ...GRANTED,
    });
  });

  test.each([
    ['scopeDescribe', { displayName: 'Your orders', description: 'Two\nlines' }, undefined],
    [
      'scopeLocalize',
      { locale: 'de-at', text: { displayName: 'Bestellungen', description: 'Ansehen' } },
      {
        localizations: [{ locale: 'de-AT', displayName: 'Bestellungen', description: 'Ansehen' }],
      },
    ],
    ['scopeLocalize', { locale: 'de-AT', text: null }, { localizations: [] }],
    ['scopeClaimsChange', { claims: ['order_count'] }, undefined],
    ['scopeResourcesChange', { resources: [] }, { resourceIdentifiers: [] }],
  ])('%s %j', async (mutation, change, after) => {
    known = { ...known, ...(after ?? change), version: known.version + 1 };
    const expectedVersion = known.version - 1;
    const payload = await scope(mutation, { ...change, expectedVersion });
    expect(payload).toEqual({ scope: known, ...GRANTED });
    expect(await scope(mutation, change)).toEqual({ ...payload, position: null });
  });

  test('scopeRemove', async () => {
    expect(await scope('scopeRemove', {})).toEqual({ scope: null, ...GRANTED });
  });

  test.each([
    ['scopeDefine', { name: 'two words', displayName: 'x' }, 'INVALID', 'name'],
    ['scopeDefine', { name: '*', displayName: 'x' }, 'INVALID', 'name'],
    ['scopeDefine', { name: 'x', displayName: 'a\u0000b' }, 'INVALID', 'displayName'],
    ['scopeDefine', { name: 'x', displayName: 'a'.repeat(201) }, 'INVALID', 'displayName'],
    ['scopeDefine', { name: 'x', displayName: 'a\ud800' }, 'INVALID', 'displayName'],
    [
      'scopeDefine',
      { name: 'x', displayName: 'x', resources: ['orders'] },
      'INVALID',
      'resources.0',
    ],
    ['scopeLocalize', { name: 'orders', locale: 'not a language' }, 'INVALID', 'locale'],
    ['scopeClaimsChange', { name: 'unknown', claims: [] }, 'NOT_FOUND', 'name'],
  ])('%s refuses %j', async (mutation, input, code, field) => {
    const payload = await mutate(mutation, input, 'name');
    expect(payload).toMatchObject({ position: null, userErrors: [{ code, field }] });
  });

  test('the scope openid cannot be removed', async () => {
    await mutate('scopeDefine', { name: 'openid', displayName: 'Identity' }, 'name');
    const { userErrors } = await mutate('scopeRemove', { name: 'openid' }, 'name');
    expect(userErrors).toMatchObject([{ code: 'INVALID' }]);
  });
});

describe('API resources', () => {
  const identifier = 'https://api.example/invoices';
  const FIELDS = `apiResource { identifier displayName version
    tokenPolicy { accessTokenFormat accessTokenLifetime }
    authorizationDetailTypes { type displayName schema } }`;
  const resource = (name: string, change: object) =>
    mutate(name, { identifier, ...change }, FIELDS);
  let known: Data = {
    identifier,
    displayName: 'Invoices',
    version: 1,
    tokenPolicy: { accessTokenFormat: null, accessTokenLifetime: null },
    authorizationDetailTypes: [],
  };

  test('apiResourceDefine', async () => {
    const payload = await resource('apiResourceDefine', { displayName: 'Invoices' });
    expect(payload).toEqual({ apiResource: known, ...GRANTED });
    const other = await resource('apiResourceDefine', { displayName: 'Others' });
    expect(other).toMatchObject({ apiResource: known, userErrors: [{ code: 'ALREADY_EXISTS' }] });
  });

  test.each([
    ['apiResourceRename', { displayName: 'Bills' }],
    [
      'apiResourceTokenPolicyChange',
      { tokenPolicy: { accessTokenFormat: 'JWT', accessTokenLifetime: 300 } },
    ],
    [
      'apiResourceAuthorizationDetailTypesChange',
      {
        authorizationDetailTypes: [
          { type: 'payment', displayName: 'Payment', schema: { required: ['amount'] } },
        ],
      },
    ],
  ])('%s', async (mutation, change) => {
    known = { ...known, ...change, version: known.version + 1 };
    const payload = await resource(mutation, { ...change, expectedVersion: known.version - 1 });
    expect(payload).toEqual({ apiResource: known, ...GRANTED });
    expect(await resource(mutation, change)).toEqual({ ...payload, position: null });
  });

  test('a scope leads to it', async () => {
    await mutate(
      'scopeDefine',
      { name: 'invoices', displayName: 'Invoices', resources: [identifier, 'urn:not:defined'] },
      'name',
    );
    const { data } = await api.call('{ scope(name: "invoices") { apiResources { displayName } } }');
    expect(data.scope.apiResources).toEqual([{ displayName: 'Bills' }]);
  });

  test.each([
    { schema: { $ref: '#/nowhere' } },
    { schema: { pattern: '(', type: 'object', properties: { type: { pattern: '(' } } } },
    { type: 'with space' },
  ])('apiResourceAuthorizationDetailTypesChange refuses %j', async (wrong) => {
    const authorizationDetailTypes = [{ type: 'payment', displayName: 'Payment', ...wrong }];
    const { userErrors } = await resource('apiResourceAuthorizationDetailTypesChange', {
      authorizationDetailTypes,
    });
    expect(userErrors[0]).toMatchObject({
      code: 'INVALID',
      field: expect.stringMatching(/^authorizationDetailTypes\.0\./),
    });
  });

  test('apiResourceRemove', async () => {
    expect(await resource('apiResourceRemove', {})).toEqual({ apiResource: null, ...GRANTED });
    expect(await resource('apiResourceRename', { displayName: 'x' })).toMatchObject({
      userErrors: [{ code: 'NOT_FOUND', field: 'identifier' }],
    });
  });

  test.each([
    'invoices',
    'https://api.example/#part',
    'https:api.example',
    'https://u:p@a.example',
  ])('apiResourceDefine refuses %s', async (identifier) => {
    const input = { identifier, displayName: 'x' };
    const { userErrors } = await mutate('apiResourceDefine', input, 'identifier');
    expect(userErrors).toMatchObject([{ code: 'INVALID', field: 'identifier' }]);
  });
});

describe('users', () => {
  const FIELDS = `sub user { sub username roles disabled disabledAt erasedAt passwordSetAt version
    claims { name givenName email emailVerified address { streetAddress postalCode } } }`;
  const user = (name: string, change: object) => mutate(name, { sub, ...change }, FIELDS);
  const ADA = {
    name: 'Ada Lovelace',
    givenName: 'Ada',
    email: 'ada@mail.example',
    emailVerified: true,
    address: { streetAddress: 'St James’s Square 12', postalCode: 'SW1' },
  };
  let sub: string;

  test('userRegister', async () => {
    const input = {
      username: ' Ada ',
      password: 'analytical engine',
      claims: ADA,
      roles: ['poet'],
    };
    const payload = await mutate('userRegister', input, FIELDS);
    sub = payload.sub;
    expect(sub).toMatch(/^usr_[\w-]{22}$/);
    expect(payload).toEqual({
      sub,
      user: {
        sub,
        username: 'Ada',
        roles: ['poet'],
        disabled: false,
        disabledAt: null,
        erasedAt: null,
        passwordSetAt: expect.any(String),
        version: 2,
        claims: ADA,
      },
      ...GRANTED,
    });
  });

  test('nothing personal and no password is in clear in any table', async () => {
    const { rows: tables } = await api.pool.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname in ('log', 'state', 'vault', '${READ_SCHEMA}')`,
    );
    expect(tables.length).toBeGreaterThan(10);
    for (const { name } of tables) {
      const { rows } = await api.pool.query(`select t::text as row from ${name} t`);
      const text = rows.map(({ row }) => row).join('\n');
      expect(text).not.toMatch(/lovelace|ada@|analytical/i);
    }
  });

  test('a user name is one person’s, however it is spelt', async () => {
    const payload = await mutate('userRegister', { username: 'ADA' }, FIELDS);
    expect(payload).toMatchObject({
      sub: null,
      user: null,
      userErrors: [{ code: 'ALREADY_EXISTS', field: 'username' }],
    });
  });

  test('userClaimsChange replaces what is known, and leaves the user name', async () => {
    const claims = { name: 'Ada King', birthdate: '1815-12-10', zoneinfo: 'Europe/London' };
    const { user: after } = await user('userClaimsChange', { claims, expectedVersion: 2 });
    expect(after).toMatchObject({ username: 'Ada', version: 3, claims: { name: 'Ada King' } });
    expect(after.claims.email).toBeNull();
  });

  test('userRolesChange', async () => {
    const { user: after } = await user('userRolesChange', { roles: ['countess'] });
    expect(after.roles).toEqual(['countess']);
    expect((await user('userRolesChange', { roles: ['countess'] })).position).toBeNull();
  });

  test('userPasswordSet', async () => {
    expect(await user('userPasswordSet', { password: 'difference engine' })).toMatchObject(GRANTED);
    const { rows } = await api.pool.query(
      `select password_verifier as sealed from ${READ_SCHEMA}.users where sub = $1`,
      [sub],
    );
    const verifier = await api.dependencies.subjectKeys.open(sub, rows[0].sealed);
    expect(await verifyPassword(verifier, 'difference engine')).toBe(true);
    expect(await verifyPassword(verifier, 'analytical engine')).toBe(false);
  });

  test('userDisable and userEnable', async () => {
    const off = await user('userDisable', { reason: 'asked to' });
    expect(off.user).toMatchObject({ disabled: true, disabledAt: expect.any(String) });
    const on = await user('userEnable', {});
    expect(on.user).toMatchObject({ disabled: false, disabledAt: null });
  });

  test.each([
    ['userPasswordSet', { password: 'short' }, 'password'],
    ['userPasswordSet', { password: 'Ada King' }, 'password'],
    ['userClaimsChange', { claims: { email: 'no address' } }, 'claims.email'],
    ['userClaimsChange', { claims: { phoneNumber: 'call me' } }, 'claims.phoneNumber'],
    [
      'userClaimsChange',
      { claims: { address: { postalCode: '\u0000' } } },
      'claims.address.postalCode',
    ],
    ['userClaimsChange', { claims: { zoneinfo: 'Moon/Tranquility' } }, 'claims.zoneinfo'],
    ['userClaimsChange', { claims: { birthdate: '10.12.1815' } }, 'claims.birthdate'],
    ['userRolesChange', { roles: ['Not A Role'] }, 'roles.0'],
  ])('%s refuses %j', async (mutation, change, field) => {
    const { userErrors } = await user(mutation, change);
    expect(userErrors).toMatchObject([{ code: 'INVALID', field }]);
  });

  test('userErase: nothing of the person is left, and the user name is free', async () => {
    const erased = await user('userErase', {});
    expect(erased).toMatchObject({
      user: { sub, username: null, claims: null, roles: [], disabled: true },
      ...GRANTED,
    });
    expect(erased.user.erasedAt).toEqual(expect.any(String));
    const { rows } = await api.pool.query('select key from vault.subject_keys where sub = $1', [
      sub,
    ]);
    expect(rows).toEqual([{ key: '' }]);

    expect((await user('userErase', {})).userErrors).toEqual([]);
    const late = await user('userPasswordSet', { password: 'analytical engine' });
    expect(late.userErrors).toMatchObject([{ code: 'REMOVED' }]);
    const heir = await mutate('userRegister', { username: 'ada' }, FIELDS);
    expect(heir.userErrors).toEqual([]);
    expect(heir.sub).not.toBe(sub);
  });

  test.each(['userErase', 'userEnable', 'userPasswordSet'])(
    '%s of somebody nobody registered',
    async (mutation) => {
      const password = mutation === 'userPasswordSet' ? { password: 'analytical engine' } : {};
      const payload = await mutate(mutation, { sub: 'usr_nobody', ...password }, 'sub');
      expect(payload.userErrors).toMatchObject([{ code: 'NOT_FOUND', field: 'sub' }]);
    },
  );
});

describe('trusted issuers', () => {
  const issuer = 'https://office.example';
  const terms = {
    displayName: 'Head office',
    jwksUri: 'https://office.example/keys',
    subjectMapping: 'USERNAME',
    clientIds: ['payroll'],
    scopes: ['openid'],
  };
  const FIELDS = `trustedIssuer { issuer displayName jwksUri subjectMapping clientIds scopes version
    history { nodes { type } } }`;
  const trusted = { issuer, ...terms };

  test('trustedIssuerAdd', async () => {
    const { trustedIssuer } = await mutate('trustedIssuerAdd', { issuer, ...terms }, FIELDS);
    expect(trustedIssuer).toEqual({
      ...trusted,
      version: 1,
      history: { nodes: [{ type: 'IssuerTrusted' }] },
    });
    const { data } = await api.call('{ trustedIssuers { nodes { issuer } } }');
    expect(data.trustedIssuers.nodes).toEqual([{ issuer }]);
  });

  test('trustedIssuerTermsChange', async () => {
    const change = { issuer, ...terms, scopes: ['*'], expectedVersion: 1 };
    // Every scope: those of this API too, which the caller must hold.
    const { trustedIssuer } = await mutate('trustedIssuerTermsChange', change, FIELDS);
    expect(trustedIssuer).toMatchObject({ scopes: ['*'], version: 2 });
  });

  test.each([
    ['clientIds', { clientIds: [] }],
    ['jwks', { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }],
    ['jwksUri', { jwksUri: 'http://office.example/keys' }],
    ['jwks', { jwksUri: null }],
  ])('trustedIssuerAdd names %s as the field to blame', async (field, wrong) => {
    const input = { issuer: 'urn:other', ...terms, ...wrong };
    const { userErrors } = await mutate('trustedIssuerAdd', input, 'issuer');
    expect(userErrors[0].field).toMatch(new RegExp(`^${field}\\b`));
  });

  test('trustedIssuerRemove', async () => {
    const gone = await mutate('trustedIssuerRemove', { issuer, reason: 'sold' }, FIELDS);
    expect(gone).toEqual({ trustedIssuer: null, ...GRANTED });
    const { data } = await api.call(`{ trustedIssuer(issuer: "${issuer}") { issuer } }`);
    expect(data.trustedIssuer).toBeNull();
  });
});
