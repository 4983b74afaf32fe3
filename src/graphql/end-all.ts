import { Field, InputType } from 'type-graphql';
import { VersionedInput } from './mutation.ts';
import { DateTimeScalar } from './scalars.ts';

/** That all of somebody's shall end. */
@InputType()
export abstract class EndAllInput extends VersionedInput {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Only those that began then or later; all when absent.',
  })
  readonly since?: string | null;

  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}
