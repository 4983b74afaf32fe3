import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import {
  type ClientRow,
  type ClientSecretRow,
  type ClientTextRow,
  clients,
} from '../../projections/clients.ts';
import { type Condition, contains, equal, isSet, type Revised } from '../../projections/page.ts';
import { Requires } from '../authorize.ts';
import type { GraphContext } from '../context.ts';
import { searchable } from '../errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from '../history.ts';
import { Node } from '../node.ts';
import {
  type Connection,
  connectionOf,
  list,
  OrderDirection,
  PageArgs,
  pageComplexity,
} from '../page.ts';
import { minPosition, reach } from '../position.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from '../scalars.ts';
import { Scope } from '../scope.ts';
import { clientChronicle } from '../time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from '../time-travel/moment.ts';
import { loadersAt, loadersOf } from '../time-travel/past.ts';
import { ClientCiba } from './client-ciba.ts';
import {
  ApplicationType,
  ClientAuthenticationMethod,
  ClientOrigin,
  ClientProfile,
  ClientType,
  ConsentType,
  SubjectType,
} from './client-enums.ts';
import {
  CertificateSubject,
  ClientLocalization,
  ClientLogout,
  ClientPermissions,
  ClientRequirements,
  ClientSecret,
  ClientTokenExchangePolicy,
  ClientTokenPolicy,
} from './client-parts.ts';
import { ClientResponseProtection } from './client-responses.ts';

@ObjectType({
  implements: Node,
  description: 'An OAuth client: an application that asks for tokens.',
})
export class Client extends Node {
  @Field(() => String, { name: 'clientId', description: 'The client_id of the protocol.' })
  readonly client_id!: string;

  @Field(() => ClientOrigin, { description: 'Who registered it.' })
  readonly origin!: string;

  @Field(() => String, { name: 'displayName', description: 'What people see it called.' })
  readonly display_name!: string;

  @Field(() => String, { description: 'What it is for, in words for people.' })
  readonly description!: string;

  @Field(() => String, { name: 'clientUri', nullable: true, description: 'Its home page.' })
  readonly client_uri!: string | null;

  @Field(() => String, { name: 'logoUri', nullable: true, description: 'Its picture.' })
  readonly logo_uri!: string | null;

  @Field(() => String, {
    name: 'policyUri',
    nullable: true,
    description: 'Its privacy policy.',
  })
  readonly policy_uri!: string | null;

  @Field(() => String, {
    name: 'tosUri',
    nullable: true,
    description: 'Its terms of service.',
  })
  readonly tos_uri!: string | null;

  @Field(() => ClientType, { name: 'clientType', description: 'Whether it can keep a secret.' })
  readonly client_type!: string;

  @Field(() => ApplicationType, { name: 'applicationType', description: 'Where it runs.' })
  readonly application_type!: string;

  @Field(() => ClientAuthenticationMethod, {
    name: 'authenticationMethod',
    description: 'How it proves at the token endpoint who it is.',
  })
  readonly authentication_method!: string;

  @Field(() => CertificateSubject, {
    name: 'certificateSubject',
    nullable: true,
    description: 'The name by which its certificate is recognised, for tls_client_auth.',
  })
  readonly certificate_subject!: CertificateSubject | null;

  @Field(() => ClientProfile, { description: 'Which rules it keeps to.' })
  readonly profile!: string;

  @Field(() => ConsentType, { name: 'consentType', description: 'Who agrees that it may act.' })
  readonly consent_type!: string;

  @Field(() => Int, {
    name: 'consentLifetime',
    nullable: true,
    description: 'Seconds after which people are asked anew; null for never.',
  })
  readonly consent_lifetime!: number | null;

  @Field(() => [String], {
    name: 'redirectUris',
    description: 'Where people may be sent back to after signing in. Compared exactly.',
  })
  readonly redirect_uris!: string[];

  @Field(() => [String], {
    name: 'postLogoutRedirectUris',
    description: 'Where people may be sent after signing out. Compared exactly.',
  })
  readonly post_logout_redirect_uris!: string[];

  @Field(() => ClientPermissions, { description: 'What it may do.' })
  readonly permissions!: ClientPermissions;

  @Field(() => ClientRequirements, { description: 'What it must do.' })
  readonly requirements!: ClientRequirements;

  @Field(() => ClientTokenPolicy, { name: 'tokenPolicy', description: 'How its tokens are made.' })
  readonly token_policy!: ClientTokenPolicy;

  @Field(() => ClientTokenExchangePolicy, {
    name: 'tokenExchange',
    description: 'How far it may exchange tokens, if it is permitted to.',
  })
  readonly token_exchange!: ClientTokenExchangePolicy;

  @Field(() => ClientResponseProtection, {
    name: 'responseProtection',
    description: 'How what it is told is signed and encrypted.',
  })
  readonly response_protection!: ClientResponseProtection;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'Its public keys (RFC 7517): of what it signs, and to which is encrypted what it is told.',
  })
  readonly jwks!: unknown;

  @Field(() => String, {
    name: 'jwksUri',
    nullable: true,
    description: 'Where it publishes its public keys itself.',
  })
  readonly jwks_uri!: string | null;

  @Field(() => SubjectType, {
    name: 'subjectType',
    description: 'By which subject it knows people.',
  })
  readonly subject_type!: string;

  @Field(() => ClientLogout, { description: 'What it is told of the end of a session.' })
  readonly logout!: ClientLogout;

  @Field(() => ClientCiba, { description: 'How it asks for people who are elsewhere.' })
  readonly ciba!: ClientCiba;

  @Field(() => [String], {
    name: 'allowedOrigins',
    description: 'Origins whose scripts may call the endpoints (CORS).',
  })
  readonly allowed_origins!: string[];

  @Field(() => JsonScalar, { description: 'Whatever is kept with it: text by name.' })
  readonly properties!: unknown;

  @Field(() => DateTimeScalar, {
    name: 'disabledAt',
    nullable: true,
    description: 'Since when it is disabled; null while it is enabled.',
  })
  readonly disabled_at!: string | null;

  @Field(() => DateTimeScalar, { name: 'createdAt', description: 'When it was registered.' })
  readonly created_at!: string;

  @Field(() => DateTimeScalar, { name: 'changedAt', description: 'When it was last changed.' })
  readonly changed_at!: string;
}

export const ClientConnection = connectionOf(Client, 'Client', 'clients');

export const ClientOrderField = { CREATED_AT: 'created_at', DISPLAY_NAME: 'display_name' } as const;

registerEnumType(ClientOrderField, {
  name: 'ClientOrderField',
  description: 'What clients can be ordered by.',
  valuesConfig: {
    CREATED_AT: { description: 'When they were registered.' },
    DISPLAY_NAME: { description: 'What they are called.' },
  },
});

@InputType({ description: 'An order of clients.' })
export class ClientOrder {
  @Field(() => ClientOrderField, { description: 'What they are ordered by.' })
  readonly field!: string;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  readonly direction!: OrderDirection;
}

@InputType({ description: 'Which clients: those that meet every condition given.' })
export class ClientFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Text somewhere in the name or the id, upper and lower case alike.',
  })
  readonly query?: string | null;

  @Field(() => ClientType, { nullable: true, description: 'Only those of this type.' })
  readonly clientType?: string | null;

  @Field(() => ClientOrigin, { nullable: true, description: 'Only those registered so.' })
  readonly origin?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Only the disabled, or only the enabled.' })
  readonly disabled?: boolean | null;
}

@ArgsType()
class ClientsArgs extends PageArgs {
  @Field(() => ClientFilter, { nullable: true, description: 'Which clients; all when absent.' })
  readonly filter?: ClientFilter | null;

  @Field(() => ClientOrder, { nullable: true, description: 'Latest first when absent.' })
  readonly orderBy?: ClientOrder | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => Client)
export class ClientResolver {
  @Requires('clients', 'read')
  @Query(() => ClientConnection, {
    complexity: pageComplexity,
    description: 'The clients, page by page.',
  })
  async clients(
    @Args(() => ClientsArgs) { filter, orderBy, minPosition, asOf, ...page }: ClientsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<ClientRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: clients,
      where: conditions(filter ?? {}),
      orderBy: orderBy?.field ?? ClientOrderField.CREATED_AT,
      descending: orderBy?.direction !== 'ASC',
    };
    return list(context, listing, page, moment);
  }

  @Requires('clients', 'read')
  @Query(() => Client, { nullable: true, description: 'One client; null when there is none.' })
  async client(
    @Arg('clientId', () => String, { description: 'Its client_id.' }) clientId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<ClientRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).clients.load(clientId);
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<ClientRow>): number {
    return revision + 1;
  }

  @FieldResolver(() => Boolean, { description: 'Whether it is refused wherever it comes.' })
  disabled(@Root() row: ClientRow): boolean {
    return row.disabled_at !== null;
  }

  @FieldResolver(() => [ClientSecret], {
    complexity: ({ childComplexity }) => 1 + 3 * childComplexity,
    description: 'Its secrets, without their values. At most ten.',
  })
  secrets(@Root() row: ClientRow, @Ctx() context: GraphContext): Promise<ClientSecretRow[]> {
    return loadersOf(context, row).clientSecrets.load(row.client_id);
  }

  @FieldResolver(() => [ClientLocalization], {
    complexity: ({ childComplexity }) => 1 + 5 * childComplexity,
    description: 'What people see of it in other languages.',
  })
  localizations(@Root() row: ClientRow, @Ctx() context: GraphContext): Promise<ClientTextRow[]> {
    return loadersOf(context, row).clientTexts.load(row.client_id);
  }

  @Requires('scopes', 'read')
  @FieldResolver(() => [Scope], {
    complexity: ({ childComplexity }) => 1 + 5 * childComplexity,
    description: 'The scopes it may ask for by name, as far as they are defined.',
  })
  async scopes(@Root() row: ClientRow, @Ctx() context: GraphContext): Promise<object[]> {
    const found = await Promise.all(
      row.permissions.scopes.map((name) => loadersOf(context, row).scopes.load(name)),
    );
    return found.filter((scope) => scope !== null);
  }

  @Requires('clients', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: ClientRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, clientChronicle, row.client_id, args, momentOf(row));
  }
}

function conditions({ query, clientType, origin, disabled }: ClientFilter): Condition[] {
  const where: Condition[] = [];
  if (query) where.push(contains(['display_name', 'client_id'], searchable(query, 'filter.query')));
  if (clientType) where.push(equal('client_type', clientType));
  if (origin) where.push(equal('origin', origin));
  if (typeof disabled === 'boolean') where.push(isSet('disabled_at', disabled));
  return where;
}
