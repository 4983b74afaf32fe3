import { Arg, Ctx, Field, InputType, Mutation, Resolver } from 'type-graphql';
import * as commands from '../../commands/clients.ts';
import { Requires } from '../authorize.ts';
import type { GraphContext } from '../context.ts';
import { theInput } from '../mutation.ts';
import { ClientInput } from './client-inputs.ts';
import { ClientPayload, change } from './client-mutations.ts';

@InputType({
  description: 'What people shall see of a client in one language; absent: the same as elsewhere.',
})
export class ClientTextInput {
  @Field(() => String, { nullable: true, description: 'What it is called there.' })
  readonly displayName?: string | null;

  @Field(() => String, { nullable: true, description: 'What it is for, in that language.' })
  readonly description?: string | null;

  @Field(() => String, { nullable: true, description: 'Its home page.' })
  readonly clientUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its picture.' })
  readonly logoUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its privacy policy.' })
  readonly policyUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its terms of service.' })
  readonly tosUri?: string | null;
}

@InputType({ description: 'A translation of what people see of a client.' })
export class ClientLocalizeInput extends ClientInput {
  @Field(() => String, { description: 'The language (BCP 47), such as de or pt-BR.' })
  readonly locale!: string;

  @Field(() => ClientTextInput, {
    nullable: true,
    description: 'All of it; null takes the translation away.',
  })
  readonly text?: ClientTextInput | null;
}

@Resolver()
export class ClientLocalizationMutations {
  @Requires('clients', 'write')
  @Mutation(() => ClientPayload, {
    description: 'Changes what people see of a client in one language.',
  })
  clientLocalize(
    @Arg('input', () => ClientLocalizeInput, theInput) input: ClientLocalizeInput,
    @Ctx() context: GraphContext,
  ): Promise<ClientPayload> {
    return change(context, 'clientLocalize', input, commands.localizeClient);
  }
}
