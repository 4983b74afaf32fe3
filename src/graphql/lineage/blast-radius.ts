import { Arg, Ctx, Field, InputType, Int, ObjectType, Query, Resolver } from 'type-graphql';
import type { Instant } from '../../domain/ids.ts';
import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { addressDigest } from '../../projections/audit-log.ts';
import { readRadius, type Suspicion } from '../../projections/blast-radius.ts';
import { equal } from '../../projections/page.ts';
import { Requires } from '../authorize.ts';
import { envelopeOf, type GraphContext } from '../context.ts';
import { badInput, searchable } from '../errors.ts';
import { DateTimeScalar } from '../scalars.ts';
import { audited, instantOf } from '../time-travel/moment.ts';
import { LineageKind } from './lineage.ts';

/** So many of each are named; all are counted. */
const MAX_ITEMS = 100;
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
    await audited(context, await context.audit.head());
    const suspicion = await suspicionOf(context, of);
    await context.auditReadings.record(envelopeOf(context), {
      surface: 'blast_radius',
      filter: of.address ? { addressDigest: addressDigest(context, of.address) } : { ...of },
      events: 0,
    });
    if (!suspicion) return null;
    const asked = from ? instantOf(from, 'since') : BEGINNING;
    const { until, counted } = suspicion;
    const since = asked > suspicion.since ? asked : suspicion.since;
    const period = { since, until };
    const what: Suspicion = suspicion.events ? { events: suspicion.events } : { jwtsOf: period };
    return { since, until, counted, ...(await readRadius(context.pool, what, period, MAX_ITEMS)) };
  }
}

interface Found {
  readonly since: Instant;
  readonly until: Instant;
  readonly counted: string;
  /** Absent: the JWTs of the period. */
  readonly events?: ReturnType<typeof equal>[];
}

async function suspicionOf(
  context: GraphContext,
  { secret, key, address, client }: Suspect,
): Promise<Found | undefined> {
  const now = new Date().toISOString();
  const always = { since: BEGINNING, until: now };
  if (client) {
    const events = [equal('client_id', searchable(client, 'of.client'))];
    return { ...always, events, counted: 'What the client was given.' };
  }
  if (address) {
    const events = [equal('address_digest', addressDigest(context, address))];
    return {
      ...always,
      events,
      counted: 'What was begun or changed by requests from the address.',
    };
  }
  if (secret) {
    const clientId = searchable(secret.clientId, 'of.secret.clientId');
    const events = await context.store.read(`client-${clientId}`);
    const of = (type: string) => events.find((event) => isOf(event, type, secret.secretId));
    const added = of('ClientSecretAdded');
    if (!added) return undefined;
    return {
      since: added.metadata.at,
      until: of('ClientSecretRevoked')?.metadata.at ?? now,
      events: [equal('client_id', clientId), equal('actor_id', clientId)],
      counted:
        'What the client was given by requests of its own while the secret was good. Which of several secrets it presented is not recorded.',
    };
  }
  const kid = searchable(key ?? '', 'of.key');
  if (!kid) throw badInput('must not be empty', 'of');
  const events = await context.store.read(`key-${kid}`);
  const at = (type: string) => events.find((event) => event.type === type)?.metadata.at;
  const signing = at('SigningKeyActivated');
  if (!signing) return undefined;
  return {
    since: signing,
    until: at('SigningKeyRetired') ?? now,
    counted:
      'JWT access tokens that were issued while the key was active. Which of several active keys signed one is not recorded, nor are ID tokens.',
  };
}

function isOf({ type, data }: RecordedEvent, wanted: string, secretId: string): boolean {
  return type === wanted && (data as { secretId?: string }).secretId === secretId;
}
