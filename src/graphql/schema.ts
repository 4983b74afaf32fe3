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
import { BackchannelRequestResolver } from './backchannel-request.ts';
import {
  BackchannelRequestMutations,
  BackchannelRequestPayloadResolver,
} from './backchannel-request-mutations.ts';
import { ClientResolver } from './client/client.ts';
import { ClientLocalizationMutations } from './client/client-localization.ts';
import { ClientMutations, ClientPayloadResolver } from './client/client-mutations.ts';
import { ConfigurationResolver } from './configuration.ts';
import { ConsentResolver } from './consent.ts';
import { ConsentMutations, ConsentPayloadResolver } from './consent-mutations.ts';
import { CookieKeyResolver } from './cookie-key.ts';
import { DeviceAuthorizationResolver } from './device-authorization.ts';
import { GrantResolver } from './grant.ts';
import { GrantMutations, GrantPayloadResolver } from './grant-mutations.ts';
import { HistoryEntryResolver } from './history.ts';
import { HousekeepingResolver } from './housekeeping.ts';
import { InitialAccessTokenResolver } from './initial-access-token.ts';
import {
  InitialAccessTokenMutations,
  InitialAccessTokenPayloadResolver,
} from './initial-access-token-mutations.ts';
import { BlastRadiusResolver } from './lineage/blast-radius.ts';
import { ContainmentResolver } from './lineage/containment.ts';
import { LineageResolver } from './lineage/lineage.ts';
import { NodeResolver } from './node.ts';
import { NoticeResolver } from './notice.ts';
import { ProjectionResolver } from './projection.ts';
import { ProjectionMutations, ProjectionPayloadResolver } from './projection-mutations.ts';
import { RestoreMutations } from './restore.ts';
import { ClientRights, ConsentRights, GrantRights, SessionRights, UserRights } from './rights.ts';
import { ScopeResolver } from './scope.ts';
import { ScopeMutations, ScopePayloadResolver } from './scope-mutations.ts';
import { SessionClientResolver, SessionResolver } from './session.ts';
import { SessionMutations, SessionPayloadResolver } from './session-mutations.ts';
import { SettingResolver } from './setting.ts';
import { SigningKeyResolver } from './signing-key.ts';
import { SigningKeyMutations, SigningKeyPayloadResolver } from './signing-key-mutations.ts';
import { TokenResolver } from './token.ts';
import { TokenMutations, TokenPayloadResolver } from './token-mutations.ts';
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
  LineageResolver,
  BlastRadiusResolver,
  ContainmentResolver,
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
  CookieKeyResolver,
  TrustedIssuerResolver,
  TrustedIssuerPayloadResolver,
  TrustedIssuerMutations,
  ConsentResolver,
  ConsentPayloadResolver,
  ConsentMutations,
  GrantResolver,
  GrantPayloadResolver,
  GrantMutations,
  SessionResolver,
  SessionClientResolver,
  SessionPayloadResolver,
  SessionMutations,
  TokenResolver,
  TokenPayloadResolver,
  TokenMutations,
  NoticeResolver,
  UserRights,
  ClientRights,
  SessionRights,
  GrantRights,
  ConsentRights,
  BackchannelRequestResolver,
  BackchannelRequestPayloadResolver,
  BackchannelRequestMutations,
  DeviceAuthorizationResolver,
  InitialAccessTokenResolver,
  InitialAccessTokenPayloadResolver,
  InitialAccessTokenMutations,
  ConfigurationResolver,
  RestoreMutations,
  HousekeepingResolver,
  ProjectionResolver,
  ProjectionPayloadResolver,
  ProjectionMutations,
  SettingResolver,
] as const;

/** Inputs of which exactly one field is given. */
const ONE_OF = ['AsOf', 'LineageSubject', 'Suspect'];

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
