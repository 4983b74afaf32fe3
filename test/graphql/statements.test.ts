import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { defineApiResource } from '../../src/commands/api-resources.ts';
import { registerClient } from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { grantConsent } from '../../src/commands/consents.ts';
import { createInitialAccessToken } from '../../src/commands/initial-access-tokens.ts';
import { defineScope, localizeScope } from '../../src/commands/scopes.ts';
import { trustIssuer } from '../../src/commands/trusted-issuers.ts';
import { registerUser } from '../../src/commands/users.ts';
import { backchannelRequest } from '../../src/domain/backchannel-request.ts';
import { cookieKey } from '../../src/domain/cookie-key.ts';
import { deviceAuthorization } from '../../src/domain/device-authorization.ts';
import { grant } from '../../src/domain/grant.ts';
import { notice } from '../../src/domain/notice.ts';
import { session } from '../../src/domain/session.ts';
import { signingKey } from '../../src/domain/signing-key.ts';
import { act } from '../../src/eventstore/execute.ts';
import { costOf, MAX_COST } from '../../src/graphql/limits.ts';
import { adminSchema } from '../../src/graphql/schema.ts';
import { digest } from '../../src/platform/secrets.ts';
import { type Harness, openHarness } from './harness.ts';

/** Rows of everything; a page has at most half of them. */
const ROWS = 200;
const FULL_PAGE = 100;
const AT = '2026-01-01T08:00:00.000Z';
const LATER = '2126-01-01T08:00:00.000Z';
/** How a field is asked for that has to be asked with something, or may not be asked for all it says. */
const ASKED: Readonly<Record<string, string>> = {
  diff: 'diff(from: { position: "0" }) { events changes { field before after } }',
  blame: 'blame { field }',
};

const schema = await adminSchema();
const queries = Object.values(schema.getQueryType()?.getFields() ?? {});
const connections = queries.filter(({ type }) => getNamedType(type).name.endsWith('Connection'));

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
  for (let nth = 0; nth < ROWS; nth += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, n) => populate(nth + n)));
  }
}, 60_000);

afterAll(() => api.close());

/** One of everything, and each hangs on the others. */
async function populate(nth: number): Promise<void> {
  const { context } = api;
  const envelope = systemEnvelope();
  const id = String(nth).padStart(3, '0');
  const clientId = `client-${id}`;
  const resource = `urn:api:${id}`;
  const scope = `scope-${id}`;
  const { sub } = await registerUser(
    context,
    { username: `user-${id}`, claims: { name: id } },
    envelope,
  );
  await defineApiResource(context, { identifier: resource, displayName: id }, envelope);
  await defineScope(context, { name: scope, displayName: id, resources: [resource] }, envelope);
  await localizeScope(
    context,
    { name: scope, locale: 'de', text: { displayName: id, description: '' } },
    envelope,
  );
  await registerClient(
    context,
    {
      clientId,
      displayName: id,
      clientType: 'confidential',
      permissions: { grantTypes: ['client_credentials'], responseTypes: [], scopes: [scope] },
    },
    envelope,
  );
  await grantConsent({ user: true, client: true })(
    context,
    { sub, clientId, scopes: ['openid'], resources: [{ resource, scopes: [scope] }] },
    envelope,
  );
  await createInitialAccessToken(context, { description: id, expiresAt: expiry() }, envelope);
  await trustIssuer(
    context,
    {
      issuer: `https://issuer-${id}.example`,
      displayName: id,
      jwksUri: `https://issuer-${id}.example/keys`,
      subjectMapping: 'sub',
      clientIds: [clientId],
      scopes: [scope],
    },
    envelope,
  );

  const [uid, grantId] = [`uid-${id}`, `grant-${id}`];
  const nothing = { scopes: [], claims: [], resources: {} };
  const issued = (kind: string) => ({
    ...{ digest: digest(`${kind} ${id}`), issuedAt: AT, expiresAt: LATER },
    ...{ scopes: ['openid'], parameters: {} },
  });
  const request = { clientId, scopes: ['openid'], requestedAt: AT, expiresAt: LATER, interval: 5 };
  const bindingMessage = await context.subjectKeys.seal(sub, id);
  const authentication = { authTime: AT, acr: null, amr: ['pwd'] };
  await context.execute(
    [
      act(session, uid, [
        { type: 'StartSession', data: { uid, sub, ...authentication } },
        { type: 'JoinSession', data: { clientId, sid: id, grantId, persistsLogout: true } },
      ]),
      act(grant, grantId, [
        {
          type: 'OpenGrant',
          data: {
            ...{ grantId, sub, clientId, sessionUid: uid, basis: 'consent', assertedBy: null },
            ...{ ...nothing, declined: nothing },
          },
        },
        {
          type: 'IssueAccessToken',
          data: {
            ...issued('access'),
            ...{ format: 'reference', audience: null, exchangedFrom: null, clientId: null },
          },
        },
        { type: 'IssueRefreshToken', data: { ...issued('refresh'), rotations: 0 } },
      ]),
      act(notice, `notice-${id}`, [
        {
          type: 'DeliverNotice',
          data: { kind: 'backchannel_logout', clientId, about: uid, attempts: 1 },
        },
      ]),
      act(deviceAuthorization, `device-${id}`, [
        {
          type: 'RequestDeviceAuthorization',
          data: { digest: `device-${id}`, parameters: {}, ...request },
        },
        { type: 'EnterDeviceUserCode', data: { now: AT } },
        {
          type: 'ApproveDeviceAuthorization',
          data: { sub, grantId, sessionUid: uid, scopes: ['openid'], parameters: {}, at: AT },
        },
      ]),
      act(backchannelRequest, `ciba-${id}`, [
        {
          type: 'RequestBackchannelAuthentication',
          data: {
            ...{ digest: `ciba-${id}`, sub, allowance: nothing, bindingMessage, parameters: {} },
            ...request,
          },
        },
      ]),
      act(signingKey, `kid-${id}`, [
        {
          type: 'GenerateSigningKey',
          data: { kid: `kid-${id}`, alg: 'ES256', publicJwk: {}, privateJwk: '' },
        },
      ]),
      act(cookieKey, `key-${id}`, [
        { type: 'GenerateCookieKey', data: { keyId: `key-${id}`, secret: '' } },
      ]),
    ],
    envelope,
  );
}

const expiry = () => new Date(Date.now() + 3_600_000).toISOString();

type Field = GraphQLField<unknown, unknown>;

function objectOf(field: Field | undefined): GraphQLObjectType {
  const type = field && getNamedType(field.type);
  if (!isObjectType(type)) throw new Error(`${field?.name} is of no object type`);
  return type;
}

function fieldsOf(type: GraphQLObjectType, leaves: boolean): Field[] {
  return Object.values(type.getFields()).filter(
    (field) => isLeafType(getNamedType(field.type)) === leaves,
  );
}

const isList = ({ type }: Field) => isListType(isNonNullType(type) ? type.ofType : type);

const nodesOf = (connection: Field) => objectOf(objectOf(connection).getFields().nodes);

/**
 * A field with all that its answer says: of another entity, and of the first of a page, what it says
 * itself; of many others, that they are there.
 */
function selection(field: Field, inner = false): string {
  const known = ASKED[field.name];
  if (known) return known;
  if (field.args.some(({ type }) => isNonNullType(type))) {
    throw new Error(`${field.name} has to be asked with something: say with what in ASKED`);
  }
  if (isLeafType(getNamedType(field.type))) return field.name;
  if (objectOf(field).name.endsWith('Connection')) {
    return `${field.name}(first: 1) { totalCount nodes { ${saying(nodesOf(field))} } }`;
  }
  if (objectOf(field).getInterfaces().length > 0) {
    return `${field.name} { ${inner || isList(field) ? 'id' : saying(objectOf(field))} }`;
  }
  const parts = fieldsOf(objectOf(field), false).map((part) => selection(part, true));
  return `${field.name} { ${[saying(objectOf(field)), ...parts].join(' ')} }`;
}

function saying(type: GraphQLObjectType): string {
  return fieldsOf(type, true)
    .map(({ name }) => name)
    .join(' ');
}

const question = (list: Field, asked: string) =>
  `query ($n: Int!) { ${list.name}(first: $n) { totalCount nodes { ${asked} } } }`;

/** Whether a full page may be asked for it. */
function allowed(text: string): boolean {
  const document = parse(text);
  const [operation] = document.definitions as [OperationDefinitionNode];
  return (costOf(schema, document, operation, { n: FULL_PAGE }) ?? 0) <= MAX_COST;
}

/** All there is to ask of the entries of a list, in as few questions as may be. */
function questionsOf(list: Field): string[] {
  const questions: string[] = [];
  let asked = '';
  for (const each of Object.values(nodesOf(list).getFields()).map((field) => selection(field))) {
    if (asked && !allowed(question(list, `${asked} ${each}`))) {
      questions.push(question(list, asked));
      asked = '';
    }
    asked = `${asked} ${each}`;
  }
  return [...questions, question(list, asked)];
}

test('every list of the API is a connection, but those that are short by their nature', () => {
  const lists = queries.filter(isList);
  expect(lists.map(({ name }) => name).sort()).toEqual([
    'cookieKeys',
    'nodes',
    'projections',
    'roles',
    'settings',
  ]);
  expect(connections.length).toBeGreaterThan(10);
});

const all = connections.flatMap((list) =>
  questionsOf(list).map((query) => [list.name, query] as const),
);

test.each(all)(
  'of %s, a long page costs as many SQL statements as a short one: %s',
  async (list, query) => {
    const count = (n: number) =>
      api.statements(async () => {
        api.forgetKeys();
        const { data, errors } = await api.call(query, { n });
        expect(errors).toBeUndefined();
        expect(data[list].totalCount).toBeGreaterThanOrEqual(ROWS);
        expect(data[list].nodes).toHaveLength(n);
      });
    await count(1);
    const few = await count(2);
    expect(few).toBeGreaterThan(0);
    // Keys of persons that are asked for at two places may go in one statement, or in two.
    expect(await count(FULL_PAGE)).toBeLessThanOrEqual(few + 1);
  },
);
