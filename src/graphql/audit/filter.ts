import { Field, InputType } from 'type-graphql';
import { deciders } from '../../domain/index.ts';
import type { Envelope } from '../../eventstore/event-store.ts';
import type { Secrets } from '../../platform/secrets.ts';
import { addressDigest } from '../../projections/audit-log.ts';
import { since, until } from '../../projections/audit-search.ts';
import { type Condition, equal, oneOf } from '../../projections/page.ts';
import { badInput, searchable } from '../errors.ts';
import { ActorType } from '../history.ts';
import { DateTimeScalar } from '../scalars.ts';
import { instantOf } from '../time-travel/moment.ts';

const CATEGORIES: readonly string[] = Object.values(deciders).map(({ category }) => category);
const MAX_TYPES = 50;

@InputType({ description: 'Which events: those that meet every condition given.' })
export class AuditFilter {
  @Field(() => ActorType, { nullable: true, description: 'Only those caused by such an actor.' })
  readonly actorType?: Envelope['actor']['type'] | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only those caused by this actor: a client’s id, or a person’s `sub`.',
  })
  readonly actor?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Only those of entities of one category, as their streams are named: client, grant …',
  })
  readonly category?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Only those of this entity of the category; its stream’s name without the category.',
  })
  readonly entity?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Only those of these types, such as ClientSecretAdded. At most 50.',
  })
  readonly types?: string[] | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those decided then or later.' })
  readonly since?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Only those decided before.' })
  readonly until?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Only those about this client: its own, and those of its grants, tokens, consents …',
  })
  readonly clientId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only those about the person with this `sub`.',
  })
  readonly subject?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only those of requests from this network address, written as it was recorded.',
  })
  readonly address?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only those brought about by one cause: the `correlationId` of an event.',
  })
  readonly correlationId?: string | null;
}

/** @throws GraphQLError BAD_USER_INPUT naming the field */
export function auditConditions(keys: { secrets: Secrets }, filter: AuditFilter): Condition[] {
  const where: Condition[] = [];
  const exactly = (column: string, field: keyof AuditFilter) => {
    const value = filter[field];
    if (typeof value === 'string') where.push(equal(column, searchable(value, `filter.${field}`)));
  };
  exactly('actor_type', 'actorType');
  exactly('actor_id', 'actor');
  exactly('category', 'category');
  exactly('entity_id', 'entity');
  exactly('client_id', 'clientId');
  exactly('sub', 'subject');
  exactly('correlation_id', 'correlationId');
  const { category, entity, types, address } = filter;
  if (category && !CATEGORIES.includes(category)) {
    throw badInput(`must be one of ${CATEGORIES.join(', ')}`, 'filter.category');
  }
  if (entity && !category) throw badInput('give the category of the entity', 'filter.category');
  if (types) {
    if (types.length > MAX_TYPES) throw badInput(`at most ${MAX_TYPES} types`, 'filter.types');
    where.push(
      oneOf(
        'type',
        types.map((type) => searchable(type, 'filter.types')),
      ),
    );
  }
  if (filter.since) where.push(since(instantOf(filter.since, 'filter.since')));
  if (filter.until) where.push(until(instantOf(filter.until, 'filter.until')));
  if (address) where.push(equal('address_digest', addressDigest(keys, address)));
  return where;
}

/** A filter as it may be recorded: nothing personal in it. */
export function recordable(keys: { secrets: Secrets }, filter: AuditFilter): object {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null);
  const { address, ...rest } = Object.fromEntries(given) as AuditFilter;
  return address ? { ...rest, addressDigest: addressDigest(keys, address) } : rest;
}
