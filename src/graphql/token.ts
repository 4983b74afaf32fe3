import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { type Condition, equal, type Listing, type Revised } from '../projections/page.ts';
import {
  type TokenKind,
  type TokenRow,
  tokenStatus,
  tokens,
  tokensOf,
  tokensOfClient,
  tokensOfUser,
} from '../projections/tokens.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import { TokenFormat } from './client/client-enums.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { Grant } from './grant.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { tokenChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';
import { within } from './times.ts';

export const TokenKindEnum = {
  ACCESS_TOKEN: 'access_token',
  AUTHORIZATION_CODE: 'authorization_code',
  CLIENT_TOKEN: 'client_token',
  REFRESH_TOKEN: 'refresh_token',
} as const satisfies { [K in TokenKind as Uppercase<K>]: K };

registerEnumType(TokenKindEnum, {
  name: 'TokenKind',
  description: 'What kind of token it is.',
  valuesConfig: {
    ACCESS_TOKEN: { description: 'An access token for a person.' },
    AUTHORIZATION_CODE: { description: 'An authorization code (RFC 6749 §4.1).' },
    CLIENT_TOKEN: { description: 'An access token of a client for itself (RFC 6749 §4.4).' },
    REFRESH_TOKEN: { description: 'A refresh token.' },
  },
});

export const TokenStatusEnum = {
  ACTIVE: 'active',
  EXPIRED: 'expired',
  REDEEMED: 'redeemed',
  REVOKED: 'revoked',
} as const;
type TokenStatus = (typeof TokenStatusEnum)[keyof typeof TokenStatusEnum];

registerEnumType(TokenStatusEnum, {
  name: 'TokenStatus',
  description:
    'What has become of a token. One that is active is refused all the same while its client or person is disabled, or its session has ended.',
  valuesConfig: {
    ACTIVE: { description: 'It can be used.' },
    EXPIRED: { description: 'Its time is over.' },
    REDEEMED: { description: 'It could be used once, and was.' },
    REVOKED: { description: 'It was revoked, or its grant was.' },
  },
});

@ObjectType({
  implements: Node,
  description: 'A token or code that was issued. Its value is not known here, only its digest.',
})
export class Token extends Node {
  @Field(() => String, {
    name: 'tokenId',
    description: 'SHA-256 of its value, or of the `jti` of a JWT, in hex.',
  })
  readonly digest!: string;

  @Field(() => TokenKindEnum, { description: 'What kind it is.' })
  readonly kind!: string;

  @Field(() => TokenFormat, { description: 'Its form.' })
  readonly format!: string;

  @Field(() => [String], { description: 'Names of its scopes.' })
  readonly scopes!: string[];

  @Field(() => DateTimeScalar, { name: 'issuedAt', description: 'When it was issued.' })
  readonly issued_at!: string;

  @Field(() => DateTimeScalar, { name: 'expiresAt', description: 'Until when it is good.' })
  readonly expires_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'redeemedAt',
    nullable: true,
    description: 'When a code or refresh token was redeemed; null when it was not.',
  })
  readonly redeemed_at!: string | null;

  @Field(() => DateTimeScalar, {
    name: 'revokedAt',
    nullable: true,
    description: 'When it was itself revoked; null when it was not.',
  })
  readonly revoked_at!: string | null;
}

export const TokenConnection = connectionOf(Token, 'Token', 'tokens');

@InputType({ description: 'Which tokens: those that meet every condition given.' })
export class TokenFilter {
  @Field(() => TokenKindEnum, { nullable: true, description: 'Only those of this kind.' })
  readonly kind?: TokenKind | null;

  @Field(() => TokenStatusEnum, { nullable: true, description: 'Only those of this status.' })
  readonly status?: TokenStatus | null;

  @Field(() => String, { nullable: true, description: 'Only those for this person.' })
  readonly sub?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only those issued to this client, or under a grant of it.',
  })
  readonly clientId?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those issued under this grant.' })
  readonly grantId?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those issued from then on.' })
  readonly since?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those issued up to then.' })
  readonly until?: string | null;
}

@ArgsType()
class TokensArgs extends PageArgs {
  @Field(() => TokenFilter, { nullable: true, description: 'Which tokens; all when absent.' })
  readonly filter?: TokenFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

/** Tokens, those that expire last first. */
export const tokenListing = {
  projection: tokens,
  where: [] as Condition[],
  orderBy: 'expires_at',
  descending: true,
};

@Resolver(() => Token)
export class TokenResolver {
  @Requires('tokens', 'read')
  @Query(() => TokenConnection, {
    complexity: pageComplexity,
    description: 'The tokens and codes, page by page, those that expire last first.',
  })
  async tokens(
    @Args(() => TokensArgs) { filter, minPosition, asOf, ...page }: TokensArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<TokenRow>>> {
    const moment = await reach(context, minPosition, asOf);
    return list(context, { ...tokenListing, ...restrictions(filter ?? {}) }, page, moment);
  }

  @Requires('tokens', 'read')
  @Query(() => Token, { nullable: true, description: 'One token; null when there is none.' })
  async token(
    @Arg('tokenId', () => String, { description: 'SHA-256 of its value, or of its `jti`.' })
    tokenId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<TokenRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).tokens.load(tokenId);
  }

  @FieldResolver(() => [String], { description: 'The API resources it is for.' })
  audience(@Root() { audience }: TokenRow): readonly string[] {
    return audience === null ? [] : [audience].flat();
  }

  @FieldResolver(() => TokenStatusEnum, { description: 'What has become of it.' })
  async status(@Root() row: TokenRow, @Ctx() context: GraphContext): Promise<TokenStatus> {
    const grant = row.grant_id ? await loadersOf(context, row).grants.load(row.grant_id) : null;
    return tokenStatus(row, grant, new Date().toISOString());
  }

  @Requires('grants', 'read')
  @FieldResolver(() => Grant, {
    nullable: true,
    description: 'The grant it was issued under; null for a client’s own.',
  })
  grant(@Root() row: TokenRow, @Ctx() context: GraphContext): Promise<object | null> | null {
    return row.grant_id ? loadersOf(context, row).grants.load(row.grant_id) : null;
  }

  @Requires('clients', 'read')
  @FieldResolver(() => Client, {
    nullable: true,
    description: 'The client that holds it; null once removed.',
  })
  async client(@Root() row: TokenRow, @Ctx() context: GraphContext): Promise<object | null> {
    const grant =
      row.grant_id && !row.client_id
        ? await loadersOf(context, row).grants.load(row.grant_id)
        : null;
    return loadersOf(context, row).clients.load(row.client_id ?? grant?.client_id ?? '');
  }

  @Requires('tokens', 'read')
  @FieldResolver(() => HistoryConnection, {
    nullable: true,
    complexity: pageComplexity,
    description:
      'What happened to a client’s own token, latest first; null for others: see their grant.',
  })
  history(
    @Root() row: TokenRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> | null {
    return row.kind === 'client_token'
      ? historyOf(context, tokenChronicle, row.digest, args, momentOf(row))
      : null;
  }
}

function restrictions(filter: TokenFilter): Pick<Listing, 'where' | 'either'> {
  const { kind, status, sub, clientId, grantId, since, until } = filter;
  // The list is in the order of expiry, and nothing expires before it is issued.
  const where = [...within('issued_at', since, until), ...within('expires_at', since, null)];
  if (kind) where.push(equal('kind', kind));
  if (status) where.push(tokensOf(status));
  if (grantId) where.push(equal('grant_id', searchable(grantId, 'filter.grantId')));
  if (sub) where.push((param) => tokensOfUser(param(searchable(sub, 'filter.sub'))));
  if (!clientId) return { where };
  const client = searchable(clientId, 'filter.clientId');
  return { where, either: (param) => tokensOfClient(param(client)) };
}
