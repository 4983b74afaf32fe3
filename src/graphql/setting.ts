import { Ctx, Field, ObjectType, Query, Resolver } from 'type-graphql';
import { ROLES } from '../commands/admin-rights.ts';
import type { SettingInForce } from '../platform/config.ts';
import { Requires } from './authorize.ts';
import type { GraphContext } from './context.ts';

@ObjectType({ description: 'How the server is set up, by an environment variable.' })
export class Setting {
  @Field(() => String, { description: 'The environment variable.' })
  readonly variable!: string;

  @Field(() => String, { description: 'What it is for.' })
  readonly description!: string;

  @Field(() => String, { nullable: true, description: 'What holds when it is not set.' })
  readonly default!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What holds in the process that answers. Of a secret, only that it is "[set]".',
  })
  readonly value!: string | null;
}

@ObjectType({ description: 'A role of operators.' })
export class Role {
  @Field(() => String, { description: 'Its name, as users have it among their roles.' })
  readonly name!: string;

  @Field(() => [String], { description: 'The scopes of this API that it allows.' })
  readonly scopes!: readonly string[];
}

@Resolver()
export class SettingResolver {
  @Requires('settings', 'read')
  @Query(() => [Setting], { description: 'How the server is set up.' })
  settings(@Ctx() { settings }: GraphContext): readonly SettingInForce[] {
    return settings;
  }

  @Requires('users', 'read')
  @Query(() => [Role], { description: 'The roles of operators, and what each allows.' })
  roles(): Role[] {
    return Object.entries(ROLES).map(([name, scopes]) => ({ name, scopes }));
  }
}
