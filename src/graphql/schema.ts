import 'reflect-metadata';
import {
  type GraphQLSchema,
  isInputObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { buildSchema } from 'type-graphql';
import { ApiResourceResolver } from './api-resource.ts';
import { ApiResourceMutations, ApiResourcePayloadResolver } from './api-resource-mutations.ts';
import { AuditEventResolver } from './audit/event.ts';
import { guard } from './authorize.ts';
import { ClientResolver } from './client.ts';
import { ClientLocalizationMutations } from './client-localization.ts';
import { ClientMutations, ClientPayloadResolver } from './client-mutations.ts';
import { HistoryEntryResolver } from './history.ts';
import { NodeResolver } from './node.ts';
import { ScopeResolver } from './scope.ts';
import { ScopeMutations, ScopePayloadResolver } from './scope-mutations.ts';
import { SigningKeyResolver } from './signing-key.ts';
import { SigningKeyMutations, SigningKeyPayloadResolver } from './signing-key-mutations.ts';
import { TrustedIssuerResolver } from './trusted-issuer.ts';
import {
  TrustedIssuerMutations,
  TrustedIssuerPayloadResolver,
} from './trusted-issuer-mutations.ts';
import { UserResolver } from './user.ts';
import { UserMutations, UserPayloadResolver } from './user-mutations.ts';

/** THE LIST: every resolver there is. */
const resolvers = [
  NodeResolver,
  HistoryEntryResolver,
  AuditEventResolver,
  ClientResolver,
  ClientPayloadResolver,
  ClientMutations,
  ClientLocalizationMutations,
  ScopeResolver,
  ScopePayloadResolver,
  ScopeMutations,
  ApiResourceResolver,
  ApiResourcePayloadResolver,
  ApiResourceMutations,
  UserResolver,
  UserPayloadResolver,
  UserMutations,
  SigningKeyResolver,
  SigningKeyPayloadResolver,
  SigningKeyMutations,
  TrustedIssuerResolver,
  TrustedIssuerPayloadResolver,
  TrustedIssuerMutations,
] as const;

/** Inputs of which exactly one field is given. */
const ONE_OF = ['AsOf'];

/** The schema of the Admin API, every field of which checks the scope it declares. */
export async function adminSchema(): Promise<GraphQLSchema> {
  const schema = await buildSchema({ resolvers: [...resolvers], validate: false });
  // The decorators have no place for these.
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInputObjectType(type)) type.isOneOf = ONE_OF.includes(type.name);
  }
  describe(schema.getQueryType(), 'What can be read. Each field names the scope it requires.');
  describe(schema.getMutationType(), 'What can be wished: one mutation for each decision.');
  return guard(schema);
}

/** The schema as text, as it is kept in schema.graphql. */
export async function printSchemaText(): Promise<string> {
  return `${printSchema(lexicographicSortSchema(await adminSchema()))}\n`;
}

function describe(
  type: { description: string | null | undefined } | null | undefined,
  text: string,
) {
  if (type) type.description = text;
}
