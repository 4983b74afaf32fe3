import { Arg, Ctx, Field, FieldResolver, Mutation, ObjectType, Resolver, Root } from 'type-graphql';
import * as commands from '../../commands/clients.ts';
import type { Command } from '../../commands/command.ts';
import { demand, Requires, scopesHandedOut } from '../authorize.ts';
import type { GraphContext } from '../context.ts';
import { type IdempotentInput, Payload, perform, theInput } from '../mutation.ts';
import { Client } from './client.ts';
import * as inputs from './client-inputs.ts';

@ObjectType({ description: 'The outcome of a mutation of a client.' })
export class ClientPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The client’s client_id.' })
  readonly clientId?: string | null;
}

@ObjectType({ description: 'The outcome of a mutation that may have made a secret.' })
export class ClientSecretPayload extends ClientPayload {
  @Field(() => String, {
    nullable: true,
    description: 'The new secret. It is shown here and never again; null when none was made.',
  })
  readonly secret?: string | null;

  @Field(() => String, { nullable: true, description: 'Tells the secret from the others.' })
  readonly secretId?: string | null;
}

@Resolver(() => ClientPayload)
export class ClientPayloadResolver {
  @Requires('clients', 'read')
  @FieldResolver(() => Client, {
    nullable: true,
    description: 'The client as it is now; null when there is none.',
  })
  client(
    @Root() { clientId }: ClientPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return clientId ? loaders.clients.load(clientId) : null;
  }
}

interface AboutClient extends IdempotentInput {
  readonly clientId?: string | null;
  readonly permissions?: { readonly scopes: readonly string[] } | null;
}

/**
 * Whoever changes a client could make it their own, by a secret or a redirect URI: so they must hold
 * what scopes of this API it may ask for, before and after.
 */
export async function change<Input extends AboutClient, Result extends { clientId: string }>(
  context: GraphContext,
  mutation: string,
  input: Input,
  command: Command<Input, Result>,
): Promise<Partial<Result> & Payload> {
  const { clientId, permissions } = input;
  const present = clientId ? await context.loaders.clients.load(clientId) : null;
  demand(context.principal.scopes, [
    ...scopesHandedOut(present?.permissions.scopes ?? []),
    ...scopesHandedOut(permissions?.scopes ?? []),
  ]);
  const about = { clientId: clientId ?? undefined } as Partial<Result>;
  return perform(context, { mutation, input, command, about });
}

@Resolver()
export class ClientMutations {
  @Requires('clients', 'write')
  @Mutation(() => ClientSecretPayload, {
    description: 'Registers a client. One that authenticates with a secret gets its first.',
  })
  clientRegister(
    @Arg('input', () => inputs.ClientRegisterInput, theInput) input: inputs.ClientRegisterInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientSecretPayload> {
    return change(context, 'clientRegister', input, commands.registerClient);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes what people see of a client.' })
  clientPresentationChange(
    @Arg('input', () => inputs.ClientPresentationChangeInput, theInput)
    input: inputs.ClientPresentationChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientPresentation;
    return change(context, 'clientPresentationChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes where people may be sent back to after signing in.',
  })
  clientRedirectUrisChange(
    @Arg('input', () => inputs.ClientRedirectUrisChangeInput, theInput)
    input: inputs.ClientRedirectUrisChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientRedirectUris;
    return change(context, 'clientRedirectUrisChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes where people may be sent after signing out.',
  })
  clientPostLogoutRedirectUrisChange(
    @Arg('input', () => inputs.ClientPostLogoutRedirectUrisChangeInput, theInput)
    input: inputs.ClientPostLogoutRedirectUrisChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientPostLogoutRedirectUris;
    return change(context, 'clientPostLogoutRedirectUrisChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description:
      'Changes what a client may do. To let it ask for a scope of this API, one must hold that scope.',
  })
  clientPermissionsChange(
    @Arg('input', () => inputs.ClientPermissionsChangeInput, theInput)
    input: inputs.ClientPermissionsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientPermissionsChange', input, commands.changeClientPermissions);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes what a client must do.' })
  clientRequirementsChange(
    @Arg('input', () => inputs.ClientRequirementsChangeInput, theInput)
    input: inputs.ClientRequirementsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientRequirementsChange', input, commands.changeClientRequirements);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes who agrees that a client may act.' })
  clientConsentTypeChange(
    @Arg('input', () => inputs.ClientConsentTypeChangeInput, theInput)
    input: inputs.ClientConsentTypeChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientConsentTypeChange', input, commands.changeClientConsentType);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes for how long a client may rely on what people agreed to.',
  })
  clientConsentLifetimeChange(
    @Arg('input', () => inputs.ClientConsentLifetimeChangeInput, theInput)
    input: inputs.ClientConsentLifetimeChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientConsentLifetime;
    return change(context, 'clientConsentLifetimeChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes how far a client may exchange tokens.' })
  clientTokenExchangePolicyChange(
    @Arg('input', () => inputs.ClientTokenExchangePolicyChangeInput, theInput)
    input: inputs.ClientTokenExchangePolicyChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientTokenExchangePolicy;
    return change(context, 'clientTokenExchangePolicyChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes how a client’s tokens are made.' })
  clientTokenPolicyChange(
    @Arg('input', () => inputs.ClientTokenPolicyChangeInput, theInput)
    input: inputs.ClientTokenPolicyChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientTokenPolicyChange', input, commands.changeClientTokenPolicy);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes how what a client is told is signed and encrypted.',
  })
  clientResponseProtectionChange(
    @Arg('input', () => inputs.ClientResponseProtectionChangeInput, theInput)
    input: inputs.ClientResponseProtectionChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientResponseProtection;
    return change(context, 'clientResponseProtectionChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes how a client proves who it is.' })
  clientAuthenticationMethodChange(
    @Arg('input', () => inputs.ClientAuthenticationMethodChangeInput, theInput)
    input: inputs.ClientAuthenticationMethodChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientAuthenticationMethod;
    return change(context, 'clientAuthenticationMethodChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes the name by which a client’s certificate is recognised.',
  })
  clientCertificateSubjectChange(
    @Arg('input', () => inputs.ClientCertificateSubjectChangeInput, theInput)
    input: inputs.ClientCertificateSubjectChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    const command = commands.changeClientCertificateSubject;
    return change(context, 'clientCertificateSubjectChange', input, command);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes which rules a client keeps to. Its settings must keep them already.',
  })
  clientProfileChange(
    @Arg('input', () => inputs.ClientProfileChangeInput, theInput)
    input: inputs.ClientProfileChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientProfileChange', input, commands.changeClientProfile);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes a client’s public keys.' })
  clientKeysChange(
    @Arg('input', () => inputs.ClientKeysChangeInput, theInput)
    input: inputs.ClientKeysChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientKeysChange', input, commands.changeClientKeys);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes by which subject a client knows people.' })
  clientSubjectTypeChange(
    @Arg('input', () => inputs.ClientSubjectTypeChangeInput, theInput)
    input: inputs.ClientSubjectTypeChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientSubjectTypeChange', input, commands.changeClientSubjectType);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes what a client is told of the end of a session.',
  })
  clientLogoutChange(
    @Arg('input', () => inputs.ClientLogoutChangeInput, theInput)
    input: inputs.ClientLogoutChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientLogoutChange', input, commands.changeClientLogout);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes how a client asks for people who are elsewhere.',
  })
  clientCibaChange(
    @Arg('input', () => inputs.ClientCibaChangeInput, theInput)
    input: inputs.ClientCibaChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientCibaChange', input, commands.changeClientCiba);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes whose scripts may call the endpoints for a client.',
  })
  clientAllowedOriginsChange(
    @Arg('input', () => inputs.ClientAllowedOriginsChangeInput, theInput)
    input: inputs.ClientAllowedOriginsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(
      context,
      'clientAllowedOriginsChange',
      input,
      commands.changeClientAllowedOrigins,
    );
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Changes what is kept with a client.' })
  clientPropertiesChange(
    @Arg('input', () => inputs.ClientPropertiesChangeInput, theInput)
    input: inputs.ClientPropertiesChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientPropertiesChange', input, commands.changeClientProperties);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientSecretPayload, {
    description: 'Adds a secret beside those a client has, so that it can be rolled over.',
  })
  clientSecretAdd(
    @Arg('input', () => inputs.ClientSecretAddInput, theInput) input: inputs.ClientSecretAddInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientSecretPayload> {
    return change(context, 'clientSecretAdd', input, commands.addClientSecret);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Ends a secret of a client.' })
  clientSecretRevoke(
    @Arg('input', () => inputs.ClientSecretRevokeInput, theInput)
    input: inputs.ClientSecretRevokeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientSecretRevoke', input, commands.revokeClientSecret);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Has a client refused wherever it comes, and its tokens with it.',
  })
  clientDisable(
    @Arg('input', () => inputs.ClientDisableInput, theInput) input: inputs.ClientDisableInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientDisable', input, commands.disableClient);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, { description: 'Lets a disabled client in again.' })
  clientEnable(
    @Arg('input', () => inputs.ClientEnableInput, theInput) input: inputs.ClientEnableInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientEnable', input, commands.enableClient);
  }

  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Removes a client for ever; its id cannot be used again.',
  })
  clientRemove(
    @Arg('input', () => inputs.ClientRemoveInput, theInput) input: inputs.ClientRemoveInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientRemove', input, commands.removeClient);
  }
}
