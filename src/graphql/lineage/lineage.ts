import {
  Arg,
  Ctx,
  Field,
  ID,
  InputType,
  ObjectType,
  Query,
  Resolver,
  registerEnumType,
} from 'type-graphql';
import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { digest } from '../../platform/secrets.ts';
import { type AuditRow, auditRowOf } from '../../projections/audit-log.ts';
import { AuditEvent } from '../audit/event.ts';
import { Requires } from '../authorize.ts';
import { envelopeOf, type GraphContext } from '../context.ts';
import { badInput, searchable } from '../errors.ts';
import { DateTimeScalar } from '../scalars.ts';
import { audited } from '../time-travel/moment.ts';
import { type GraphNode, graphOf, nodeIdOf } from './graph.ts';
import { type Lives, livesOf, type Subject } from './lives.ts';
import { type Ending, endOfEntity, endOfToken } from './why.ts';

/** So many events are told in a timeline, and no more: the latest. */
const MAX_TIMELINE = 1_000;
const MAX_TOKEN = 16_384;

@InputType({
  description:
    'What is asked about: one of a token, a grant, a session, a person, a client, a key.',
})
export class LineageSubject {
  @Field(() => String, {
    nullable: true,
    description:
      'A code or a token itself, by whoever holds it. It is made a digest at once, and neither kept nor logged.',
  })
  readonly token?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'A code or a token by its digest, as in events: SHA-256 of the value, or of a JWT’s jti.',
  })
  readonly digest?: string | null;

  @Field(() => String, { nullable: true, description: 'The id of a grant.' })
  readonly grant?: string | null;

  @Field(() => String, { nullable: true, description: 'The uid of a session.' })
  readonly session?: string | null;

  @Field(() => String, { nullable: true, description: 'The `sub` of a person.' })
  readonly user?: string | null;

  @Field(() => String, { nullable: true, description: 'The client_id of a client.' })
  readonly client?: string | null;

  @Field(() => String, { nullable: true, description: 'The kid of a signing key.' })
  readonly key?: string | null;
}

const enumOf = (names: string) => Object.fromEntries(names.split(' ').map((name) => [name, name]));

export const LineageKind = enumOf(
  'USER CLIENT CONSENT SESSION DEVICE_AUTHORIZATION BACKCHANNEL_REQUEST SIGNING_KEY GRANT AUTHORIZATION_CODE REFRESH_TOKEN ACCESS_TOKEN CLIENT_TOKEN',
);
registerEnumType(LineageKind, {
  name: 'LineageKind',
  description: 'What a right can come of, or come to.',
  valuesConfig: {
    USER: { description: 'A person.' },
    CLIENT: { description: 'A client.' },
    CONSENT: { description: 'What a person allows a client, lastingly.' },
    SESSION: { description: 'A person’s session.' },
    DEVICE_AUTHORIZATION: { description: 'What a device asked for.' },
    BACKCHANNEL_REQUEST: { description: 'What a client asked for by the back channel.' },
    SIGNING_KEY: { description: 'A key with which the server signs.' },
    GRANT: { description: 'An authorization in use.' },
    AUTHORIZATION_CODE: { description: 'An authorization code.' },
    REFRESH_TOKEN: { description: 'A refresh token.' },
    ACCESS_TOKEN: { description: 'An access token under a grant.' },
    CLIENT_TOKEN: { description: 'An access token of a client for itself.' },
  },
});

export const LineageRelation = enumOf(
  'GAVE BASIS_OF SCENE_OF GIVEN_TO ISSUED REDEEMED_FOR ROTATED_TO EXCHANGED_FOR HELD_BY',
);
registerEnumType(LineageRelation, {
  name: 'LineageRelation',
  description: 'How one came of the other.',
  valuesConfig: {
    GAVE: { description: 'The person gave it.' },
    BASIS_OF: { description: 'The grant rests on it.' },
    SCENE_OF: { description: 'The grant was opened in the session.' },
    GIVEN_TO: { description: 'The client has it.' },
    ISSUED: { description: 'It was issued there, for nothing that was redeemed.' },
    REDEEMED_FOR: { description: 'The first was redeemed, and the second given for it.' },
    ROTATED_TO: { description: 'The second refresh token took the place of the first.' },
    EXCHANGED_FOR: { description: 'The second was given in exchange for the first (RFC 8693).' },
    HELD_BY: { description: 'Another client than the grant’s holds it.' },
  },
});

export const EndCause = enumOf(
  'EXPIRED REDEEMED REVOKED GRANT_REVOKED CONSENT_WITHDRAWN SESSION_ENDED USER_DISABLED USER_ERASED CLIENT_DISABLED CLIENT_REMOVED KEY_RETIRED',
);
registerEnumType(EndCause, {
  name: 'EndCause',
  description: 'Why something cannot be used any more.',
  valuesConfig: {
    EXPIRED: { description: 'Its time was over.' },
    REDEEMED: { description: 'It was used, and can be used once.' },
    REVOKED: { description: 'It was itself revoked.' },
    GRANT_REVOKED: { description: 'The grant was revoked.' },
    CONSENT_WITHDRAWN: { description: 'The consent was withdrawn.' },
    SESSION_ENDED: { description: 'The session that it is bound to ended.' },
    USER_DISABLED: { description: 'The person is disabled.' },
    USER_ERASED: { description: 'The person was erased.' },
    CLIENT_DISABLED: { description: 'A client that it is of is disabled.' },
    CLIENT_REMOVED: { description: 'A client that it is of was removed.' },
    KEY_RETIRED: { description: 'The key was retired.' },
  },
});

@ObjectType({ description: 'How something ended: by the first of all that would have ended it.' })
export class EndOfLife {
  @Field(() => DateTimeScalar, { description: 'Since when.' })
  readonly at!: string;

  @Field(() => EndCause, { description: 'Why, for programs.' })
  readonly cause!: string;

  @Field(() => String, { description: 'Why, in words, with the id of the event.' })
  readonly message!: string;

  @Field(() => AuditEvent, {
    description: 'The event that did it; of what expired, the one that said so from the start.',
  })
  readonly event!: AuditRow;
}

@ObjectType({ description: 'A right, or somebody who gave or has it.' })
export class LineageNode {
  @Field(() => ID, { description: 'Its id in this answer, for the edges.' })
  readonly id!: string;

  @Field(() => LineageKind, { description: 'What it is.' })
  readonly kind!: string;

  @Field(() => String, { description: 'Its id; of codes and tokens, their digest.' })
  readonly key!: string;

  @Field(() => DateTimeScalar, { description: 'Since when there is, or was, one.' })
  readonly since!: string;

  @Field(() => EndOfLife, {
    nullable: true,
    description: 'How it ended; null while it can be used.',
  })
  readonly end!: EndOfLife | null;
}

@ObjectType({ description: 'That one came of the other.' })
export class LineageEdge {
  @Field(() => ID, { description: 'The node that was there first.' })
  readonly from!: string;

  @Field(() => LineageRelation, { description: 'How.' })
  readonly relation!: string;

  @Field(() => ID, { description: 'The node that came of it.' })
  readonly to!: string;
}

@ObjectType({ description: 'What something came of and what came of it, and what happened.' })
export class Lineage {
  @Field(() => LineageNode, { description: 'What was asked about.' })
  readonly subject!: LineageNode;

  @Field(() => [LineageNode], { description: 'All that belongs to it.' })
  readonly nodes!: LineageNode[];

  @Field(() => [LineageEdge], { description: 'What came of what.' })
  readonly edges!: LineageEdge[];

  @Field(() => [AuditEvent], {
    complexity: ({ childComplexity }) => 1 + 50 * childComplexity,
    description: 'What happened to all of them, in its order. The latest 1,000 events.',
  })
  readonly timeline!: AuditRow[];

  @Field(() => Boolean, {
    description:
      'Whether that is all: of a person, a client, a session the latest 50 grants are told.',
  })
  readonly complete!: boolean;
}

@ObjectType({ description: 'Whether something can be used, and if not, why.' })
export class Verdict {
  @Field(() => Boolean, { description: 'Whether it can be used now.' })
  readonly active!: boolean;

  @Field(() => EndOfLife, {
    nullable: true,
    description: 'How it ended; null while it can be used.',
  })
  readonly end!: EndOfLife | null;
}

const ofOptions = { description: 'What is asked about.' };

@Resolver()
export class LineageResolver {
  @Requires('audit', 'read')
  @Query(() => Lineage, {
    nullable: true,
    complexity: ({ childComplexity }) => 20 + childComplexity,
    description:
      'The life of a right from consent to revocation, as a graph and as a timeline; null for what is not known.',
  })
  async lineage(
    @Arg('of', () => LineageSubject, ofOptions) of: LineageSubject,
    @Ctx() context: GraphContext,
  ): Promise<Lineage | null> {
    const subject = subjectOf(of);
    await audited(context, await context.audit.head());
    const lives = await livesOf(context, subject);
    const { nodes, edges } = graphOf(lives);
    const shown = nodes.map((node) => nodeOf(lives, node));
    const itself = shown.find(({ id }) => id === nodeIdOf(subject));
    const timeline = timelineOf(lives);
    await recordLook(context, subject, timeline.length);
    if (!itself) return null;
    return { subject: itself, nodes: shown, edges, timeline, complete: lives.complete };
  }

  @Requires('audit', 'read')
  @Query(() => Verdict, {
    nullable: true,
    complexity: ({ childComplexity }) => 20 + childComplexity,
    description: 'Why something cannot be used any more, if so; null for what is not known.',
  })
  async whyInactive(
    @Arg('of', () => LineageSubject, ofOptions) of: LineageSubject,
    @Ctx() context: GraphContext,
  ): Promise<Verdict | null> {
    const subject = subjectOf(of);
    await audited(context, await context.audit.head());
    const lives = await livesOf(context, subject);
    const node = graphOf(lives).nodes.find(({ id }) => id === nodeIdOf(subject));
    await recordLook(context, subject, node ? 1 : 0);
    if (!node) return null;
    const { end } = nodeOf(lives, node);
    return { active: end === null, end };
  }
}

/** @throws GraphQLError BAD_USER_INPUT */
function subjectOf({ token, digest: known, ...others }: LineageSubject): Subject {
  if (token) {
    if (token.length > MAX_TOKEN) throw badInput('is no token', 'of.token');
    return { kind: 'token', key: digest(jtiOf(token) ?? token) };
  }
  if (known) return { kind: 'token', key: searchable(known, 'of.digest') };
  const [kind, key] = Object.entries(others).find(([, value]) => value) ?? [];
  if (!kind || !key) throw badInput('must not be empty', 'of');
  return { kind: kind as Subject['kind'], key: searchable(key, `of.${kind}`) };
}

/** A JWT is known by its id. Whether it is genuine does not matter: only what was issued is found. */
function jtiOf(token: string): string | undefined {
  const [, payload, signature] = token.split('.');
  if (!payload || signature === undefined || token.split('.').length !== 3) return undefined;
  try {
    const { jti } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return typeof jti === 'string' ? jti : undefined;
  } catch {
    return undefined;
  }
}

function nodeOf(lives: Lives, { id, kind, key, begun }: GraphNode): LineageNode {
  const { streams } = lives;
  const end = id.startsWith('token:')
    ? endOfToken(streams, begun, new Date().toISOString())
    : endOfEntity(streams, begun.stream);
  return { id, kind, key, since: begun.metadata.at, end: end ? endOf(lives, end) : null };
}

function endOf(lives: Lives, { event, ...end }: Ending): EndOfLife {
  return { ...end, event: rowOf(lives, event) };
}

function rowOf({ streams }: Lives, event: RecordedEvent): AuditRow {
  return auditRowOf(event, streams.get(event.stream)?.[0] ?? event);
}

/** Of persons and clients what began and ended them, not every change; of rights everything. */
function timelineOf(lives: Lives): AuditRow[] {
  const told = [...lives.streams.values()].flat().filter(({ stream, type }) => {
    if (!stream.startsWith('user-') && !stream.startsWith('client-')) return true;
    return /(Registered|Disabled|Enabled|Removed|Erased|SecretAdded|SecretRevoked)$/.test(type);
  });
  return told
    .sort((a, b) => (a.position < b.position ? -1 : 1))
    .slice(-MAX_TIMELINE)
    .map((event) => rowOf(lives, event));
}

function recordLook(context: GraphContext, subject: Subject, events: number): Promise<void> {
  const filter = { [subject.kind]: subject.key };
  return context.auditReadings.record(envelopeOf(context), { surface: 'lineage', filter, events });
}
