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
} from 'type-graphql';
import { type ConsentRow, consents } from '../projections/consents.ts';
import { type Condition, equal, isSet, type Revised } from '../projections/page.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { consentChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { within } from './times.ts';
import { User } from './user.ts';

@ObjectType({ description: 'Scopes allowed on one API resource.' })
export class ResourceScopes {
  @Field(() => String, { description: 'The resource’s identifier.' })
  readonly resource!: string;

  @Field(() => [String], { description: 'Names of the scopes.' })
  readonly scopes!: string[];
}

/** Scopes by resource, as the API shows them. */
export function byResource(
  resources: Readonly<Record<string, readonly string[]>>,
): ResourceScopes[] {
  return Object.entries(resources).map(([resource, scopes]) => ({ resource, scopes: [...scopes] }));
}

@ObjectType({
  implements: Node,
  description: 'What a person allows a client, lastingly. Grants rest on it.',
})
export class Consent extends Node {
  @Field(() => String, { description: 'The person’s subject.' })
  readonly sub!: string;

  @Field(() => String, { name: 'clientId', description: 'The client’s client_id.' })
  readonly client_id!: string;

  @Field(() => [String], { description: 'Scopes of the person’s own account.' })
  readonly scopes!: string[];

  @Field(() => [String], { description: 'Claims allowed by name (OpenID Connect Core §5.5).' })
  readonly claims!: string[];

  @Field(() => DateTimeScalar, {
    name: 'grantedAt',
    description: 'When it was given, or last added to.',
  })
  readonly granted_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'withdrawnAt',
    nullable: true,
    description: 'When it was taken back; null when it was not.',
  })
  readonly withdrawn_at!: string | null;
}

export const ConsentConnection = connectionOf(Consent, 'Consent', 'consents');

@InputType({ description: 'Which consents: those that meet every condition given.' })
export class ConsentFilter {
  @Field(() => String, { nullable: true, description: 'Only those of this person.' })
  readonly sub?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those given to this client.' })
  readonly clientId?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Only the withdrawn, or only the others.' })
  readonly withdrawn?: boolean | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those given from then on.' })
  readonly since?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those given up to then.' })
  readonly until?: string | null;
}

@ArgsType()
class ConsentsArgs extends PageArgs {
  @Field(() => ConsentFilter, { nullable: true, description: 'Which consents; all when absent.' })
  readonly filter?: ConsentFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

/** Consents, latest first. */
export const consentListing = {
  projection: consents,
  where: [] as Condition[],
  orderBy: 'granted_at',
  descending: true,
};

@Resolver(() => Consent)
export class ConsentResolver {
  @Requires('consents', 'read')
  @Query(() => ConsentConnection, {
    complexity: pageComplexity,
    description: 'The consents, page by page, the latest first.',
  })
  async consents(
    @Args(() => ConsentsArgs) { filter, minPosition, asOf, ...page }: ConsentsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<ConsentRow>>> {
    const moment = await reach(context, minPosition, asOf);
    return list(context, { ...consentListing, where: conditions(filter ?? {}) }, page, moment);
  }

  @Requires('consents', 'read')
  @Query(() => Consent, {
    nullable: true,
    description: 'What a person allows a client; null when they never did.',
  })
  async consent(
    @Arg('sub', () => String, { description: 'The person’s subject.' }) sub: string,
    @Arg('clientId', () => String, { description: 'The client’s client_id.' }) clientId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<ConsentRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).consents.load(`${sub}.${clientId}`);
  }

  @FieldResolver(() => Int, { description: 'Goes up by one with every event.' })
  version(@Root() { revision }: Revised<ConsentRow>): number {
    return revision + 1;
  }

  @FieldResolver(() => [ResourceScopes], { description: 'Scopes by API resource.' })
  resources(@Root() { resources }: ConsentRow): ResourceScopes[] {
    return byResource(resources);
  }

  @Requires('users', 'read')
  @FieldResolver(() => User, { nullable: true, description: 'The person.' })
  user(@Root() row: ConsentRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).users.load(row.sub);
  }

  @Requires('clients', 'read')
  @FieldResolver(() => Client, { nullable: true, description: 'The client; null once removed.' })
  client(@Root() row: ConsentRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).clients.load(row.client_id);
  }

  @Requires('consents', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: ConsentRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, consentChronicle, row.consent_id, args, momentOf(row));
  }
}

function conditions({ sub, clientId, withdrawn, since, until }: ConsentFilter): Condition[] {
  const where = within('granted_at', since, until);
  if (sub) where.push(equal('sub', searchable(sub, 'filter.sub')));
  if (clientId) where.push(equal('client_id', searchable(clientId, 'filter.clientId')));
  if (typeof withdrawn === 'boolean') where.push(isSet('withdrawn_at', withdrawn));
  return where;
}
