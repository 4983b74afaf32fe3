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
import { type SigningKeyState } from '../domain/signing-key.ts';
import { type Condition, equal, isSet, type Revised } from '../projections/page.ts';
import { type SigningKeyRow, signingKeys } from '../projections/signing-keys.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { searchable } from './errors.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { Node } from './node.ts';
import { type Connection, connectionOf, list, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from './scalars.ts';
import { signingKeyChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf } from './time-travel/moment.ts';
import { loadersAt } from './time-travel/past.ts';

export const SigningKeyStatus = {
  ANNOUNCED: 'announced',
  ACTIVE: 'active',
  RETIRED: 'retired',
} as const satisfies Record<string, Exclude<SigningKeyState['status'], 'none'>>;
type SigningKeyStatus = (typeof SigningKeyStatus)[keyof typeof SigningKeyStatus];

registerEnumType(SigningKeyStatus, {
  name: 'SigningKeyStatus',
  description: 'Where a signing key is in its life.',
  valuesConfig: {
    ANNOUNCED: { description: 'It is in the JWK Set, and does not sign yet.' },
    ACTIVE: {
      description: 'It verifies. Of an algorithm’s active keys, the one activated last signs.',
    },
    RETIRED: { description: 'It neither signs nor verifies, for ever.' },
  },
});

@ObjectType({ implements: Node, description: 'A key with which the server signs tokens.' })
export class SigningKey extends Node {
  @Field(() => String, { description: 'Its id in the JWK Set and in what it signs (RFC 7517).' })
  readonly kid!: string;

  @Field(() => String, { description: 'JWS algorithm (RFC 7518 §3.1).' })
  readonly alg!: string;

  @Field(() => JsonScalar, {
    name: 'publicJwk',
    description: 'The public key (RFC 7517). The private one cannot be read.',
  })
  readonly public_jwk!: Readonly<Record<string, unknown>>;

  @Field(() => DateTimeScalar, { name: 'generatedAt', description: 'When it was announced.' })
  readonly generated_at!: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    name: 'activatedAt',
    description: 'When it began to sign; null when it has not.',
  })
  readonly activated_at!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    name: 'retiredAt',
    description: 'When it was retired; null when it was not.',
  })
  readonly retired_at!: string | null;
}

export const SigningKeyConnection = connectionOf(SigningKey, 'SigningKey', 'signing keys');

@InputType({ description: 'Which signing keys: those that meet every condition given.' })
export class SigningKeyFilter {
  @Field(() => String, { nullable: true, description: 'Only keys of this JWS algorithm.' })
  readonly alg?: string | null;

  @Field(() => SigningKeyStatus, { nullable: true, description: 'Only keys of this status.' })
  readonly status?: SigningKeyStatus | null;
}

@ArgsType()
class SigningKeysArgs extends PageArgs {
  @Field(() => SigningKeyFilter, { nullable: true, description: 'Which keys; all when absent.' })
  readonly filter?: SigningKeyFilter | null;

  @Field(() => PositionScalar, minPosition)
  readonly minPosition?: string | null;

  @Field(() => AsOf, asOf)
  readonly asOf?: AsOf | null;
}

@Resolver(() => SigningKey)
export class SigningKeyResolver {
  @Requires('keys', 'read')
  @Query(() => SigningKeyConnection, {
    complexity: pageComplexity,
    description: 'The signing keys, page by page, the latest first.',
  })
  async signingKeys(
    @Args(() => SigningKeysArgs) { filter, minPosition, asOf, ...page }: SigningKeysArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<Revised<SigningKeyRow>>> {
    const moment = await reach(context, minPosition, asOf);
    const listing = {
      projection: signingKeys,
      where: conditions(filter ?? {}),
      orderBy: 'generated_at',
      descending: true,
    };
    return list(context, listing, page, moment);
  }

  @Requires('keys', 'read')
  @Query(() => SigningKey, { nullable: true, description: 'One key; null when there is none.' })
  async signingKey(
    @Arg('kid', () => String, { description: 'Its id in the JWK Set.' }) kid: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<SigningKeyRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).signingKeys.load(kid);
  }

  @FieldResolver(() => Int, {
    description: 'Goes up by one with every event; for `expectedVersion`.',
  })
  version(@Root() { revision }: Revised<SigningKeyRow>): number {
    return revision + 1;
  }

  @FieldResolver(() => SigningKeyStatus, { description: 'Where it is in its life.' })
  status(@Root() { activated_at, retired_at }: SigningKeyRow): SigningKeyStatus {
    return retired_at ? 'retired' : activated_at ? 'active' : 'announced';
  }

  @Requires('keys', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: SigningKeyRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, signingKeyChronicle, row.kid, args, momentOf(row));
  }
}

function conditions({ alg, status }: SigningKeyFilter): Condition[] {
  const where: Condition[] = [];
  if (alg) where.push(equal('alg', searchable(alg, 'filter.alg')));
  if (status) where.push(isSet('retired_at', status === 'retired'));
  if (status && status !== 'retired') where.push(isSet('activated_at', status === 'active'));
  return where;
}
