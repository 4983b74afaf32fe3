import {
  Ctx,
  Field,
  Float,
  Int,
  ObjectType,
  Query,
  Resolver,
  registerEnumType,
} from 'type-graphql';
import type { DivergenceRow, OperationRow } from '../projections/operations.ts';
import { type ProjectionCopy, projectionCopies } from '../projections/overview.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { DateTimeScalar, JsonScalar, PositionScalar } from './scalars.ts';

export const ProjectionName = { PROTOCOL: 'protocol', AUDIT: 'audit' } as const;
export type ProjectionName = (typeof ProjectionName)[keyof typeof ProjectionName];

registerEnumType(ProjectionName, {
  name: 'ProjectionName',
  description: 'What is projected from the log.',
  valuesConfig: {
    PROTOCOL: { description: 'The read models: what the protocol and this API read.' },
    AUDIT: { description: 'The index of all events, for auditors.' },
  },
});

const ProjectionState = {
  BUILDING: 'building',
  READY: 'ready',
  ACTIVE: 'active',
  PREVIOUS: 'previous',
  NEXT: 'next',
  FORMER: 'former',
} as const;

registerEnumType(ProjectionState, {
  name: 'ProjectionState',
  description: 'What has become of a copy of a projection.',
  valuesConfig: {
    BUILDING: { description: 'A new version, which is being built from the log.' },
    READY: { description: 'A version that keeps up with the log beside another one.' },
    ACTIVE: { description: 'The version in use.' },
    PREVIOUS: { description: 'The version before, for servers of the former release.' },
    NEXT: { description: 'Built beside the one in use by a rebuild, which may go on still.' },
    FORMER: {
      description: 'In use until the last change-over: projectionRollBack goes back to it.',
    },
  },
});

const ProjectionOperationKind = {
  REBUILD: 'rebuild',
  VERIFICATION: 'verification',
  SWITCH: 'switch',
  ROLLBACK: 'rollback',
} as const;

registerEnumType(ProjectionOperationKind, {
  name: 'ProjectionOperationKind',
  description: 'What operators have a projection go through.',
  valuesConfig: {
    REBUILD: { description: 'Built anew from the log.' },
    VERIFICATION: { description: 'Compared with what the log tells.' },
    SWITCH: { description: 'What was built beside is taken into use.' },
    ROLLBACK: { description: 'What was in use before is taken into use again.' },
  },
});

const ProjectionDifference = {
  MISSING: 'missing',
  UNEXPECTED: 'unexpected',
  DIFFERENT: 'different',
} as const;

registerEnumType(ProjectionDifference, {
  name: 'ProjectionDifference',
  description: 'What is wrong with a row.',
  valuesConfig: {
    MISSING: { description: 'The log tells of it, and it is not there.' },
    UNEXPECTED: { description: 'It is there, and should not be.' },
    DIFFERENT: { description: 'Some of its columns are not what the log tells.' },
  },
});

@ObjectType({ description: 'Why a projection stands still. It tries again and skips nothing.' })
export class ProjectionFailure {
  @Field(() => String, { description: 'The error.' })
  readonly message!: string;

  @Field(() => String, { nullable: true, description: 'Id of the event that it stands at.' })
  readonly eventId!: string | null;

  @Field(() => String, { nullable: true, description: 'The stream of that event.' })
  readonly stream!: string | null;

  @Field(() => PositionScalar, { nullable: true, description: 'The position of that event.' })
  readonly position!: string | null;
}

@ObjectType({ description: 'A row that is not what the log tells, or was not.' })
export class ProjectionDivergence {
  @Field(() => String, { description: 'The read model.' })
  readonly table!: string;

  @Field(() => JsonScalar, { description: 'The key of the row.' })
  readonly key!: unknown;

  @Field(() => ProjectionDifference, { description: 'What is wrong with it.' })
  readonly what!: string;

  @Field(() => [String], { description: 'The columns that differ.' })
  readonly columns!: readonly string[];

  @Field(() => String, {
    nullable: true,
    description: 'Id of the last event that tells of it; null: none does.',
  })
  readonly eventId!: string | null;

  @Field(() => String, { nullable: true, description: 'The type of that event.' })
  readonly eventType!: string | null;

  @Field(() => String, { nullable: true, description: 'The stream of that event.' })
  readonly stream!: string | null;

  @Field(() => Int, { nullable: true, description: 'The revision of that event.' })
  readonly revision!: number | null;

  @Field(() => Boolean, { description: 'Whether it has been made what the log tells.' })
  readonly mended!: boolean;

  @Field(() => DateTimeScalar, { description: 'When it was found.' })
  readonly foundAt!: string;
}

@ObjectType({ description: 'What an operator has a projection go through, as far as it has got.' })
export class ProjectionOperation {
  @Field(() => String, { description: 'As the mutation that started it was answered.' })
  readonly operationId!: string;

  @Field(() => ProjectionOperationKind, { description: 'What it is.' })
  readonly kind!: string;

  @Field(() => DateTimeScalar, { description: 'When a node began with it.' })
  readonly begunAt!: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it was over; null: it is under way.',
  })
  readonly endedAt!: string | null;

  @Field(() => Float, { description: 'Events read for it since it was begun or resumed.' })
  readonly events!: number;

  @Field(() => Int, { nullable: true, description: 'Events read in a second, while it goes on.' })
  readonly eventsPerSecond!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Rows that were not what the log tells; null until that is known.',
  })
  readonly differences!: number | null;

  @Field(() => String, { nullable: true, description: 'Why it did not come to its end.' })
  readonly failure!: string | null;
}

@ObjectType({ description: 'A copy of a projection: how far it is, and what becomes of it.' })
export class Projection {
  @Field(() => ProjectionName, { description: 'What is projected.' })
  readonly name!: ProjectionName;

  @Field(() => String, {
    description: 'The schema in the database. Its digest tells versions from each other.',
  })
  readonly version!: string;

  @Field(() => ProjectionState, { description: 'What has become of it.' })
  readonly state!: string;

  @Field(() => PositionScalar, {
    nullable: true,
    description: 'The last event it shows; null before the first.',
  })
  readonly position!: string | null;

  @Field(() => Float, {
    description:
      'Positions of the log that it does not show yet: events on PostgreSQL, bytes on EventStoreDB.',
  })
  readonly lag!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      'Seconds since the first event that it does not show; null where that is not known.',
  })
  readonly lagSeconds!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events projected in a second, while it is built.',
  })
  readonly eventsPerSecond!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'How much of the log it shows, from 0 to 1, while it is built.',
  })
  readonly progress!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Seconds until it is built at that rate; null where that is not known.',
  })
  readonly secondsLeft!: number | null;

  @Field(() => ProjectionFailure, { nullable: true, description: 'Why it stands still.' })
  readonly failure!: ProjectionFailure | null;

  @Field(() => Boolean, { description: 'Whether an operator lets it stand still.' })
  readonly paused!: boolean;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When any of this but the position changed; null of copies beside a version.',
  })
  readonly changedAt!: string | null;

  @Field(() => ProjectionOperation, {
    nullable: true,
    description: 'The last operation on it, of those in use.',
  })
  readonly operation!: ProjectionOperation | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Rows that were found not to be what the log tells, of those in use.',
  })
  readonly divergenceCount!: number | null;

  @Field(() => [ProjectionDivergence], { description: 'Them, the latest first; at most 100.' })
  readonly divergences!: readonly ProjectionDivergence[];

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When some of its rows were compared with the log last, in passing.',
  })
  readonly lookedAt!: string | null;
}

@Resolver()
export class ProjectionResolver {
  @Requires('projections', 'read')
  @Query(() => [Projection], {
    complexity: ({ childComplexity }) => 20 + childComplexity,
    description: 'How the read models and the audit index keep up with the log.',
  })
  projections(@Ctx() context: GraphContext): Promise<Projection[]> {
    return projectionsOf(context);
  }
}

export async function projectionsOf({ pool, store }: GraphContext): Promise<Projection[]> {
  const copies = await projectionCopies({ pool, store });
  return copies.map(shown);
}

function shown(copy: ProjectionCopy): Projection {
  const { part, schema, operation, divergences, look, ...rest } = copy;
  return {
    ...rest,
    name: part,
    version: schema,
    operation: operation && operationOf(operation),
    divergenceCount: divergences?.total ?? null,
    divergences: divergences?.items.map(divergenceOf) ?? [],
    lookedAt: look?.looked_at ?? null,
  };
}

function operationOf(row: OperationRow): ProjectionOperation {
  const { operation_id, begun_at, ended_at, events_per_second, ...rest } = row;
  return {
    ...rest,
    operationId: operation_id,
    begunAt: begun_at,
    endedAt: ended_at,
    eventsPerSecond: events_per_second,
  };
}

function divergenceOf({ event, found_at, ...row }: DivergenceRow): ProjectionDivergence {
  return {
    ...row,
    eventId: event?.id ?? null,
    eventType: event?.type ?? null,
    stream: event?.stream ?? null,
    revision: event?.revision ?? null,
    foundAt: found_at,
  };
}
