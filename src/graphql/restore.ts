import { Arg, Ctx, Field, InputType, Mutation, Resolver } from 'type-graphql';
import type { Command } from '../commands/command.ts';
import * as commands from '../commands/configuration/restore.ts';
import { ApiResourcePayload } from './api-resource-mutations.ts';
import { demand, EVERYTHING, Requires } from './authorize.ts';
import { ClientPayload } from './client/client-mutations.ts';
import type { GraphContext } from './context.ts';
import { type Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { ScopePayload } from './scope-mutations.ts';
import { AsOf, resolveMoment } from './time-travel/moment.ts';
import { TrustedIssuerPayload } from './trusted-issuer-mutations.ts';

@InputType()
abstract class RestoreInput extends VersionedInput {
  @Field(() => AsOf, { description: 'The moment at which it was as it shall be again.' })
  readonly asOf!: AsOf;
}

@InputType({ description: 'A client to put back to what it was.' })
export class ClientRestoreInput extends RestoreInput {
  @Field(() => String, { description: 'The client’s client_id.' })
  readonly clientId!: string;
}

@InputType({ description: 'A scope to put back to what it was.' })
export class ScopeRestoreInput extends RestoreInput {
  @Field(() => String, { description: 'The scope’s name.' })
  readonly name!: string;
}

@InputType({ description: 'An API resource to put back to what it was.' })
export class ApiResourceRestoreInput extends RestoreInput {
  @Field(() => String, { description: 'The API resource’s identifier.' })
  readonly identifier!: string;
}

@InputType({ description: 'A trusted issuer to put back to what it was.' })
export class TrustedIssuerRestoreInput extends RestoreInput {
  @Field(() => String, { description: 'The `iss` of its assertions.' })
  readonly issuer!: string;
}

/** What an entity was may allow more than it does now: only who holds everything brings it back. */
async function restore<Key extends string, Result extends Payload>(
  context: GraphContext,
  mutation: string,
  key: Key,
  input: RestoreInput & { readonly [K in Key]: string },
  command: Command<commands.RestoreInput, { id: string }>,
): Promise<Result> {
  demand(context.principal.scopes, [EVERYTHING]);
  const id: string = input[key];
  const { position } = await resolveMoment(context, input.asOf, 'input.asOf');
  const { expectedVersion, idempotencyKey } = input;
  const done = await perform(context, {
    mutation,
    input: { id, position, expectedVersion, idempotencyKey },
    command,
    about: { id },
  });
  return { ...done, [key]: id } as unknown as Result;
}

@Resolver()
export class RestoreMutations {
  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description:
      'Puts a client back to what it was, by new events: its registration and translations, but not its secrets. Requires admin:* as well.',
  })
  clientRestore(
    @Arg('input', () => ClientRestoreInput, theInput) input: ClientRestoreInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return restore(context, 'clientRestore', 'clientId', input, commands.restoreClient);
  }

  @Requires('scopes', 'write')
  @Mutation(() => ScopePayload, {
    description:
      'Puts a scope back to what it was, by new events; one that was removed, too. Requires admin:* as well.',
  })
  scopeRestore(
    @Arg('input', () => ScopeRestoreInput, theInput) input: ScopeRestoreInput,
    @Ctx() context: GraphContext,
  ): Promise<ScopePayload> {
    return restore(context, 'scopeRestore', 'name', input, commands.restoreScope);
  }

  @Requires('resources', 'write')
  @Mutation(() => ApiResourcePayload, {
    description:
      'Puts an API resource back to what it was, by new events; one that was removed, too. Requires admin:* as well.',
  })
  apiResourceRestore(
    @Arg('input', () => ApiResourceRestoreInput, theInput) input: ApiResourceRestoreInput,
    @Ctx() context: GraphContext,
  ): Promise<ApiResourcePayload> {
    const command = commands.restoreApiResource;
    return restore(context, 'apiResourceRestore', 'identifier', input, command);
  }

  @Requires('issuers', 'write')
  @Mutation(() => TrustedIssuerPayload, {
    description:
      'Trusts an issuer as it was trusted before, by new events. Requires admin:* as well.',
  })
  trustedIssuerRestore(
    @Arg('input', () => TrustedIssuerRestoreInput, theInput) input: TrustedIssuerRestoreInput,
    @Ctx() context: GraphContext,
  ): Promise<TrustedIssuerPayload> {
    const command = commands.restoreTrustedIssuer;
    return restore(context, 'trustedIssuerRestore', 'issuer', input, command);
  }
}
