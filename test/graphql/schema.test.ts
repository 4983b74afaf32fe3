import { readFile, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';
import { apiResource } from '../../src/domain/api-resource.ts';
import { client } from '../../src/domain/client.ts';
import { scope } from '../../src/domain/scope.ts';
import { trustedIssuer } from '../../src/domain/trusted-issuer.ts';
import { user } from '../../src/domain/user.ts';
import { guard, mustDeclare, requiredScopes } from '../../src/graphql/authorize.ts';
import { adminSchema, printSchemaText } from '../../src/graphql/schema.ts';

const FILE = new URL('../../schema.graphql', import.meta.url);

let schema: GraphQLSchema;
let types: GraphQLNamedType[];

beforeAll(async () => {
  schema = await adminSchema();
  types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
});

test('schema.graphql is what the code says', async () => {
  const text = await printSchemaText();
  if (process.env.WRITE_SCHEMA) await writeFile(FILE, text);
  expect(await readFile(FILE, 'utf8')).toBe(text);
});

test('everything has a description', () => {
  const nameless: string[] = [];
  const look = (path: string, { description }: { description?: string | null }) => {
    if (!description?.trim()) nameless.push(path);
  };
  for (const type of types) {
    look(type.name, type);
    if (isEnumType(type)) {
      for (const value of type.getValues()) look(`${type.name}.${value.name}`, value);
    }
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields()))
        look(`${type.name}.${field.name}`, field);
    }
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        look(`${type.name}.${field.name}`, field);
        for (const arg of field.args) look(`${type.name}.${field.name}(${arg.name})`, arg);
      }
    }
  }
  expect(nameless).toEqual([]);
});

describe('scopes', () => {
  test('every query reads, and every mutation writes, what it is named after', () => {
    const required = (type: GraphQLObjectType | null | undefined) =>
      Object.values(type?.getFields() ?? {})
        .filter(({ name }) => name !== 'node' && name !== 'nodes')
        .map((field) => [field.name, requiredScopes(field)?.join(' ')] as const);
    const entity = {
      userSessions: 'sessions',
      userGrants: 'grants',
      clientGrants: 'grants',
      consent: 'consents',
      grant: 'grants',
      session: 'sessions',
      notice: 'sessions',
      token: 'tokens',
      client: 'clients',
      scope: 'scopes',
      apiResource: 'resources',
      user: 'users',
      initialAccessToken: 'clients',
      signingKey: 'keys',
      cookieKey: 'keys',
      trustedIssuer: 'issuers',
      backchannelRequest: 'requests',
      deviceAuthorization: 'requests',
      events: 'audit',
      lineage: 'audit',
      whyInactive: 'audit',
      blastRadius: 'audit',
      leak: 'audit',
      configuration: 'configuration',
      settings: 'settings',
      roles: 'users',
      housekeeping: 'housekeeping',
      projection: 'projections',
    };
    const named = (field: string) =>
      Object.entries(entity).find(([noun]) => field.startsWith(noun))?.[1];

    const queries = required(schema.getQueryType());
    const all = required(schema.getMutationType());
    // What it ends is of several kinds.
    const mutations = all.filter(([name]) => name !== 'leakContain');
    expect(Object.fromEntries(all).leakContain).toBe(
      'admin:audit:read admin:grants:write admin:sessions:write admin:tokens:write',
    );
    expect(queries).toEqual(queries.map(([name]) => [name, `admin:${named(name)}:read`]));
    expect(mutations).toEqual(mutations.map(([name]) => [name, `admin:${named(name)}:write`]));
    expect(Math.min(queries.length, mutations.length)).toBeGreaterThan(0);
  });

  test('every field that leads to an entity declares one, and at least one does', () => {
    const leading = types.filter(isObjectType).flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => mustDeclare(schema, type, field))
        .map((field) => [`${type.name}.${field.name}`, requiredScopes(field)] as const),
    );
    expect(leading.filter(([, scopes]) => scopes === undefined)).toEqual([]);
    expect(Object.fromEntries(leading)).toHaveProperty(['Client.scopes'], ['admin:scopes:read']);
  });

  test('a field that declares none is no schema', async () => {
    const unguarded = await adminSchema();
    const field = unguarded.getQueryType()?.getFields().clients;
    if (field) field.extensions = {};
    expect(() => guard(unguarded)).toThrow('Query.clients declares no scope');
  });
});

test('every wish of an entity has a mutation', () => {
  // What is declared as a whole is put back as a whole: to each Declare… there is a …Restore.
  // Keys are generated and activated by rotating them; most of what is wished of consents, grants,
  // sessions, tokens and requests comes by the protocol; projections end their operations themselves; housekeeping is no matter of the log.
  const mutations = Object.keys(schema.getMutationType()?.getFields() ?? {}).filter(
    (name) =>
      !/^(configuration|housekeeping|signingKey|cookieKey|grant|leak|projection|session|token|consent|backchannelRequest)/.test(
        name,
      ),
  );
  const wishes = [client, scope, apiResource, user, trustedIssuer].flatMap(({ decide }) =>
    Object.keys(decide),
  );
  expect(mutations).toHaveLength(wishes.length);
});
