import { Arg, Ctx, Field, InputType, Int, ObjectType, Query, Resolver } from 'type-graphql';
import type { Leak } from '../../domain/leak.ts';
import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { addressDigest } from '../../projections/audit-log.ts';
import { readRadius } from '../../projections/blast-radius.ts';
import { Requires } from '../authorize.ts';
import { envelopeOf, type GraphContext } from '../context.ts';
import { badInput, searchable } from '../errors.ts';
import { DateTimeScalar } from '../scalars.ts';
import { audited, instantOf } from '../time-travel/moment.ts';
import { LineageKind } from './lineage.ts';

/** So many of each are named; all are counted. */
export const MAX_ITEMS = 100;
const BEGINNING = '1970-01-01T00:00:00.000Z';

@InputType({ description: 'A secret of a client.' })
export class LeakedSecret {
  @Field(() => String, { description: 'The client’s client_id.' })
  readonly clientId!: string;

  @Field(() => String, { description: 'The secret’s id; not its value.' })
  readonly secretId!: string;
}

@InputType({ description: 'What may have fallen into the wrong hands: one of these.' })
export class Suspect {
  @Field(() => LeakedSecret, { nullable: true, description: 'A secret of a client.' })
  readonly secret?: LeakedSecret | null;

  @Field(() => String, { nullable: true, description: 'A signing key, by its kid.' })
  readonly key?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'A network address, written as it was recorded.',
  })
  readonly address?: string | null;

  @Field(() => String, { nullable: true, description: 'A client, by its client_id.' })
  readonly client?: string | null;
}

@ObjectType({ description: 'A grant, session or token that was touched.' })
export class TouchedItem {
  @Field(() => LineageKind, { description: 'What it is.' })
  readonly kind!: string;

  @Field(() => String, { description: 'Its id; of codes and tokens, their digest.' })
  readonly key!: string;

  @Field(() => String, { name: 'clientId', nullable: true, description: 'The client that has it.' })
  readonly client_id!: string | null;

  @Field(() => String, {
    name: 'subject',
    nullable: true,
    description: 'The `sub` of the person it is of; null for none.',
  })
  readonly sub!: string | null;

  @Field(() => DateTimeScalar, { description: 'Since when there is one.' })
  readonly since!: string;

  @Field(() => Boolean, { description: 'Whether it can still be used.' })
  readonly active!: boolean;
}

@ObjectType({ description: 'What was touched, of one kind.' })
export class TouchedItems {
  @Field(() => Int, { description: 'How many.' })
  readonly total!: number;

  @Field(() => Int, { description: 'How many of them can still be used.' })
  readonly active!: number;

  @Field(() => [TouchedItem], {
    complexity: ({ childComplexity }) => 1 + MAX_ITEMS * childComplexity,
    description: 'Those that can still be used first, then the latest. At most 100.',
  })
  readonly items!: readonly TouchedItem[];
}

@ObjectType({ description: 'Everything that somebody could have had a hand in.' })
export class BlastRadius {
  @Field(() => DateTimeScalar, { description: 'From when on it is counted.' })
  readonly since!: string;

  @Field(() => DateTimeScalar, { description: 'Until when it is counted.' })
  readonly until!: string;

  @Field(() => String, { description: 'What is counted, and what cannot be told apart.' })
  readonly counted!: string;

  @Field(() => TouchedItems, { description: 'The grants.' })
  readonly grants!: TouchedItems;

  @Field(() => TouchedItems, { description: 'The sessions.' })
  readonly sessions!: TouchedItems;

  @Field(() => TouchedItems, { description: 'The codes and tokens.' })
  readonly tokens!: TouchedItems;
}

@Resolver()
export class BlastRadiusResolver {
  @Requires('audit', 'read')
  @Query(() => BlastRadius, {
    nullable: true,
    complexity: ({ childComplexity }) => 20 + childComplexity,
    description:
      'Every grant, session and token that a leaked secret or key, an address or a client touched: what a revocation would have to reach. Null for a secret or key that never was.',
  })
  async blastRadius(
    @Arg('of', () => Suspect, { description: 'What may have fallen into the wrong hands.' })
    of: Suspect,
    @Arg('since', () => DateTimeScalar, {
      nullable: true,
      description:
        'From when on; from the beginning of the secret or key, or of everything, when absent.',
    })
    from: string | null,
    @Ctx() context: GraphContext,
  ): Promise<BlastRadius | null> {
    const leak = await leakOf(context, of, from);
    await recordLook(context, of);
    if (!leak) return null;
    const { since, until } = leak;
    const radius = await readRadius(context.pool, leak, MAX_ITEMS);
    return { since, until, counted: COUNTED[leak.of], ...radius };
  }
}

/** Records that somebody asked what was touched. */
export function recordLook(context: GraphContext, of: Suspect): Promise<void> {
  return context.auditReadings.record(envelopeOf(context), {
    surface: 'blast_radius',
    filter: of.address ? { addressDigest: addressDigest(context, of.address) } : { ...of },
    events: 0,
  });
}

export const COUNTED: Readonly<Record<Leak['of'], string>> = {
  client: 'What the client was given.',
  address: 'What was begun or changed by requests from the address.',
  secret:
    'What the client was given by requests of its own while the secret was good. Which of several secrets it presented is not recorded.',
  signing_key:
    'JWT access tokens that were issued while the key was active. Which of several active keys signed one is not recorded, nor are ID tokens.',
};

/**
 * What is suspected, and for which time; undefined for a secret or key that never was.
 * @param from when absent, from the beginning of the secret or key, or of everything
 * @throws GraphQLError BAD_USER_INPUT; POSITION_NOT_REACHED when the audit index is behind
 */
export async function leakOf(
  context: GraphContext,
  suspect: Suspect,
  from: string | null | undefined,
): Promise<Leak | undefined> {
  await audited(context, await context.audit.head());
  const asked = from ? instantOf(from, 'since') : BEGINNING;
  const leak = await suspected(context, suspect);
  return leak && { ...leak, since: asked > leak.since ? asked : leak.since };
}

async function suspected(
  context: GraphContext,
  { secret, key, address, client }: Suspect,
): Promise<Leak | undefined> {
  const always = {
    ...{ clientId: null, secretId: null, kid: null, addressDigest: null },
    ...{ since: BEGINNING, until: new Date().toISOString() },
  };
  if (client) return { ...always, of: 'client', clientId: searchable(client, 'of.client') };
  if (address) {
    return { ...always, of: 'address', addressDigest: addressDigest(context, address) };
  }
  if (secret) {
    const { secretId } = secret;
    const clientId = searchable(secret.clientId, 'of.secret.clientId');
    const events = await context.store.read(`client-${clientId}`);
    const at = (type: string) => events.find((event) => isOf(event, type, secretId))?.metadata.at;
    const since = at('ClientSecretAdded');
    const until = at('ClientSecretRevoked') ?? always.until;
    return since === undefined
      ? undefined
      : { ...always, of: 'secret', clientId, secretId, since, until };
  }
  const kid = searchable(key ?? '', 'of.key');
  if (!kid) throw badInput('must not be empty', 'of');
  const events = await context.store.read(`key-${kid}`);
  const at = (type: string) => events.find((event) => event.type === type)?.metadata.at;
  const since = at('SigningKeyActivated');
  const until = at('SigningKeyRetired') ?? always.until;
  return since === undefined ? undefined : { ...always, of: 'signing_key', kid, since, until };
}

function isOf({ type, data }: RecordedEvent, wanted: string, secretId: string): boolean {
  return type === wanted && (data as { secretId?: string }).secretId === secretId;
}
