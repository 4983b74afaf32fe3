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
import { type SealedClaims, usernameDigest } from '../commands/users.ts';
import { type Condition, equal, includes, isSet, type Revised } from '../projections/page.ts';
import { type UserRow, users } from '../projections/users.ts';
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
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { userChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { UserClaims } from './user-claims.ts';

@ObjectType({ implements: Node, description: 'A person who can sign in.' })
export class User extends Node {
  @Field(() => String, {
    description: 'The subject of the protocol: random, and never used again.',
  })
  readonly sub!: string;

  @Field(() => [String], { description: 'Their roles; `administrator` may use this API.' })
  readonly roles!: string[];

  @Field(() => DateTimeScalar, {
    name: 'passwordSetAt',
    nullable: true,
    description: 'When their password was set; null when they have none.',
  })
  readonly password_set_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'disabledAt',
    nullable: true,
    description: 'Since when they are disabled; null while they are enabled.',
  })
  readonly disabled_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'erasedAt',
    nullable: true,
    description: 'When they were erased: what was known of them can never be read again.',
  })
  readonly erased_at!: string | null;

  @Field(() => DateTimeScalar, { name: 'createdAt', description: 'When they were registered.' })
  readonly created_at!: string;

  @Field(() => DateTimeScalar, { name: 'changedAt', description: 'When they were last changed.' })
  readonly changed_at!: string;
}

export const UserConnection = connectionOf(User, 'User', 'users');

export const UserOrderField = { CREATED_AT: 'created_at' } as const;

registerEnumType(UserOrderField, {
  name: 'UserOrderField',
  description: 'What users can be ordered by. Their names are sealed and have no order.',
  valuesConfig: { CREATED_AT: { description: 'When they were registered.' } },
});

@InputType({ description: 'An order of users.' })
export class UserOrder {
  @Field(() => UserOrderField, { description: 'What they are ordered by.' })
  readonly field!: string;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  readonly direction!: OrderDirection;
}

@InputType({ description: 'Which users: those that meet every condition given.' })
export class UserFilter {
  @Field(() => String, {
    nullable: true,
    description:
      'Only the one who signs in with exactly this name. Names are sealed: no part of one can be searched for.',
  })
  readonly username?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those with this role.' })
  readonly role?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Only the disabled, or only the enabled.' })
  readonly disabled?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Only the erased, or only the others.' })
  readonly erased?: boolean | null;
}

@ArgsType()
class UsersArgs extends PageArgs {
  @Field(() => UserFilter, { nullable: true, description: 'Which users; all when absent.' })
  readonly filter?: UserFilter | null;

  @Field(() => UserOrder, { nullable: true, description: 'Latest first when absent.' })
  readonly orderBy?: UserOrder | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => User)
export class UserResolver {
  @Requires('users', 'read')
  @Query(() => UserConnection, {
    complexity: pageComplexity,
    description: 'The users, page by page.',
  })
  async users(
    @Args(() => UsersArgs) { filter, orderBy, minPosition, asOf, ...page }: UsersArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<UserRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: users,
      where: conditions(context, filter ?? {}),
      orderBy: orderBy?.field ?? UserOrderField.CREATED_AT,
      descending: orderBy?.direction !== 'ASC',
    };
    return list(context, listing, page, moment);
  }

  @Requires('users', 'read')
  @Query(() => User, { nullable: true, description: 'One user; null when there is none.' })
  async user(
    @Arg('sub', () => String, { description: 'Their subject.' }) sub: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<UserRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).users.load(sub);
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<UserRow>): number {
    return revision + 1;
  }

  @FieldResolver(() => Boolean, { description: 'Whether they are kept from signing in.' })
  disabled(@Root() row: UserRow): boolean {
    return row.disabled_at !== null;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'The name they sign in with; null once they are erased.',
  })
  async username(@Root() row: UserRow, @Ctx() context: GraphContext): Promise<string | null> {
    return (await loadersOf(context, row).claims.load(row))?.preferred_username ?? null;
  }

  @FieldResolver(() => UserClaims, {
    nullable: true,
    description: 'What is known of them; null once they are erased.',
  })
  claims(@Root() row: UserRow, @Ctx() context: GraphContext): Promise<SealedClaims | null> {
    return loadersOf(context, row).claims.load(row);
  }

  @Requires('users', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to them, latest first.',
  })
  history(
    @Root() row: UserRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, userChronicle, row.sub, args, momentOf(row));
  }
}

function conditions(
  { secrets }: GraphContext,
  { username, role, disabled, erased }: UserFilter,
): Condition[] {
  const where: Condition[] = [];
  if (username) where.push(equal('username_digest', usernameDigest(secrets, username)));
  if (role) where.push(includes('roles', searchable(role, 'filter.role')));
  if (typeof disabled === 'boolean') where.push(isSet('disabled_at', disabled));
  if (typeof erased === 'boolean') where.push(isSet('erased_at', erased));
  return where;
}
