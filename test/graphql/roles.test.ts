import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ROLES, withinRoles } from '../../src/commands/admin-rights.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { registerUser } from '../../src/commands/users.ts';
import { type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});
afterAll(() => api?.close());

const person = async (roles: readonly string[]) => {
  const username = `person-${crypto.randomUUID()}`;
  const input = { username, password: null, claims: {}, roles: [...roles] };
  return (await registerUser(api.context, input, systemEnvelope())).sub;
};

const OPERATIONS = {
  'list clients': '{ clients { totalCount } }',
  'list users': '{ users { totalCount } }',
  'list sessions': '{ sessions { totalCount } }',
  'search the audit trail': '{ events(first: 1) { nodes { type } } }',
  'register a client':
    'mutation { clientRegister(input: { displayName: "A", clientType: CONFIDENTIAL }) { userErrors { code } } }',
  'end sessions of a user':
    'mutation { userSessionsEnd(input: { sub: "usr_nobody" }) { userErrors { code } } }',
  'rotate keys': 'mutation { signingKeyRotate(input: { alg: "ES256" }) { userErrors { code } } }',
  'plan a configuration': '{ configurationPlan(document: "scopes: []") { userErrors { code } } }',
  'look at projections': '{ projections { name } }',
  'verify a projection':
    'mutation { projectionVerify(input: { name: PROTOCOL }) { userErrors { code } } }',
  'apply a configuration':
    'mutation { configurationApply(input: { document: "scopes: []" }) { userErrors { code } } }',
} as const;
type Operation = keyof typeof OPERATIONS;

const LOOKING: Operation[] = [
  'list clients',
  'list users',
  'list sessions',
  'plan a configuration',
  'look at projections',
];
const ALLOWED: Readonly<Record<string, readonly Operation[]>> = {
  owner: Object.keys(OPERATIONS) as Operation[],
  administrator: (Object.keys(OPERATIONS) as Operation[]).filter(
    (operation) => operation !== 'apply a configuration',
  ),
  support: ['list clients', 'list users', 'list sessions', 'end sessions of a user'],
  auditor: [...LOOKING, 'search the audit trail'],
  'read-only': LOOKING,
};

describe.each(Object.keys(ROLES))('an operator with the role %s', (role) => {
  let token: string;

  beforeAll(async () => {
    token = await api.tokenFor(await person([role]));
  });

  test.each(Object.entries(OPERATIONS))('%s', async (operation, query) => {
    const { errors } = await api.fetch({
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    const codes = (errors ?? []).map(({ extensions }) => extensions.code);
    const allowed = ALLOWED[role]?.includes(operation as Operation);
    expect(codes).toEqual(allowed ? [] : ['FORBIDDEN']);
  });
});

test('several roles allow what either does, and others are none of operators', () => {
  const both = withinRoles(['admin:*'], ['support', 'auditor', 'accountant']);
  expect(both).toEqual(expect.arrayContaining(['admin:users:write', 'admin:audit:read']));
  expect(withinRoles(['admin:*'], ['accountant'])).toEqual([]);
});

test('a role never makes more of a token than it is', () => {
  expect(withinRoles(['admin:users:read'], ['administrator'])).toEqual(['admin:users:read']);
  expect(withinRoles(['admin:keys:write'], ['support'])).toEqual([]);
});

test('nobody gives a role that allows more than they may, or acts as who has it', async () => {
  const support = await api.tokenFor(await person(['support']));
  const owner = await person(['owner']);
  const asSupport = (query: string) =>
    api.fetch({
      method: 'POST',
      headers: { Authorization: `Bearer ${support}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query }),
    });
  const someone = await person([]);
  for (const query of [
    `mutation { userRolesChange(input: { sub: "${someone}", roles: ["administrator"] }) { sub } }`,
    `mutation { userPasswordSet(input: { sub: "${owner}", password: "a long enough password" }) { sub } }`,
  ]) {
    const { errors } = await asSupport(query);
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN');
  }
  const { errors } = await asSupport(
    `mutation { userRolesChange(input: { sub: "${someone}", roles: ["support"] }) { sub } }`,
  );
  expect(errors).toBeUndefined();
});
