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
import type { GrantTerms } from '../domain/grant.ts';
import { type GrantRow, grants } from '../projections/grants.ts';
import { type Condition, equal, isSet, type Revised } from '../projections/page.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import { byResource, ResourceScopes } from './consent.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { Session } from './session.ts';
import { grantChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { within } from './times.ts';
import { User } from './user.ts';

export const GrantBasis = {
  ASSERTION: 'assertion',
  CONSENT: 'consent',
  EXTERNAL: 'external',
  IMPLICIT: 'implicit',
  PASSWORD: 'password',
} as const satisfies { [B in GrantTerms['basis'] as Uppercase<B>]: B };

registerEnumType(GrantBasis, {
  name: 'GrantBasis',
  description: 'What a grant rests on.',
  valuesConfig: {
    ASSERTION: { description: 'The assertion of an issuer that is trusted (RFC 7523).' },
    CONSENT: { description: 'The consent that the person gave.' },
    EXTERNAL: { description: 'A consent that was given elsewhere, and recorded here.' },
    IMPLICIT: { description: 'The client’s consent type: nobody is asked.' },
    PASSWORD: { description: 'The person’s password, which the client sent.' },
  },
});

@ObjectType({
  implements: Node,
  description: 'An authorization in use: what a client may do for a person, with its tokens.',
})
export class Grant extends Node {
  @Field(() => String, { name: 'grantId', description: 'Tells it from others.' })
  readonly grant_id!: string;

  @Field(() => String, { description: 'The person’s subject.' })
  readonly sub!: string;

  @Field(() => String, { name: 'clientId', description: 'The client’s client_id.' })
  readonly client_id!: string;

  @Field(() => [String], { description: 'Scopes of the person’s own account.' })
  readonly scopes!: string[];

  @Field(() => [String], { description: 'Claims allowed by name (OpenID Connect Core §5.5).' })
  readonly claims!: string[];

  @Field(() => GrantBasis, { description: 'What it rests on.' })
  readonly basis!: GrantTerms['basis'];

  @Field(() => DateTimeScalar, { name: 'openedAt', description: 'When it was opened.' })
  readonly opened_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'revokedAt',
    nullable: true,
    description: 'When it ended, and all its tokens with it; null when it has not.',
  })
  readonly revoked_at!: string | null;

  @Field(() => String, {
    name: 'revocationReason',
    nullable: true,
    description: 'Why it ended, such as signed_out; null when it has not.',
  })
  readonly revocation_reason!: string | null;
}

export const GrantConnection = connectionOf(Grant, 'Grant', 'grants');

@InputType({ description: 'Which grants: those that meet every condition given.' })
export class GrantFilter {
  @Field(() => String, { nullable: true, description: 'Only those for this person.' })
  readonly sub?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those of this client.' })
  readonly clientId?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those opened in this session.' })
  readonly sessionUid?: string | null;

  @Field(() => GrantBasis, { nullable: true, description: 'Only those that rest on this.' })
  readonly basis?: GrantTerms['basis'] | null;

  @Field(() => Boolean, { nullable: true, description: 'Only the revoked, or only the others.' })
  readonly revoked?: boolean | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those opened from then on.' })
  readonly since?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those opened up to then.' })
  readonly until?: string | null;
}

@ArgsType()
class GrantsArgs extends PageArgs {
  @Field(() => GrantFilter, { nullable: true, description: 'Which grants; all when absent.' })
  readonly filter?: GrantFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

/** Grants, latest first. */
export const grantListing = {
  projection: grants,
  where: [] as Condition[],
  orderBy: 'opened_at',
  descending: true,
};

@Resolver(() => Grant)
export class GrantResolver {
  @Requires('grants', 'read')
  @Query(() => GrantConnection, {
    complexity: pageComplexity,
    description: 'The grants, page by page, the latest first.',
  })
  async grants(
    @Args(() => GrantsArgs) { filter, minPosition, asOf, ...page }: GrantsArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<GrantRow>>> {
    const moment = await reach(context, minPosition, asOf);
    return list(context, { ...grantListing, where: conditions(filter ?? {}) }, page, moment);
  }

  @Requires('grants', 'read')
  @Query(() => Grant, { nullable: true, description: 'One grant; null when there is none.' })
  async grant(
    @Arg('grantId', () => String, { description: 'Its id.' }) grantId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<GrantRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).grants.load(grantId);
  }

  @FieldResolver(() => Int, { description: 'Goes up by one with every event it shows.' })
  version(@Root() { revision }: Revised<GrantRow>): number {
    return revision + 1;
  }

  @FieldResolver(() => [ResourceScopes], { description: 'Scopes by API resource.' })
  resources(@Root() { resources }: GrantRow): ResourceScopes[] {
    return byResource(resources);
  }

  @Requires('users', 'read')
  @FieldResolver(() => User, { nullable: true, description: 'The person it is for.' })
  user(@Root() row: GrantRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).users.load(row.sub);
  }

  @Requires('clients', 'read')
  @FieldResolver(() => Client, { nullable: true, description: 'The client; null once removed.' })
  client(@Root() row: GrantRow, @Ctx() context: GraphContext): Promise<object | null> {
    return loadersOf(context, row).clients.load(row.client_id);
  }

  @Requires('sessions', 'read')
  @FieldResolver(() => Session, {
    nullable: true,
    description: 'The session it was opened in; null for one opened without.',
  })
  session(@Root() row: GrantRow, @Ctx() context: GraphContext): Promise<object | null> | null {
    return row.session_uid ? loadersOf(context, row).sessions.load(row.session_uid) : null;
  }

  @Requires('grants', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it and its tokens, latest first.',
  })
  history(
    @Root() row: GrantRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, grantChronicle, row.grant_id, args, momentOf(row));
  }
}

function conditions(filter: GrantFilter): Condition[] {
  const { sub, clientId, sessionUid, basis, revoked, since, until } = filter;
  const where = within('opened_at', since, until);
  if (sub) where.push(equal('sub', searchable(sub, 'filter.sub')));
  if (clientId) where.push(equal('client_id', searchable(clientId, 'filter.clientId')));
  if (sessionUid) where.push(equal('session_uid', searchable(sessionUid, 'filter.sessionUid')));
  if (basis) where.push(equal('basis', basis));
  if (typeof revoked === 'boolean') where.push(isSet('revoked_at', revoked));
  return where;
}
