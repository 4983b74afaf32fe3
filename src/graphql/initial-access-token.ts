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
import type { RegistrationPolicy as Policy } from '../domain/registration-policy.ts';
import {
  type InitialAccessTokenRow,
  initialAccessTokens,
} from '../projections/initial-access-tokens.ts';
import { isSet, type Revised } from '../projections/page.ts';
import { Requires } from './authorize.ts';
import { ConsentType } from './client/client-enums.ts';
import { ClientRequirements } from './client/client-parts.ts';
import type { GraphContext } from './context.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { initialAccessTokenChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt } from './time-travel/past.ts';

@ObjectType({ description: 'What clients that register themselves may make of themselves.' })
export class RegistrationPolicy {
  @Field(() => [String], { description: 'Values of grant_type they may use.' })
  readonly grantTypes!: string[];

  @Field(() => [String], {
    description: 'Scopes they may ask for; those they get when they name none.',
  })
  readonly scopes!: string[];

  @Field(() => [String], {
    description: 'Hosts of their redirect URIs, `*.` in front for all below; none for any.',
  })
  readonly redirectHosts!: string[];

  @Field(() => ClientRequirements, { description: 'What they must do, whatever they say.' })
  readonly requirements!: ClientRequirements;

  @Field(() => ConsentType, { description: 'Who agrees that they may act.' })
  readonly consentType!: Policy['consentType'];
}

@ObjectType({
  implements: Node,
  description: 'An initial access token: whoever has it may register clients (RFC 7591 §3).',
})
export class InitialAccessToken extends Node {
  @Field(() => String, {
    name: 'tokenId',
    description: 'Tells it from the others. It is not its value, which cannot be read.',
  })
  readonly initial_access_token_id!: string;

  @Field(() => String, { description: 'What it was created for.' })
  readonly description!: string;

  @Field(() => RegistrationPolicy, { description: 'What clients may be registered with it.' })
  readonly policy!: RegistrationPolicy;

  @Field(() => Int, { description: 'How many clients may be registered with it.' })
  readonly quota!: number;

  @Field(() => Int, { description: 'How many have been.' })
  readonly uses!: number;

  @Field(() => DateTimeScalar, { name: 'createdAt', description: 'When it was created.' })
  readonly created_at!: string;

  @Field(() => DateTimeScalar, { name: 'expiresAt', description: 'From when it is of no use.' })
  readonly expires_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'usedAt',
    nullable: true,
    description: 'When it was last used; null when it never was.',
  })
  readonly used_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'revokedAt',
    nullable: true,
    description: 'When it was revoked; null when it was not.',
  })
  readonly revoked_at!: string | null;
}

export const InitialAccessTokenConnection = connectionOf(
  InitialAccessToken,
  'InitialAccessToken',
  'initial access tokens',
);

@InputType({ description: 'Which initial access tokens: those that meet every condition given.' })
export class InitialAccessTokenFilter {
  @Field(() => Boolean, { nullable: true, description: 'Only the revoked, or only the others.' })
  readonly revoked?: boolean | null;
}

@ArgsType()
class InitialAccessTokensArgs extends PageArgs {
  @Field(() => InitialAccessTokenFilter, {
    nullable: true,
    description: 'Which tokens; all when absent.',
  })
  readonly filter?: InitialAccessTokenFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => InitialAccessToken)
export class InitialAccessTokenResolver {
  @Requires('clients', 'read')
  @Query(() => InitialAccessTokenConnection, {
    complexity: pageComplexity,
    description: 'The initial access tokens, page by page, the latest first.',
  })
  async initialAccessTokens(
    @Args(() => InitialAccessTokensArgs) {
      filter,
      minPosition,
      asOf,
      ...page
    }: InitialAccessTokensArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<InitialAccessTokenRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const revoked = filter?.revoked;
    const listing = {
      projection: initialAccessTokens,
      where: typeof revoked === 'boolean' ? [isSet('revoked_at', revoked)] : [],
      orderBy: 'created_at',
      descending: true,
    };
    return list(context, listing, page, moment);
  }

  @Requires('clients', 'read')
  @Query(() => InitialAccessToken, {
    nullable: true,
    description: 'One initial access token; null when there is none.',
  })
  async initialAccessToken(
    @Arg('tokenId', () => String, { description: 'Its id, not its value.' }) tokenId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<InitialAccessTokenRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).initialAccessTokens.load(tokenId);
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<InitialAccessTokenRow>): number {
    return revision + 1;
  }

  @Requires('clients', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: InitialAccessTokenRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(
      context,
      initialAccessTokenChronicle,
      row.initial_access_token_id,
      args,
      momentOf(row),
    );
  }
}
