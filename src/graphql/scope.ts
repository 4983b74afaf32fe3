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
import { type Condition, contains, includes, type Revised } from '../projections/page.ts';
import { type ScopeRow, type ScopeTextRow, scopes } from '../projections/scopes.ts';
import { ApiResource } from './api-resource.ts';
import { Requires } from './authorize.ts';
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
import { scopeChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';

@ObjectType({ description: 'A scope’s texts in another language.' })
export class ScopeLocalization {
  @Field(() => String, { description: 'The language (BCP 47).' })
  readonly locale!: string;

  @Field(() => String, { name: 'displayName', description: 'What it is called there.' })
  readonly display_name!: string;

  @Field(() => String, { description: 'What it allows, in that language.' })
  readonly description!: string;
}

@ObjectType({ implements: Node, description: 'Something a client can ask for.' })
export class Scope extends Node {
  @Field(() => String, { description: 'The value in the protocol.' })
  readonly name!: string;

  @Field(() => String, { name: 'displayName', description: 'What people see it called.' })
  readonly display_name!: string;

  @Field(() => String, { description: 'What it allows, in words for people.' })
  readonly description!: string;

  @Field(() => [String], {
    description: 'Claims it releases (OpenID Connect Core §5.4); none for a plain API scope.',
  })
  readonly claims!: string[];

  @Field(() => JsonScalar, {
    name: 'claimDestinations',
    description:
      'Where claims are told, by claim: id_token, userinfo, access_token, introspection. One that is not named goes to userinfo, or into access tokens where the scope is on an API.',
  })
  readonly claim_destinations!: unknown;

  @Field(() => [String], {
    name: 'resourceIdentifiers',
    description: 'Identifiers of the API resources on which it is a permission (RFC 8707).',
  })
  readonly resources!: string[];

  @Field(() => DateTimeScalar, { name: 'createdAt', description: 'When it was defined.' })
  readonly created_at!: string;

  @Field(() => DateTimeScalar, { name: 'changedAt', description: 'When it was last changed.' })
  readonly changed_at!: string;
}

export const ScopeConnection = connectionOf(Scope, 'Scope', 'scopes');

export const ScopeOrderField = { CREATED_AT: 'created_at', NAME: 'name' } as const;

registerEnumType(ScopeOrderField, {
  name: 'ScopeOrderField',
  description: 'What scopes can be ordered by.',
  valuesConfig: {
    CREATED_AT: { description: 'When they were defined.' },
    NAME: { description: 'Their value in the protocol.' },
  },
});

@InputType({ description: 'An order of scopes.' })
export class ScopeOrder {
  @Field(() => ScopeOrderField, { description: 'What they are ordered by.' })
  readonly field!: string;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  readonly direction!: OrderDirection;
}

@InputType({ description: 'Which scopes: those that meet every condition given.' })
export class ScopeFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Text somewhere in the name or what it is called, upper and lower case alike.',
  })
  readonly query?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only permissions on the API resource with this identifier.',
  })
  readonly resource?: string | null;
}

@ArgsType()
class ScopesArgs extends PageArgs {
  @Field(() => ScopeFilter, { nullable: true, description: 'Which scopes; all when absent.' })
  readonly filter?: ScopeFilter | null;

  @Field(() => ScopeOrder, { nullable: true, description: 'By name from A when absent.' })
  readonly orderBy?: ScopeOrder | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => Scope)
export class ScopeResolver {
  @Requires('scopes', 'read')
  @Query(() => ScopeConnection, {
    complexity: pageComplexity,
    description: 'The scopes, page by page.',
  })
  async scopes(
    @Args(() => ScopesArgs) { filter, orderBy, minPosition, asOf, ...page }: ScopesArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<ScopeRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: scopes,
      where: conditions(filter ?? {}),
      orderBy: orderBy?.field ?? ScopeOrderField.NAME,
      descending: orderBy?.direction === 'DESC',
    };
    return list(context, listing, page, moment);
  }

  @Requires('scopes', 'read')
  @Query(() => Scope, { nullable: true, description: 'One scope; null when there is none.' })
  async scope(
    @Arg('name', () => String, { description: 'Its value in the protocol.' }) name: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<ScopeRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).scopes.load(name);
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<ScopeRow>): number {
    return revision + 1;
  }

  @FieldResolver(() => [ScopeLocalization], {
    complexity: ({ childComplexity }) => 1 + 5 * childComplexity,
    description: 'Its texts in other languages.',
  })
  localizations(@Root() row: ScopeRow, @Ctx() context: GraphContext): Promise<ScopeTextRow[]> {
    return loadersOf(context, row).scopeTexts.load(row.name);
  }

  @Requires('resources', 'read')
  @FieldResolver(() => [ApiResource], {
    complexity: ({ childComplexity }) => 1 + 3 * childComplexity,
    description: 'The API resources on which it is a permission, as far as they are defined.',
  })
  async apiResources(@Root() row: ScopeRow, @Ctx() context: GraphContext): Promise<object[]> {
    const found = await Promise.all(
      row.resources.map((identifier) =>
        loadersOf(context, row).apiResources.load(digest(identifier)),
      ),
    );
    return found.filter((resource) => resource !== null);
  }

  @Requires('scopes', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: ScopeRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, scopeChronicle, row.name, args, momentOf(row));
  }
}

function conditions({ query, resource }: ScopeFilter): Condition[] {
  const where: Condition[] = [];
  if (query) where.push(contains(['name', 'display_name'], searchable(query, 'filter.query')));
  if (resource) where.push(includes('resources', searchable(resource, 'filter.resource')));
  return where;
}
