import { Field, InputType } from 'type-graphql';
import type { Instant } from '../domain/ids.ts';
import { type Condition, equal } from '../projections/page.ts';
import { AuthorizationStatus, withStatus } from './authorization-status.ts';
import { searchable } from './errors.ts';

@InputType({ description: 'Which requests: those that meet every condition given.' })
export class AuthorizationFilter {
  @Field(() => String, { nullable: true, description: 'Only those of this client.' })
  readonly clientId?: string | null;

  @Field(() => String, { nullable: true, description: 'Only those to this person.' })
  readonly sub?: string | null;

  @Field(() => AuthorizationStatus, { nullable: true, description: 'Only those with this status.' })
  readonly status?: AuthorizationStatus | null;
}

/** Of a list of requests, those that are meant. @param at when they have the status; now when absent */
export function conditions(
  { clientId, sub, status }: AuthorizationFilter,
  at: Instant = new Date().toISOString(),
): Condition[] {
  return [
    ...(clientId ? [equal('client_id', searchable(clientId, 'filter.clientId'))] : []),
    ...(sub ? [equal('sub', searchable(sub, 'filter.sub'))] : []),
    ...(status ? withStatus(status, at) : []),
  ];
}
