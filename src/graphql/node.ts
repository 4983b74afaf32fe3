import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InterfaceType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { type AdminEntity, adminScope, demand, RequiresByType } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { badInput } from './errors.ts';
import type { Loaders } from './loaders.ts';
import { minPosition, reach } from './position.ts';
import { PositionScalar } from './scalars.ts';
import { tellers } from './time-travel/chronicles.ts';
import { Blame, blame, diff, EntityDiff } from './time-travel/compare.ts';
import {
  AsOf,
  asOf,
  Moment,
  momentOf,
  presentMoment,
  resolveMoment,
} from './time-travel/moment.ts';
import { loadersAt, loadersOf } from './time-travel/past.ts';

/**
 * The entities that have an id of their own: how their rows are told apart and found. A row may name
 * others, so whoever is named by more comes later; where the key has the name of another’s, a column
 * that it alone has marks it.
 */
const kinds = {
  DeviceAuthorization: {
    key: 'digest',
    mark: 'entered_at',
    entity: 'requests',
    loader: 'deviceAuthorizations',
  },
  BackchannelRequest: {
    key: 'digest',
    mark: 'binding_message',
    entity: 'requests',
    loader: 'backchannelRequests',
  },
  InitialAccessToken: {
    key: 'initial_access_token_id',
    entity: 'clients',
    loader: 'initialAccessTokens',
  },
  Token: { key: 'digest', entity: 'tokens', loader: 'tokens' },
  Notice: { key: 'notice_id', entity: 'sessions', loader: 'notices' },
  Consent: { key: 'consent_id', entity: 'consents', loader: 'consents' },
  Grant: { key: 'grant_id', entity: 'grants', loader: 'grants' },
  Session: { key: 'uid', entity: 'sessions', loader: 'sessions' },
  Client: { key: 'client_id', entity: 'clients', loader: 'clients' },
  Scope: { key: 'name', entity: 'scopes', loader: 'scopes' },
  ApiResource: { key: 'resource_id', entity: 'resources', loader: 'apiResources' },
  User: { key: 'sub', entity: 'users', loader: 'users' },
  SigningKey: { key: 'kid', entity: 'keys', loader: 'signingKeys' },
  CookieKey: { key: 'key_id', entity: 'keys', loader: 'cookieKeys' },
  TrustedIssuer: { key: 'issuer_id', entity: 'issuers', loader: 'trustedIssuers' },
} as const satisfies Record<string, NodeKind>;

interface NodeKind {
  readonly key: string;
  readonly mark?: string;
  readonly entity: AdminEntity;
  readonly loader: keyof Loaders;
}

type Kind = keyof typeof kinds;

const MAX_NODES = 100;

function kindOf(row: object): Kind {
  const kind = (Object.keys(kinds) as Kind[]).find((name) => {
    const { key, mark = key }: NodeKind = kinds[name];
    return key in row && mark in row;
  });
  if (!kind) throw new TypeError('the row belongs to no entity of the API');
  return kind;
}

function keyOf(row: object): string {
  return (row as Record<string, string>)[kinds[kindOf(row)].key] as string;
}

@InterfaceType({
  description: 'Whatever has a globally unique id.',
  resolveType: kindOf,
})
export abstract class Node {
  @Field(() => ID, { description: 'Unique among all entities. Opaque.' })
  readonly id!: string;
}

@Resolver(() => Node)
export class NodeResolver {
  @FieldResolver(() => ID, { description: 'Unique among all entities. Opaque.' })
  id(@Root() row: object): string {
    return Buffer.from(`${kindOf(row)}:${keyOf(row)}`).toString('base64url');
  }

  @FieldResolver(() => Moment, {
    nullable: true,
    description: 'The moment that it shows; null for the present.',
  })
  asOf(@Root() row: object): Moment | null {
    return momentOf(row);
  }

  @FieldResolver(() => EntityDiff, {
    complexity: ({ childComplexity }) => 5 + childComplexity,
    description: 'What is different about it between two moments.',
  })
  async diff(
    @Arg('from', () => AsOf, { description: 'The moment that is compared with.' }) from: AsOf,
    @Arg('to', () => AsOf, {
      nullable: true,
      description: 'The moment that is compared; the one that the entity shows when absent.',
    })
    to: AsOf | null,
    @Root() row: object,
    @Ctx() context: GraphContext,
  ): Promise<EntityDiff> {
    const moments = await Promise.all([
      resolveMoment(context, from, 'from'),
      to ? resolveMoment(context, to, 'to') : (momentOf(row) ?? presentMoment(context)),
    ]);
    const teller = tellers[kindOf(row)];
    // Whatever moment the entity shows: the other may be later.
    return diff(teller, await context.loaders.events.load(teller.streamOf(keyOf(row))), ...moments);
  }

  @FieldResolver(() => [Blame], {
    complexity: ({ childComplexity }) => 5 + 20 * childComplexity,
    description: 'For each of its fields the event since which it is what it is.',
  })
  async blame(@Root() row: object, @Ctx() context: GraphContext): Promise<Blame[]> {
    const teller = tellers[kindOf(row)];
    return blame(teller, await loadersOf(context, row).events.load(teller.streamOf(keyOf(row))));
  }

  @RequiresByType()
  @Query(() => Node, {
    nullable: true,
    description: 'The entity with this id. Requires the scope that reads entities of its kind.',
  })
  async node(
    @Arg('id', () => ID, { description: 'An id that this API gave out.' }) id: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<object | null> {
    const moment = await reach(context, position, when);
    return load(context, id, 'id', moment);
  }

  @RequiresByType()
  @Query(() => [Node], {
    nullable: 'items',
    complexity: ({ args, childComplexity }) => 1 + (args.ids?.length ?? 1) * childComplexity,
    description: 'The entities with these ids, in their order; null where there is none.',
  })
  async nodes(
    @Arg('ids', () => [ID], { description: 'At most 100 ids that this API gave out.' })
    ids: string[],
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Arg('asOf', () => AsOf, asOf) when: AsOf | null,
    @Ctx() context: GraphContext,
  ): Promise<(object | null)[]> {
    if (ids.length > MAX_NODES) throw badInput(`at most ${MAX_NODES} ids`, 'ids');
    const moment = await reach(context, position, when);
    return Promise.all(ids.map((id, nth) => load(context, id, `ids.${nth}`, moment)));
  }
}

/** @throws GraphQLError BAD_USER_INPUT for what is no id, FORBIDDEN without the scope of its kind */
async function load(
  context: GraphContext,
  id: string,
  field: string,
  moment: Moment | null,
): Promise<object | null> {
  const [, name = '', key = ''] = /^(\w+):([^\0]+)$/.exec(decoded(id)) ?? [];
  if (!Object.hasOwn(kinds, name)) throw badInput('not an id of this API', field);
  const { entity, loader } = kinds[name as Kind];
  demand(context.principal.scopes, [adminScope(entity, 'read')]);
  return loadersAt(context, moment)[loader].load(key);
}

function decoded(id: string): string {
  return Buffer.from(id.slice(0, 4_000), 'base64url').toString('utf8');
}
