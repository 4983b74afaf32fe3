import {
  Arg,
  Ctx,
  Field,
  InputType,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  registerEnumType,
} from 'type-graphql';
import { exportConfiguration } from '../commands/configuration/export.ts';
import {
  applyConfiguration,
  type EntityChange,
  planConfiguration,
} from '../commands/configuration/plan.ts';
import { configuredNames } from '../projections/configuration.ts';
import { demand, EVERYTHING, Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { UserError, userErrors } from './errors.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';
import { JsonScalar } from './scalars.ts';

export const ConfigurationFormat = { JSON: 'json', YAML: 'yaml' } as const;
type Format = (typeof ConfigurationFormat)[keyof typeof ConfigurationFormat];

registerEnumType(ConfigurationFormat, {
  name: 'ConfigurationFormat',
  description: 'How a configuration is written.',
  valuesConfig: {
    JSON: { description: 'JSON (RFC 8259).' },
    YAML: { description: 'YAML 1.2.' },
  },
});

export const ConfigurationAction = { ADD: 'add', CHANGE: 'change', REMOVE: 'remove' } as const;

registerEnumType(ConfigurationAction, {
  name: 'ConfigurationAction',
  description: 'What happens to an entity.',
  valuesConfig: {
    ADD: { description: 'It was not there.' },
    CHANGE: { description: 'Something of it is different.' },
    REMOVE: { description: 'It is there no more.' },
  },
});

@ObjectType({ description: 'What happens to one field of an entity.' })
export class ConfigurationFieldChange {
  @Field(() => String, { description: 'The field’s name.' })
  readonly field!: string;

  @Field(() => JsonScalar, { nullable: true, description: 'What it is; null for nothing.' })
  readonly before!: unknown;

  @Field(() => JsonScalar, { nullable: true, description: 'What it is then; null for nothing.' })
  readonly after!: unknown;
}

@ObjectType({ description: 'What happens to one entity.' })
export class ConfigurationChange {
  @Field(() => String, { description: 'The section of the configuration, such as clients.' })
  readonly section!: string;

  @Field(() => String, { description: 'What the entity is called there.' })
  readonly name!: string;

  @Field(() => ConfigurationAction, { description: 'What happens to it.' })
  readonly action!: EntityChange['action'];

  @Field(() => [String], { description: 'The events that are recorded.' })
  readonly facts!: string[];

  @Field(() => [ConfigurationFieldChange], { description: 'The fields that are different.' })
  readonly fields!: ConfigurationFieldChange[];
}

@ObjectType({ description: 'What applying a configuration would do.' })
export class ConfigurationPlan {
  @Field(() => [ConfigurationChange], { description: 'What happens; empty where all is so.' })
  readonly changes!: readonly ConfigurationChange[];

  @Field(() => [UserError], { description: 'All that is wrong with it, each with its line.' })
  readonly userErrors!: UserError[];
}

@InputType({ description: 'A configuration to apply.' })
export class ConfigurationApplyInput extends IdempotentInput {
  @Field(() => String, { description: 'It, in YAML or JSON (see docs/configuration.md).' })
  readonly document!: string;
}

@ObjectType({ description: 'The outcome of applying a configuration.' })
export class ConfigurationPayload extends Payload {
  @Field(() => [ConfigurationChange], {
    nullable: true,
    description: 'What happened; empty where all was so, null where it was refused.',
  })
  readonly changes?: readonly ConfigurationChange[] | null;
}

@Resolver()
export class ConfigurationResolver {
  @Requires('configuration', 'read')
  @Query(() => String, {
    complexity: 1_000,
    description: 'All that is there, as a configuration: to apply it at once changes nothing.',
  })
  async configuration(
    @Arg('format', () => ConfigurationFormat, {
      defaultValue: ConfigurationFormat.YAML,
      description: 'How it is written.',
    })
    format: Format,
    @Ctx() context: GraphContext,
  ): Promise<string> {
    return exportConfiguration(context, await configuredNames(context.pool), format);
  }

  @Requires('configuration', 'read')
  @Query(() => ConfigurationPlan, {
    complexity: 1_000,
    description: 'What applying a configuration would do. Nothing is recorded.',
  })
  async configurationPlan(
    @Arg('document', () => String, { description: 'The configuration, in YAML or JSON.' })
    document: string,
    @Ctx() context: GraphContext,
  ): Promise<ConfigurationPlan> {
    try {
      const now = new Date().toISOString();
      const { changes } = await planConfiguration(context, { document }, now);
      return { changes: changes as readonly ConfigurationChange[], userErrors: [] };
    } catch (error) {
      return { changes: [], userErrors: userErrors(error) };
    }
  }

  /** A configuration can make anybody anything. */
  @Requires('configuration', 'write')
  @Mutation(() => ConfigurationPayload, {
    description:
      'Makes everything be as a configuration declares it, in one recorded act. Requires admin:* as well.',
  })
  configurationApply(
    @Arg('input', () => ConfigurationApplyInput, theInput) input: ConfigurationApplyInput,
    @Ctx() context: GraphContext,
  ): Promise<ConfigurationPayload> {
    demand(context.principal.scopes, [EVERYTHING]);
    const command = applyConfiguration;
    return perform(context, {
      mutation: 'configurationApply',
      input,
      command,
      about: {},
    }) as Promise<ConfigurationPayload>;
  }
}
