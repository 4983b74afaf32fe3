import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { digest } from '../platform/secrets.ts';
import type { Revised } from '../projections/page.ts';
import { type TrustedIssuerRow, trustedIssuers } from '../projections/trusted-issuers.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from './scalars.ts';
import { trustedIssuerChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt } from './time-travel/past.ts';

export const SubjectMapping = { SUB: 'sub', USERNAME: 'username' } as const;

registerEnumType(SubjectMapping, {
  name: 'SubjectMapping',
  description: 'What a trusted issuer calls people.',
  valuesConfig: {
    SUB: { description: 'By their `sub` here.' },
    USERNAME: { description: 'By their user name here.' },
  },
});

@ObjectType({
  implements: Node,
  description: 'An issuer whose assertions are taken as authorization grants (RFC 7523 §2.1).',
})
export class TrustedIssuer extends Node {
  @Field(() => String, { description: 'The `iss` of its assertions.' })
  readonly issuer!: string;

  @Field(() => String, { name: 'displayName', description: 'What operators call it.' })
  readonly display_name!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Its public keys (RFC 7517), where they are kept here.',
  })
  readonly jwks!: object | null;

  @Field(() => String, {
    name: 'jwksUri',
    nullable: true,
    description: 'Where it publishes its keys, where they are not kept here.',
  })
  readonly jwks_uri!: string | null;

  @Field(() => SubjectMapping, { name: 'subjectMapping', description: 'What it calls people.' })
  readonly subject_mapping!: string;

  @Field(() => [String], {
    name: 'clientIds',
    description: 'The clients that may present its assertions.',
  })
  readonly client_ids!: string[];

  @Field(() => [String], {
    description: 'The scopes it may vouch for; * for all that the client may ask for.',
  })
  readonly scopes!: string[];

  @Field(() => DateTimeScalar, { name: 'createdAt', description: 'Since when it is trusted.' })
  readonly created_at!: string;

  @Field(() => DateTimeScalar, { name: 'changedAt', description: 'When it was last changed.' })
  readonly changed_at!: string;
}

export const TrustedIssuerConnection = connectionOf(
  TrustedIssuer,
  'TrustedIssuer',
  'trusted issuers',
);

@ArgsType()
class TrustedIssuersArgs extends PageArgs {
  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => TrustedIssuer)
export class TrustedIssuerResolver {
  @Requires('issuers', 'read')
  @Query(() => TrustedIssuerConnection, {
    complexity: pageComplexity,
    description: 'The trusted issuers, by issuer from A, page by page.',
  })
  async trustedIssuers(
    @Args(() => TrustedIssuersArgs) { minPosition, asOf, ...page }: TrustedIssuersArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<TrustedIssuerRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = { projection: trustedIssuers, where: [], orderBy: 'issuer', descending: false };
    return list(context, listing, page, moment);
  }

  @Requires('issuers', 'read')
  @Query(() => TrustedIssuer, {
    nullable: true,
    description: 'One trusted issuer; null when it is not trusted.',
  })
  async trustedIssuer(
    @Arg('issuer', () => String, { description: 'The `iss` of its assertions.' }) issuer: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<TrustedIssuerRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).trustedIssuers.load(digest(issuer));
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<TrustedIssuerRow>): number {
    return revision + 1;
  }

  @Requires('issuers', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: TrustedIssuerRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, trustedIssuerChronicle, row.issuer_id, args, momentOf(row));
  }
}
