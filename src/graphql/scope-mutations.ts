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
import type { Command } from '../commands/command.ts';
import * as commands from '../commands/scopes.ts';
import { CLAIM_DESTINATIONS, type ClaimDestination } from '../domain/scope.ts';
import { demand, Requires, scopesHandedOut } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { JsonScalar } from './scalars.ts';
import { Scope } from './scope.ts';

@InputType({ description: 'A scope to define.' })
export class ScopeDefineInput extends IdempotentInput {
  @Field(() => String, { description: 'Its value in the protocol: 1 to 128 of printable ASCII.' })
  readonly name!: string;

  @Field(() => String, { description: 'What people see it called.' })
  readonly displayName!: string;

  @Field(() => String, { nullable: true, description: 'What it allows, in words for people.' })
  readonly description?: string | null;

  @Field(() => [String], { nullable: true, description: 'Claims it releases.' })
  readonly claims?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Identifiers of the API resources on which it is a permission.',
  })
  readonly resources?: string[] | null;
}

@InputType()
abstract class ScopeInput extends VersionedInput {
  @Field(() => String, { description: 'The scope’s value in the protocol.' })
  readonly name!: string;
}

@InputType({ description: 'New texts of a scope.' })
export class ScopeDescribeInput extends ScopeInput {
  @Field(() => String, { description: 'What people see it called.' })
  readonly displayName!: string;

  @Field(() => String, { nullable: true, description: 'What it allows, in words for people.' })
  readonly description?: string | null;
}

@InputType({ description: 'Texts of a scope in one language.' })
export class ScopeTextInput {
  @Field(() => String, { description: 'What it is called there.' })
  readonly displayName!: string;

  @Field(() => String, { nullable: true, description: 'What it allows, in that language.' })
  readonly description?: string | null;
}

@InputType({ description: 'A translation of a scope’s texts.' })
export class ScopeLocalizeInput extends ScopeInput {
  @Field(() => String, { description: 'The language (BCP 47), such as de or pt-BR.' })
  readonly locale!: string;

  @Field(() => ScopeTextInput, {
    nullable: true,
    description: 'The texts; null takes the translation away.',
  })
  readonly text?: ScopeTextInput | null;
}

@InputType({ description: 'New claims of a scope.' })
export class ScopeClaimsChangeInput extends ScopeInput {
  @Field(() => [String], { description: 'All claims it releases from now on.' })
  readonly claims!: string[];
}

@InputType({ description: 'Where claims of a scope shall be told.' })
export class ScopeClaimDestinationsChangeInput extends ScopeInput {
  @Field(() => JsonScalar, {
    description: `By claim, a list of ${CLAIM_DESTINATIONS.join(', ')}. What is not named goes where such claims go.`,
  })
  readonly claimDestinations!: Record<string, ClaimDestination[]>;
}

@InputType({ description: 'New API resources of a scope.' })
export class ScopeResourcesChangeInput extends ScopeInput {
  @Field(() => [String], {
    description: 'Identifiers of all API resources on which it is a permission from now on.',
  })
  readonly resources!: string[];
}

@InputType({ description: 'A scope that shall no longer be there.' })
export class ScopeRemoveInput extends ScopeInput {}

@ObjectType({ description: 'The outcome of a mutation of a scope.' })
export class ScopePayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The scope’s value in the protocol.' })
  readonly name?: string | null;
}

@Resolver(() => ScopePayload)
export class ScopePayloadResolver {
  @Requires('scopes', 'read')
  @FieldResolver(() => Scope, {
    nullable: true,
    description: 'The scope as it is now; null when there is none.',
  })
  scope(
    @Root() { name }: ScopePayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return name ? loaders.scopes.load(name) : null;
  }
}

/** The scopes of this API are for those alone who hold them. */
async function change<Input extends IdempotentInput & { readonly name: string }>(
  context: GraphContext,
  mutation: string,
  input: Input,
  command: Command<Input, { name: string }>,
): Promise<ScopePayload> {
  demand(context.principal.scopes, scopesHandedOut([input.name]));
  return perform(context, { mutation, input, command, about: { name: input.name } });
}

@Resolver()
export class ScopeMutations {
  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, { description: 'Defines a scope.' })
  scopeDefine(
    @Arg('input', () => ScopeDefineInput, theInput) input: ScopeDefineInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return change(context, 'scopeDefine', input, commands.defineScope);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, { description: 'Changes the texts of a scope.' })
  scopeDescribe(
    @Arg('input', () => ScopeDescribeInput, theInput) input: ScopeDescribeInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return change(context, 'scopeDescribe', input, commands.describeScope);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, { description: 'Gives a scope texts in another language.' })
  scopeLocalize(
    @Arg('input', () => ScopeLocalizeInput, theInput) input: ScopeLocalizeInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return change(context, 'scopeLocalize', input, commands.localizeScope);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, { description: 'Changes which claims a scope releases.' })
  scopeClaimsChange(
    @Arg('input', () => ScopeClaimsChangeInput, theInput) input: ScopeClaimsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return change(context, 'scopeClaimsChange', input, commands.changeScopeClaims);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, {
    description: 'Changes where the claims of a scope are told.',
  })
  scopeClaimDestinationsChange(
    @Arg('input', () => ScopeClaimDestinationsChangeInput, theInput)
    input: ScopeClaimDestinationsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    const command = commands.changeScopeClaimDestinations;
    return change(context, 'scopeClaimDestinationsChange', input, command);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, {
    description: 'Changes on which API resources a scope is a permission.',
  })
  scopeResourcesChange(
    @Arg('input', () => ScopeResourcesChangeInput, theInput) input: ScopeResourcesChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return change(context, 'scopeResourcesChange', input, commands.changeScopeResources);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, { description: 'Removes a scope. It can be defined again.' })
  scopeRemove(
    @Arg('input', () => ScopeRemoveInput, theInput) input: ScopeRemoveInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return change(context, 'scopeRemove', input, commands.removeScope);
  }
}
