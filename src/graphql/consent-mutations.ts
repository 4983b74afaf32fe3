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
import * as commands from '../commands/consents.ts';
import { demand, Requires, scopesHandedOut } from './authorize.ts';
import { Consent } from './consent.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput } from './mutation.ts';

@InputType({ description: 'Scopes allowed on one API resource.' })
export class ResourceScopesInput {
  @Field(() => String, { description: 'The resource’s identifier.' })
  readonly resource!: string;

  @Field(() => [String], { description: 'Names of the scopes.' })
  readonly scopes!: string[];
}

@InputType()
abstract class ConsentInput extends IdempotentInput {
  @Field(() => String, { description: 'The person’s subject.' })
  readonly sub!: string;

  @Field(() => String, { description: 'The client’s client_id.' })
  readonly clientId!: string;
}

@InputType({ description: 'What a person allows a client, as decided elsewhere.' })
export class ConsentGrantInput extends ConsentInput {
  @Field(() => [String], { nullable: true, description: 'Scopes of the person’s own account.' })
  readonly scopes?: string[] | null;

  @Field(() => [String], { nullable: true, description: 'Claims by name.' })
  readonly claims?: string[] | null;

  @Field(() => [ResourceScopesInput], { nullable: true, description: 'Scopes by API resource.' })
  readonly resources?: ResourceScopesInput[] | null;
}

@InputType({ description: 'A consent that shall no longer hold.' })
export class ConsentWithdrawInput extends ConsentInput {}

@ObjectType({ description: 'The outcome of a mutation of a consent.' })
export class ConsentPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The consent’s id in the log.' })
  readonly consentId?: string | null;
}

@Resolver(() => ConsentPayload)
export class ConsentPayloadResolver {
  @Requires('consents', 'read')
  @FieldResolver(() => Consent, {
    nullable: true,
    description: 'The consent as it is now; null when there is none.',
  })
  consent(
    @Root() { consentId }: ConsentPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return consentId ? loaders.consents.load(consentId) : null;
  }
}

@Resolver()
export class ConsentMutations {
  @Requires('consents', 'write')
  @Mutation(() => ConsentPayload, {
    description:
      'Records for a person that they allow a client something: for clients whose consent is given elsewhere. It is added to what they allow already.',
  })
  async consentGrant(
    @Arg('input', () => ConsentGrantInput, theInput) input: ConsentGrantInput,
    @Ctx() context: GraphContext,
  ): Promise<ConsentPayload> {
    const { sub, clientId, scopes, resources } = input;
    const all = [...(scopes ?? []), ...(resources ?? []).flatMap((each) => each.scopes)];
    demand(context.principal.scopes, scopesHandedOut(all));
    const [user, client] = await Promise.all([
      context.loaders.users.load(sub),
      context.loaders.clients.load(clientId),
    ]);
    const known = { user: user !== null && !user.erased_at, client: client !== null };
    const command = commands.grantConsent(known);
    const about = { consentId: `${sub}.${clientId}` };
    return perform(context, { mutation: 'consentGrant', input, command, about });
  }

  @Requires('consents', 'write')
  @Mutation(() => ConsentPayload, {
    description: 'Takes a consent back as a whole, and ends every grant that rests on it.',
  })
  consentWithdraw(
    @Arg('input', () => ConsentWithdrawInput, theInput) input: ConsentWithdrawInput,
    @Ctx() context: GraphContext,
  ): Promise<ConsentPayload> {
    const command = commands.withdrawConsent;
    const about = { consentId: `${input.sub}.${input.clientId}` };
    return perform(context, { mutation: 'consentWithdraw', input, command, about });
  }
}
