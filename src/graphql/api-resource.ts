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
import { digest } from '../platform/secrets.ts';
import { type ApiResourceRow, apiResources } from '../projections/api-resources.ts';
import { type Condition, contains, type Revised } from '../projections/page.ts';
import { Requires } from './authorize.ts';
import { TokenFormat } from './client/client-enums.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import {
  type Connection,
  connectionOf,
  list,
  OrderDirection,
  PageArgs,
  pageComplexity,
} from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from './scalars.ts';
import { apiResourceChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt } from './time-travel/past.ts';

@ObjectType({
  description:
    'How access tokens for an API resource are made; null leaves it to the client or server.',
})
export class ApiResourceTokenPolicy {
  @Field(() => TokenFormat, { nullable: true, description: 'Form of the access tokens.' })
  readonly accessTokenFormat!: string | null;

  @Field(() => String, { nullable: true, description: 'JWS algorithm of those that are JWTs.' })
  readonly accessTokenSigningAlg!: string | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of the access tokens in seconds.' })
  readonly accessTokenLifetime!: number | null;
}

@ObjectType({ description: 'A kind of authorization details that an API resource understands.' })
export class AuthorizationDetailType {
  @Field(() => String, { description: 'The value of `type` (RFC 9396 §2).' })
  readonly type!: string;

  @Field(() => String, { description: 'What people see it called when they are asked.' })
  readonly displayName!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'The JSON Schema that details of the type meet; null for any.',
  })
  readonly schema!: object | null;
}

@ObjectType({ description: 'How JWT access tokens are encrypted, after they were signed.' })
export class ApiResourceEncryption {
  @Field(() => String, { description: 'JWE algorithm; dir for a secret that is shared.' })
  readonly alg!: string;

  @Field(() => String, { description: 'How the content is encrypted.' })
  readonly enc!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'The API’s public keys (RFC 7517); null with a secret, which was shown once.',
  })
  readonly jwks!: unknown;
}

@ObjectType({ implements: Node, description: 'An API that takes access tokens (RFC 8707).' })
export class ApiResource extends Node {
  @Field(() => String, { description: 'The resource indicator, and the audience of its tokens.' })
  readonly identifier!: string;

  @Field(() => String, { name: 'displayName', description: 'What people see it called.' })
  readonly display_name!: string;

  @Field(() => ApiResourceTokenPolicy, {
    name: 'tokenPolicy',
    description: 'How access tokens for it are made.',
  })
  readonly token_policy!: ApiResourceTokenPolicy;

  @Field(() => [AuthorizationDetailType], {
    name: 'authorizationDetailTypes',
    description: 'The kinds of authorization details it understands (RFC 9396).',
  })
  readonly authorization_detail_types!: AuthorizationDetailType[];

  @Field(() => Boolean, {
    description:
      'Whether it must be named by `resource`, and has no token in common with another (RFC 8707).',
  })
  readonly isolated!: boolean;

  @Field(() => ApiResourceEncryption, {
    nullable: true,
    description: 'How its JWT access tokens are encrypted; null for not at all.',
  })
  readonly encryption!: ApiResourceEncryption | null;

  @Field(() => DateTimeScalar, { name: 'createdAt', description: 'When it was defined.' })
  readonly created_at!: string;

  @Field(() => DateTimeScalar, { name: 'changedAt', description: 'When it was last changed.' })
  readonly changed_at!: string;
}

export const ApiResourceConnection = connectionOf(ApiResource, 'ApiResource', 'API resources');

export const ApiResourceOrderField = {
  CREATED_AT: 'created_at',
  IDENTIFIER: 'identifier',
} as const;

registerEnumType(ApiResourceOrderField, {
  name: 'ApiResourceOrderField',
  description: 'What API resources can be ordered by.',
  valuesConfig: {
    CREATED_AT: { description: 'When they were defined.' },
    IDENTIFIER: { description: 'Their identifier.' },
  },
});

@InputType({ description: 'An order of API resources.' })
export class ApiResourceOrder {
  @Field(() => ApiResourceOrderField, { description: 'What they are ordered by.' })
  readonly field!: string;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  readonly direction!: OrderDirection;
}

@InputType({ description: 'Which API resources: those that meet every condition given.' })
export class ApiResourceFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Text somewhere in the identifier or the name, upper and lower case alike.',
  })
  readonly query?: string | null;
}

@ArgsType()
class ApiResourcesArgs extends PageArgs {
  @Field(() => ApiResourceFilter, {
    nullable: true,
    description: 'Which of them; all when absent.',
  })
  readonly filter?: ApiResourceFilter | null;

  @Field(() => ApiResourceOrder, {
    nullable: true,
    description: 'By identifier from A when absent.',
  })
  readonly orderBy?: ApiResourceOrder | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => ApiResource)
export class ApiResourceResolver {
  @Requires('resources', 'read')
  @Query(() => ApiResourceConnection, {
    complexity: pageComplexity,
    description: 'The API resources, page by page.',
  })
  async apiResources(
    @Args(() => ApiResourcesArgs) { filter, orderBy, minPosition, asOf, ...page }: ApiResourcesArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<ApiResourceRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: apiResources,
      where: conditions(filter ?? {}),
      orderBy: orderBy?.field ?? ApiResourceOrderField.IDENTIFIER,
      descending: orderBy?.direction === 'DESC',
    };
    return list(context, listing, page, moment);
  }

  @Requires('resources', 'read')
  @Query(() => ApiResource, {
    nullable: true,
    description: 'One API resource; null when there is none.',
  })
  async apiResource(
    @Arg('identifier', () => String, { description: 'Its identifier.' }) identifier: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourceRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).apiResources.load(digest(identifier));
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<ApiResourceRow>): number {
    return revision + 1;
  }

  @Requires('resources', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: ApiResourceRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, apiResourceChronicle, row.resource_id, args, momentOf(row));
  }
}

function conditions({ query }: ApiResourceFilter): Condition[] {
  if (!query) return [];
  return [contains(['identifier', 'display_name'], searchable(query, 'filter.query'))];
}
