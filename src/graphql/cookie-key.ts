import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { rotateCookieKey } from '../commands/cookie-keys.ts';
import { type CookieKeyRow, cookieKeys } from '../projections/cookie-keys.ts';
import { isSet, type Revised, readPage } from '../projections/page.ts';
import { ProtocolReads } from '../projections/protocol-reads.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { HistoryConnection, type HistoryEntry, historyOf } from './history.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { Node } from './node.ts';
import { type Connection, PageArgs, pageComplexity } from './page.ts';
import { minPosition, reach } from './position.ts';
import { DateTimeScalar, PositionScalar } from './scalars.ts';
import { cookieKeyChronicle } from './time-travel/chronicles.ts';
import { AsOf, asOf, momentOf, showing } from './time-travel/moment.ts';
import { listingAt, loadersAt } from './time-travel/past.ts';

@ObjectType({
  implements: Node,
  description: 'A key with which cookies are signed. Its secret cannot be read.',
})
export class CookieKey extends Node {
  @Field(() => String, { name: 'keyId', description: 'Tells it from the others.' })
  readonly key_id!: string;

  @Field(() => DateTimeScalar, {
    name: 'generatedAt',
    description: 'Since when cookies that it signed are believed.',
  })
  readonly generated_at!: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    name: 'activatedAt',
    description: 'When it began to sign; null when it has not. The one that began last signs.',
  })
  readonly activated_at!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    name: 'retiredAt',
    description: 'From when on no cookie of it is believed; null while they are.',
  })
  readonly retired_at!: string | null;
}

@InputType({ description: 'The next key of cookies shall sign.' })
export class CookieKeyRotateInput extends IdempotentInput {
  @Field(() => Boolean, {
    nullable: true,
    description:
      'Believe no cookie that was signed before: everybody has to sign in again. No when absent.',
  })
  readonly emergency?: boolean | null;
}

@ObjectType({ description: 'The outcome of a mutation of a key of cookies.' })
export class CookieKeyPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The key that signs from now on.' })
  readonly keyId?: string | null;
}

/** More keys than this are never believed at once. */
const MAX_KEYS = 1_000;

const listing = {
  projection: cookieKeys,
  where: [isSet('retired_at', false)],
  orderBy: 'generated_at',
  descending: true,
};

@Resolver(() => CookieKey)
export class CookieKeyResolver {
  @Requires('keys', 'read')
  @Query(() => [CookieKey], {
    complexity: ({ childComplexity }) => 1 + 5 * childComplexity,
    description: 'The keys whose cookies are believed, the one that signs first.',
  })
  async cookieKeys(
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<CookieKeyRow[]> {
    const moment = await reach(context, position, when);
    const { rows } = await readPage<CookieKeyRow>(
      context.pool,
      moment ? await listingAt(context, listing, moment) : listing,
      { count: MAX_KEYS, backwards: false, from: null },
    );
    const since = ({ activated_at }: CookieKeyRow) => activated_at ?? '';
    return showing(rows, moment).sort((a, b) => (since(a) > since(b) ? -1 : 1));
  }

  @Requires('keys', 'read')
  @Query(() => CookieKey, {
    nullable: true,
    description: 'One key of cookies, also when it is retired; null when there is none.',
  })
  async cookieKey(
    @Arg('keyId', () => String, { description: 'Its id.' }) keyId: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<CookieKeyRow | null> {
    const moment = await reach(context, position, when);
    return loadersAt(context, moment).cookieKeys.load(keyId);
  }

  @FieldResolver(() => Int, { description: 'Goes up by one with every event.' })
  version(@Root() { revision }: Revised<CookieKeyRow>): number {
    return revision + 1;
  }

  @Requires('keys', 'read')
  @FieldResolver(() => HistoryConnection, {
    complexity: pageComplexity,
    description: 'What happened to it, latest first.',
  })
  history(
    @Root() row: CookieKeyRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<HistoryEntry>> {
    return historyOf(context, cookieKeyChronicle, row.key_id, args, momentOf(row));
  }

  @Requires('keys', 'write')
  @Mutation(() => CookieKeyPayload, {
    description:
      'Lets the next key sign cookies from now on. Those signed before are still believed, except in an emergency.',
  })
  async cookieKeyRotate(
    @Arg('input', () => CookieKeyRotateInput, theInput) input: CookieKeyRotateInput,
    @Ctx() context: GraphContext,
  ): Promise<CookieKeyPayload> {
    const command = rotateCookieKey(await new ProtocolReads(context.pool).cookieKeys());
    return perform(context, { mutation: 'cookieKeyRotate', input, command, about: {} });
  }
}
