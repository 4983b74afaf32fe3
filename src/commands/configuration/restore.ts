import { z } from 'zod';
import { apiResource } from '../../domain/api-resource.ts';
import { client } from '../../domain/client.ts';
import { type Decider, fold, streamOf, type Wish } from '../../domain/decider.ts';
import { DomainError } from '../../domain/errors.ts';
import { scope } from '../../domain/scope.ts';
import { trustedIssuer } from '../../domain/trusted-issuer.ts';
import { toPosition } from '../../eventstore/event-store.ts';
import { act } from '../../eventstore/execute.ts';
import { upcast } from '../../eventstore/upcast.ts';
import { digest } from '../../platform/secrets.ts';
import { type Command, carryOut, expectedVersion, parse } from '../command.ts';

/** Which entity, and the position in the log at which it was as it shall be again. */
export interface RestoreInput {
  readonly id: string;
  readonly position: string;
  readonly expectedVersion?: number | null;
}

const input = z.object({
  id: z.string().min(1).max(2_000),
  position: z.string().regex(/^\d{1,20}$/, 'must be a position in the log'),
  expectedVersion,
});

/**
 * Puts an entity back to what it was at a position: as new facts, never by a change of the past.
 * @param declaration what was declared then; undefined where the entity was not there
 */
function restore<S, W, F>(
  decider: Decider<S, W, F>,
  entityId: (id: string) => string,
  declaration: (then: S) => Wish<W> | undefined,
): Command<RestoreInput, { id: string }> {
  return async (context, raw, envelope) => {
    const { id, position, expectedVersion } = parse(input, raw);
    const until = toPosition(position);
    const events = await context.store.read(streamOf(decider, entityId(id)));
    const past = events.filter((event) => event.position <= until);
    const wish = declaration(fold(decider, past.map(upcast)));
    if (!wish) {
      throw new DomainError('not_found', 'it was not there at that moment', { field: 'asOf' });
    }
    const acts = [act(decider, entityId(id), [wish], { expectedVersion })];
    return carryOut(context, acts, envelope, { id });
  };
}

const asIs = (id: string) => id;

/** With its translations, but not its secrets: what was revoked stays revoked. */
export const restoreClient = restore(client, asIs, ({ status, registration, localizations }) =>
  registration && status !== 'removed'
    ? { type: 'DeclareClient', data: { registration, localizations } }
    : undefined,
);

export const restoreScope = restore(scope, asIs, ({ definition, localizations }) =>
  definition ? { type: 'DeclareScope', data: { definition, localizations } } : undefined,
);

export const restoreApiResource = restore(apiResource, digest, ({ definition }) =>
  definition ? { type: 'DeclareApiResource', data: definition } : undefined,
);

export const restoreTrustedIssuer = restore(trustedIssuer, digest, ({ trusted }) =>
  trusted ? { type: 'DeclareTrustedIssuer', data: trusted } : undefined,
);
