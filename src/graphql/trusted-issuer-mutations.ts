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
import * as commands from '../commands/trusted-issuers.ts';
import type * as domain from '../domain/trusted-issuer.ts';
import { digest } from '../platform/secrets.ts';
import { demand, Requires, scopesHandedOut } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { type IdempotentInput, Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { JsonScalar } from './scalars.ts';
import { SubjectMapping, TrustedIssuer } from './trusted-issuer.ts';

@InputType()
abstract class IssuerTermsInput extends VersionedInput {
  @Field(() => String, { description: 'The `iss` of its assertions.' })
  readonly issuer!: string;

  @Field(() => String, { description: 'What operators call it.' })
  readonly displayName!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Its public keys as a JWK Set (RFC 7517); either these or `jwksUri`.',
  })
  readonly jwks?: { keys: Record<string, unknown>[] } | null;

  @Field(() => String, {
    nullable: true,
    description: 'The https address at which it publishes its keys; either this or `jwks`.',
  })
  readonly jwksUri?: string | null;

  @Field(() => SubjectMapping, { description: 'What it calls people.' })
  readonly subjectMapping!: domain.SubjectMapping;

  @Field(() => [String], { description: 'The clients that may present its assertions.' })
  readonly clientIds!: string[];

  @Field(() => [String], {
    description: 'The scopes it may vouch for; * for all that the client may ask for.',
  })
  readonly scopes!: string[];
}

@InputType({ description: 'An issuer to trust.' })
export class TrustedIssuerAddInput extends IssuerTermsInput {}

@InputType({ description: 'How far an issuer is trusted from now on.' })
export class TrustedIssuerTermsChangeInput extends IssuerTermsInput {}

@InputType({ description: 'An issuer that shall no longer be trusted.' })
export class TrustedIssuerRemoveInput extends VersionedInput {
  @Field(() => String, { description: 'The `iss` of its assertions.' })
  readonly issuer!: string;

  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@ObjectType({ description: 'The outcome of a mutation of a trusted issuer.' })
export class TrustedIssuerPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The `iss` of its assertions.' })
  readonly issuer?: string | null;
}

@Resolver(() => TrustedIssuerPayload)
export class TrustedIssuerPayloadResolver {
  @Requires('issuers', 'read')
  @FieldResolver(() => TrustedIssuer, {
    nullable: true,
    description: 'The issuer as it is trusted now; null when it is not.',
  })
  trustedIssuer(
    @Root() { issuer }: TrustedIssuerPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return issuer ? loaders.trustedIssuers.load(digest(issuer)) : null;
  }
}

type AboutIssuer = IdempotentInput & {
  readonly issuer: string;
  readonly scopes?: readonly string[];
};

/** Who lets somebody vouch for scopes of this API must hold them. */
function change<Input extends AboutIssuer>(
  context: GraphContext,
  mutation: string,
  input: Input,
  command: Command<Input, { issuer: string }>,
): Promise<TrustedIssuerPayload> {
  demand(context.principal.scopes, scopesHandedOut(input.scopes ?? []));
  return perform(context, { mutation, input, command, about: { issuer: input.issuer } });
}

@Resolver()
export class TrustedIssuerMutations {
  @Requires('issuers', 'write')
  @Mutation(() => TrustedIssuerPayload, {
    description: 'Trusts an issuer: its assertions are taken as grants from now on (RFC 7523).',
  })
  trustedIssuerAdd(
    @Arg('input', () => TrustedIssuerAddInput, theInput) input: TrustedIssuerAddInput,
    @Ctx() context: GraphContext,
  ): Promise<TrustedIssuerPayload> {
    return change(context, 'trustedIssuerAdd', input, commands.trustIssuer);
  }

  @Requires('issuers', 'write')
  @Mutation(() => TrustedIssuerPayload, { description: 'Changes how far an issuer is trusted.' })
  trustedIssuerTermsChange(
    @Arg('input', () => TrustedIssuerTermsChangeInput, theInput)
    input: TrustedIssuerTermsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<TrustedIssuerPayload> {
    return change(context, 'trustedIssuerTermsChange', input, commands.changeIssuerTrustTerms);
  }

  @Requires('issuers', 'write')
  @Mutation(() => TrustedIssuerPayload, {
    description:
      'Trusts an issuer no longer. Tokens that were given on its word keep their lifetimes.',
  })
  trustedIssuerRemove(
    @Arg('input', () => TrustedIssuerRemoveInput, theInput) input: TrustedIssuerRemoveInput,
    @Ctx() context: GraphContext,
  ): Promise<TrustedIssuerPayload> {
    return change(context, 'trustedIssuerRemove', input, commands.withdrawIssuerTrust);
  }
}
