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
import { minPosition, reach } from './position.ts';
import { PositionScalar } from './scalars.ts';

/** The entities that have an id of their own: how their rows are told apart and found. */
const kinds = {
  Client: { key: 'client_id', entity: 'clients', loader: 'clients' },
  Scope: { key: 'name', entity: 'scopes', loader: 'scopes' },
  ApiResource: { key: 'resource_id', entity: 'resources', loader: 'apiResources' },
  User: { key: 'sub', entity: 'users', loader: 'users' },
  SigningKey: { key: 'kid', entity: 'keys', loader: 'signingKeys' },
  TrustedIssuer: { key: 'issuer_id', entity: 'issuers', loader: 'trustedIssuers' },
} as const satisfies Record<string, { key: string; entity: AdminEntity; loader: string }>;

type Kind = keyof typeof kinds;

const MAX_NODES = 100;

function kindOf(row: object): Kind {
  const kind = (Object.keys(kinds) as Kind[]).find((name) => kinds[name].key in row);
  if (!kind) throw new TypeError('the row belongs to no entity of the API');
  return kind;
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
    const kind = kindOf(row);
    const key = (row as Record<string, string>)[kinds[kind].key];
    return Buffer.from(`${kind}:${key}`).toString('base64url');
  }

  @RequiresByType()
  @Query(() => Node, {
    nullable: true,
    description: 'The entity with this id. Requires the scope that reads entities of its kind.',
  })
  async node(
    @Arg('id', () => ID, { description: 'An id that this API gave out.' }) id: string,
    @Arg('minPosition', () => PositionScalar, minPosition) position: string | null,
    @Ctx() context: GraphContext,
  ): Promise<object | null> {
    await reach(context, position);
    return load(context, id, 'id');
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
    @Ctx() context: GraphContext,
  ): Promise<(object | null)[]> {
    if (ids.length > MAX_NODES) throw badInput(`at most ${MAX_NODES} ids`, 'ids');
    await reach(context, position);
    return Promise.all(ids.map((id, nth) => load(context, id, `ids.${nth}`)));
  }
}

/** @throws GraphQLError BAD_USER_INPUT for what is no id, FORBIDDEN without the scope of its kind */
async function load(context: GraphContext, id: string, field: string): Promise<object | null> {
  const [, name = '', key = ''] = /^(\w+):([^\0]+)$/.exec(decoded(id)) ?? [];
  if (!Object.hasOwn(kinds, name)) throw badInput('not an id of this API', field);
  const { entity, loader } = kinds[name as Kind];
  demand(context.principal.scopes, [adminScope(entity, 'read')]);
  return context.loaders[loader].load(key);
}

function decoded(id: string): string {
  return Buffer.from(id.slice(0, 4_000), 'base64url').toString('utf8');
}
