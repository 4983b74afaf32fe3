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
import { scopesOfRoles } from '../commands/admin-rights.ts';
import type { Command } from '../commands/command.ts';
import * as commands from '../commands/users.ts';
import { demand, Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { IdempotentInput, Payload, perform, theInput, VersionedInput } from './mutation.ts';
import { User } from './user.ts';
import { claimsOf, UserClaimsInput } from './user-claims.ts';

@InputType({ description: 'A person to register.' })
export class UserRegisterInput extends IdempotentInput {
  @Field(() => String, {
    description: 'The name they sign in with. Upper and lower case are alike; nobody may have it.',
  })
  readonly username!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Their password: at least 8 characters. Without one they cannot sign in yet.',
  })
  readonly password?: string | null;

  @Field(() => UserClaimsInput, { nullable: true, description: 'What is known of them.' })
  readonly claims?: UserClaimsInput | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Their roles. To make an administrator, one must hold admin:*.',
  })
  readonly roles?: string[] | null;
}

@InputType()
abstract class UserInput extends VersionedInput {
  @Field(() => String, { description: 'The person’s subject.' })
  readonly sub!: string;
}

@InputType({ description: 'What is known of a person from now on.' })
export class UserClaimsChangeInput extends UserInput {
  @Field(() => UserClaimsInput, { description: 'All of it: what is not given is forgotten.' })
  readonly claims!: UserClaimsInput;
}

@InputType({ description: 'New roles of a person.' })
export class UserRolesChangeInput extends UserInput {
  @Field(() => [String], { description: 'All of them: lower-case words.' })
  readonly roles!: string[];
}

@InputType({ description: 'A new password of a person.' })
export class UserPasswordSetInput extends UserInput {
  @Field(() => String, { description: 'At least 8 characters, and none of their names.' })
  readonly password!: string;
}

@InputType({ description: 'A new user code of a person.' })
export class UserBackchannelCodeChangeInput extends UserInput {
  @Field(() => String, {
    nullable: true,
    description: '4 to 64 characters; null takes the code away.',
  })
  readonly code?: string | null;
}

@InputType({ description: 'A person who shall be kept from signing in.' })
export class UserDisableInput extends UserInput {
  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@InputType({ description: 'A disabled person who shall be let in again.' })
export class UserEnableInput extends UserInput {}

@InputType({ description: 'A person who shall be forgotten.' })
export class UserEraseInput extends UserInput {}

@ObjectType({ description: 'The outcome of a mutation of a user.' })
export class UserPayload extends Payload {
  @Field(() => String, { nullable: true, description: 'The person’s subject.' })
  readonly sub?: string | null;
}

@Resolver(() => UserPayload)
export class UserPayloadResolver {
  @Requires('users', 'read')
  @FieldResolver(() => User, {
    nullable: true,
    description: 'The user as they are now; null when there is none.',
  })
  user(
    @Root() { sub }: UserPayload,
    @Ctx() { loaders }: GraphContext,
  ): Promise<object | null> | null {
    return sub ? loaders.users.load(sub) : null;
  }
}

interface AboutUser extends IdempotentInput {
  readonly sub?: string;
  readonly roles?: readonly string[] | null;
}

/** Whoever sets an operator's password can act as them: so they must hold all that the roles allow. */
async function change<Input extends AboutUser>(
  context: GraphContext,
  mutation: string,
  input: Input,
  command: Command<Input, { sub: string }>,
  again?: (result: { sub: string }) => Promise<void>,
): Promise<UserPayload> {
  const present = input.sub ? await context.loaders.users.load(input.sub) : null;
  const roles = [...(present?.roles ?? []), ...(input.roles ?? [])];
  demand(context.principal.scopes, scopesOfRoles(roles));
  return perform(context, { mutation, input, command, about: { sub: input.sub }, again });
}

@Resolver()
export class UserMutations {
  @Requires('users', 'write')
  @Mutation(() => UserPayload, { complexity: 100, description: 'Registers a person.' })
  userRegister(
    @Arg('input', () => UserRegisterInput, theInput) input: UserRegisterInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    const command: Command<UserRegisterInput, { sub: string }> = (on, { claims, ...given }, by) =>
      commands.registerUser(on, { ...given, claims: claimsOf(claims) }, by);
    return change(context, 'userRegister', input, command);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, {
    description: 'Changes what is known of a person; the name they sign in with stays.',
  })
  userClaimsChange(
    @Arg('input', () => UserClaimsChangeInput, theInput) input: UserClaimsChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    const command: Command<UserClaimsChangeInput, { sub: string }> = (on, given, by) =>
      commands.changeUserClaims(on, { ...given, claims: claimsOf(given.claims) }, by);
    return change(context, 'userClaimsChange', input, command);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, {
    description: 'Changes a person’s roles. To make an administrator, one must hold admin:*.',
  })
  userRolesChange(
    @Arg('input', () => UserRolesChangeInput, theInput) input: UserRolesChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    return change(context, 'userRolesChange', input, commands.changeUserRoles);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, { complexity: 100, description: 'Sets a person’s password.' })
  userPasswordSet(
    @Arg('input', () => UserPasswordSetInput, theInput) input: UserPasswordSetInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    return change(context, 'userPasswordSet', input, commands.setPassword);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, {
    complexity: 100,
    description:
      'Gives a person a code that clients which ask for them by the back channel have to send (OpenID Connect CIBA §7.1).',
  })
  userBackchannelCodeChange(
    @Arg('input', () => UserBackchannelCodeChangeInput, theInput)
    input: UserBackchannelCodeChangeInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    return change(context, 'userBackchannelCodeChange', input, commands.changeBackchannelCode);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, {
    description: 'Keeps a person from signing in, and ends what was issued for them.',
  })
  userDisable(
    @Arg('input', () => UserDisableInput, theInput) input: UserDisableInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    return change(context, 'userDisable', input, commands.disableUser);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, { description: 'Lets a disabled person in again.' })
  userEnable(
    @Arg('input', () => UserEnableInput, theInput) input: UserEnableInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    return change(context, 'userEnable', input, commands.enableUser);
  }

  @Requires('users', 'write')
  @Mutation(() => UserPayload, {
    description:
      'Forgets a person for ever: nothing of what was known of them can be read again, by anyone. Their history stays, without it.',
  })
  userErase(
    @Arg('input', () => UserEraseInput, theInput) input: UserEraseInput,
    @Ctx() context: GraphContext,
  ): Promise<UserPayload> {
    // A server that ended between the record and the deed left the key behind.
    const again = ({ sub }: { sub: string }) => context.subjectKeys.destroy(sub);
    return change(context, 'userErase', input, commands.eraseUser, again);
  }
}
