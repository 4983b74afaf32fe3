import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import {
  changeApiResourceEncryption,
  RESOURCE_ENCRYPTION_ALGORITHMS,
} from '../commands/api-resource-encryption.ts';
import * as commands from '../commands/api-resources.ts';
import type { Command } from '../commands/command.ts';
import { ADMIN_RESOURCE } from '../commands/seed/seed.ts';
import type { TokenFormat as Format } from '../domain/client.ts';
import { ENCRYPTION_METHODS, type EncryptionMethod } from '../domain/encryption.ts';
import type { SigningAlgorithm } from '../domain/signing-key.ts';
import { digest } from '../platform/secrets.ts';
import { ApiResource } from './api-resource.ts';
import { demand, EVERYTHING, Requires } from './authorize.ts';
import { TokenFormat } from './client/client-enums.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { JsonScalar } from './scalars.ts';

@InputType({
  description:
    'How access tokens for an API resource are made; null leaves it to the client or server.',
})
export class ApiResourceTokenPolicyInput {
  @Field(() => TokenFormat, { nullable: true, description: 'Form of the access tokens.' })
  readonly accessTokenFormat?: Format | null;

  @Field(() => String, {
    nullable: true,
    description: 'JWS algorithm of those that are JWTs, one of those the server keeps keys for.',
  })
  readonly accessTokenSigningAlg?: SigningAlgorithm | null;

  @Field(() => Int, { nullable: true, description: 'Their lifetime: 10 s to a day.' })
  readonly accessTokenLifetime?: number | null;
}

@InputType({ description: 'A kind of authorization details that an API resource understands.' })
export class AuthorizationDetailTypeInput {
  @Field(() => String, { description: 'The value of `type` (RFC 9396 §2).' })
  readonly type!: string;

  @Field(() => String, { description: 'What people see it called when they are asked.' })
  readonly displayName!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'A JSON Schema (2020-12) that details of the type must meet; any when absent.',
  })
  readonly schema?: Record<string, unknown> | null;
}

@InputType({ description: 'An API resource to define.' })
export class ApiResourceDefineInput extends IdempotentInput {
  @Field(() => String, {
    description: 'The resource indicator: an absolute URI without fragment (RFC 8707 §2).',
  })
  readonly identifier!: string;

  @Field(() => String, { description: 'What people see it called.' })
  readonly displayName!: string;

  @Field(() => ApiResourceTokenPolicyInput, {
    nullable: true,
    description: 'How access tokens for it are made; left to the client or server when absent.',
  })
  readonly tokenPolicy?: ApiResourceTokenPolicyInput | null;

  @Field(() => [AuthorizationDetailTypeInput], {
    nullable: true,
    description: 'The kinds of authorization details it understands; none when absent.',
  })
  readonly authorizationDetailTypes?: AuthorizationDetailTypeInput[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether it must be named by `resource` and shares no token; false when absent.',
  })
  readonly isolated?: boolean | null;
}

@InputType()
abstract class ApiResourceInput extends VersionedInput {
  @Field(() => String, { description: 'The API resource’s identifier.' })
  readonly identifier!: string;
}

@InputType({ description: 'A new name of an API resource.' })
export class ApiResourceRenameInput extends ApiResourceInput {
  @Field(() => String, { description: 'What people see it called.' })
  readonly displayName!: string;
}

@InputType({ description: 'A new token policy of an API resource.' })
export class ApiResourceTokenPolicyChangeInput extends ApiResourceInput {
  @Field(() => ApiResourceTokenPolicyInput, {
    description: 'How access tokens for it are made from now on.',
  })
  readonly tokenPolicy!: ApiResourceTokenPolicyInput;
}

@InputType({ description: 'The kinds of authorization details of an API resource.' })
export class ApiResourceAuthorizationDetailTypesChangeInput extends ApiResourceInput {
  @Field(() => [AuthorizationDetailTypeInput], {
    description: 'All kinds that it understands from now on (RFC 9396).',
  })
  readonly authorizationDetailTypes!: AuthorizationDetailTypeInput[];
}

@InputType({ description: 'Whether an API resource is kept apart from others.' })
export class ApiResourceIsolationChangeInput extends ApiResourceInput {
  @Field(() => Boolean, {
    description: 'Whether it must be named by `resource`, and has no token in common with another.',
  })
  readonly isolated!: boolean;
}

@InputType({ description: 'How JWT access tokens shall be encrypted.' })
export class ApiResourceEncryptionInput {
  @Field(() => String, {
    description: `JWE algorithm: ${RESOURCE_ENCRYPTION_ALGORITHMS.join(', ')}. With dir a secret is made, and shown once.`,
  })
  readonly alg!: (typeof RESOURCE_ENCRYPTION_ALGORITHMS)[number];

  @Field(() => String, {
    nullable: true,
    description: `How the content is encrypted: ${ENCRYPTION_METHODS.join(', ')}; A256GCM when absent.`,
  })
  readonly enc?: EncryptionMethod | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Public keys of the API as a JWK Set (RFC 7517), one of them for the algorithm.',
  })
  readonly jwks?: { keys: Record<string, unknown>[] } | null;
}

@InputType({ description: 'A new encryption of an API resource’s JWT access tokens.' })
export class ApiResourceEncryptionChangeInput extends ApiResourceInput {
  @Field(() => ApiResourceEncryptionInput, {
    nullable: true,
    description: 'How they are encrypted from now on; not at all when absent.',
  })
  readonly encryption?: ApiResourceEncryptionInput | null;
}

@InputType({ description: 'An API resource that shall no longer be there.' })
export class ApiResourceRemoveInput extends ApiResourceInput {}

@ObjectType({ description: 'The outcome of a mutation of an API resource.' })
export class ApiResourcePayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The API resource’s identifier.' })
  readonly identifier?: string | null;
}

@ObjectType({ description: 'The outcome of a mutation that may have made a secret.' })
export class ApiResourceSecretPayload extends ApiResourcePayload {
  @Field(() => String, {
    nullable: true,
    description: 'The new secret in base64url. It is shown here and never again; null for none.',
  })
  readonly secret?: string | null;
}

@Resolver(() => ApiResourcePayload)
export class ApiResourcePayloadResolver {
  @Requires('resources', 'read')
  @FieldResolver(() => ApiResource, {
    nullable: true,
    description: 'The API resource as it is now; null when there is none.',
  })
  apiResource(
    @Root() { identifier }: ApiResourcePayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return identifier ? loaders.apiResources.load(digest(identifier)) : null;
  }
}

/** Who changes this very API's tokens can lock everybody out. */
async function change<
  Input extends IdempotentInput & { readonly identifier: string },
  Result extends { identifier: string },
>(
  context: GraphContext,
  mutation: string,
  input: Input,
  command: Command<Input, Result>,
): Promise<Partial<Result> & Payload> {
  const { identifier } = input;
  if (identifier === ADMIN_RESOURCE) demand(context.principal.scopes, [EVERYTHING]);
  const about = { identifier } as Partial<Result>;
  return perform(context, { mutation, input, command, about });
}

@Resolver()
export class ApiResourceMutations {
  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, { description: 'Defines an API resource.' })
  apiResourceDefine(
    @Arg('input', () => ApiResourceDefineInput, theInput) input: ApiResourceDefineInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    return change(context, 'apiResourceDefine', input, commands.defineApiResource);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, { description: 'Changes what an API resource is called.' })
  apiResourceRename(
    @Arg('input', () => ApiResourceRenameInput, theInput) input: ApiResourceRenameInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    return change(context, 'apiResourceRename', input, commands.renameApiResource);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, {
    description: 'Changes how access tokens for an API resource are made.',
  })
  apiResourceTokenPolicyChange(
    @Arg('input', () => ApiResourceTokenPolicyChangeInput, theInput)
    input: ApiResourceTokenPolicyChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    const command = commands.changeApiResourceTokenPolicy;
    return change(context, 'apiResourceTokenPolicyChange', input, command);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, {
    description: 'Changes which kinds of authorization details an API resource understands.',
  })
  apiResourceAuthorizationDetailTypesChange(
    @Arg('input', () => ApiResourceAuthorizationDetailTypesChangeInput, theInput)
    input: ApiResourceAuthorizationDetailTypesChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    const command = commands.changeApiResourceAuthorizationDetailTypes;
    return change(context, 'apiResourceAuthorizationDetailTypesChange', input, command);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, {
    description: 'Changes whether an API resource is kept apart from others.',
  })
  apiResourceIsolationChange(
    @Arg('input', () => ApiResourceIsolationChangeInput, theInput)
    input: ApiResourceIsolationChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    const command = commands.changeApiResourceIsolation;
    return change(context, 'apiResourceIsolationChange', input, command);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourceSecretPayload, {
    description: 'Changes how JWT access tokens for an API resource are encrypted.',
  })
  apiResourceEncryptionChange(
    @Arg('input', () => ApiResourceEncryptionChangeInput, theInput)
    input: ApiResourceEncryptionChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourceSecretPayload> {
    return change(context, 'apiResourceEncryptionChange', input, changeApiResourceEncryption);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, {
    description: 'Removes an API resource. It can be defined again.',
  })
  apiResourceRemove(
    @Arg('input', () => ApiResourceRemoveInput, theInput) input: ApiResourceRemoveInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    return change(context, 'apiResourceRemove', input, commands.removeApiResource);
  }
}
