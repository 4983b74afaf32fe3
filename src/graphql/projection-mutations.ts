import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Mutation,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import * as commands from '../commands/projections.ts';
import { AUDIT_SCHEMA } from '../projections/audit-log.ts';
import { FORMER_SCHEMA, NEXT_SCHEMA, schemaExists } from '../projections/rebuild.ts';
import { READ_SCHEMA } from '../projections/version.ts';
import { inlineVersion, noteVersion } from '../projections/versions.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { Projection, ProjectionName, projectionsOf } from './projection.ts';

@InputType()
abstract class ProjectionInput extends IdempotentInput {
  @Field(() => ProjectionName, { description: 'The projection.' })
  readonly name!: ProjectionName;
}

@InputType({ description: 'A projection that shall be built anew from the log.' })
export class ProjectionRebuildInput extends ProjectionInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Build and compare, and keep what is in use. No when absent.',
  })
  readonly dryRun?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Keep what was built beside, until projectionSwitch. No when absent.',
  })
  readonly held?: boolean | null;
}

@InputType({ description: 'A projection that shall be compared with the log.' })
export class ProjectionVerifyInput extends ProjectionInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Make rows that differ what the log tells. No when absent.',
  })
  readonly repair?: boolean | null;
}

@InputType({ description: 'A projection of which another copy shall be in use.' })
export class ProjectionExchangeInput extends ProjectionInput {}

@InputType({ description: 'A projection that shall stand still, or go on.' })
export class ProjectionSteerInput extends ProjectionInput {
  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@ObjectType({ description: 'The outcome of a mutation of a projection.' })
export class ProjectionPayload extends Payload {
  @Field(() => String, {
    nullable: true,
    description:
      'What was started: it goes on in the background, whatever becomes of this node. Null where it was done at once, or refused.',
  })
  readonly operationId?: string | null;

  readonly name?: ProjectionName;
}

@Resolver(() => ProjectionPayload)
export class ProjectionPayloadResolver {
  @Requires('projections', 'read')
  @FieldResolver(() => [Projection], { description: 'All copies of the projection as they are.' })
  async projections(
    @Root() { name }: ProjectionPayload,
    @Ctx() context: GraphContext,
  ): Promise<Projection[]> {
    return (await projectionsOf(context)).filter((each) => each.name === name);
  }
}

@Resolver()
export class ProjectionMutations {
  @Requires('projections', 'write')
  @Mutation(() => ProjectionPayload, {
    description: 'Starts to build a projection anew from the log, beside the one in use.',
  })
  projectionRebuild(
    @Arg('input', () => ProjectionRebuildInput, theInput) input: ProjectionRebuildInput,
    @Ctx() context: GraphContext,
  ): Promise<ProjectionPayload> {
    return started(context, 'projectionRebuild', input, commands.rebuildProjection);
  }

  @Requires('projections', 'write')
  @Mutation(() => ProjectionPayload, {
    description: 'Starts to compare a projection with what the log tells.',
  })
  projectionVerify(
    @Arg('input', () => ProjectionVerifyInput, theInput) input: ProjectionVerifyInput,
    @Ctx() context: GraphContext,
  ): Promise<ProjectionPayload> {
    return started(context, 'projectionVerify', input, commands.verifyProjection);
  }

  @Requires('projections', 'write')
  @Mutation(() => ProjectionPayload, {
    description: 'Starts to take into use what a held rebuild has built.',
  })
  async projectionSwitch(
    @Arg('input', () => ProjectionExchangeInput, theInput) input: ProjectionExchangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ProjectionPayload> {
    const built = await schemaExists(context.pool, NEXT_SCHEMA);
    const command = commands.exchangeProjection(
      'SwitchProjection',
      (name) => built && name === 'protocol',
    );
    return started(context, 'projectionSwitch', input, command);
  }

  @Requires('projections', 'write')
  @Mutation(() => ProjectionPayload, {
    description: 'Starts to go back to what was in use before the last change-over.',
  })
  async projectionRollBack(
    @Arg('input', () => ProjectionExchangeInput, theInput) input: ProjectionExchangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ProjectionPayload> {
    const kept = await schemaExists(context.pool, FORMER_SCHEMA);
    const command = commands.exchangeProjection(
      'RollProjectionBack',
      (name) => kept && name === 'protocol',
    );
    return started(context, 'projectionRollBack', input, command);
  }

  @Requires('projections', 'write')
  @Mutation(() => ProjectionPayload, {
    description:
      'Lets a projection stand still: the audit index and, where it follows the log, what the protocol reads. Requests do not see what happens meanwhile.',
  })
  projectionPause(
    @Arg('input', () => ProjectionSteerInput, theInput) input: ProjectionSteerInput,
    @Ctx() context: GraphContext,
  ): Promise<ProjectionPayload> {
    return steered(context, 'projectionPause', input);
  }

  @Requires('projections', 'write')
  @Mutation(() => ProjectionPayload, { description: 'Lets a projection go on that stands still.' })
  projectionResume(
    @Arg('input', () => ProjectionSteerInput, theInput) input: ProjectionSteerInput,
    @Ctx() context: GraphContext,
  ): Promise<ProjectionPayload> {
    return steered(context, 'projectionResume', input);
  }
}

async function started<Input extends ProjectionInput>(
  context: GraphContext,
  mutation: string,
  input: Input,
  command: Parameters<
    typeof perform<Input, { name: ProjectionName; operationId: string }>
  >[1]['command'],
): Promise<ProjectionPayload> {
  const { name } = input;
  const payload = await perform(context, { mutation, input, command, about: { name } });
  context.operations.wake();
  return payload;
}

async function steered(
  context: GraphContext,
  mutation: 'projectionPause' | 'projectionResume',
  input: ProjectionSteerInput,
): Promise<ProjectionPayload> {
  const { pool } = context;
  const { name } = input;
  const pauses = mutation === 'projectionPause';
  const wish = pauses ? 'PauseProjection' : 'ResumeProjection';
  const command = commands.steerProjection(
    wish,
    (await inlineVersion(pool)) === null ? ['protocol', 'audit'] : ['audit'],
  );
  const payload = await perform(context, { mutation, input, command, about: { name } });
  if (payload.userErrors.length === 0) {
    await noteVersion(pool, name === 'audit' ? AUDIT_SCHEMA : READ_SCHEMA, { paused: pauses });
  }
  return payload;
}
