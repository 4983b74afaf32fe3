import type { ApolloServerPlugin, GraphQLRequestContext } from '@apollo/server';
import {
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  Kind,
} from 'graphql';
import { DomainError } from '../domain/errors.ts';
import { LogUnavailable } from '../eventstore/event-store.ts';
import { isTransient } from '../platform/postgres.ts';
import { describeSpan } from '../platform/tracing.ts';
import { demand, READ_SCHEMA_SCOPE } from './authorize.ts';
import type { GraphContext } from './context.ts';
import { costOf, introspects, MAX_COST } from './limits.ts';

type Plugin = ApolloServerPlugin<GraphContext>;

/** Refuses what costs too much, and says in `extensions.cost` what an operation cost. */
export const costLimit: Plugin = {
  async requestDidStart() {
    let requested: number | undefined;
    return {
      async didResolveOperation({ schema, document, operation, request }) {
        requested = operation && costOf(schema, document, operation, request.variables ?? {});
        if (requested === undefined || requested <= MAX_COST) return;
        const message = `the operation costs ${requested}; at most ${MAX_COST} are allowed`;
        throw new GraphQLError(message, { extensions: { code: 'QUERY_TOO_COMPLEX' } });
      },
      async willSendResponse(call) {
        const result = singleResult(call);
        if (!result || requested === undefined) return;
        result.extensions = { ...result.extensions, cost: { requested, maximum: MAX_COST } };
      },
    };
  },
};

/** Lets only those ask about the schema who may. */
export const introspectionGuard: Plugin = {
  async requestDidStart() {
    return {
      async didResolveOperation({ document, contextValue: { principal, development } }) {
        if (development || !introspects(document)) return;
        demand(principal.scopes, [READ_SCHEMA_SCOPE]);
      },
    };
  },
};

/** Tells of each operation what became of it, and names the span after the fields it asks for. */
export const observation: Plugin = {
  async requestDidStart() {
    const started = performance.now();
    return {
      async didResolveOperation({ operation }) {
        describeSpan((span) => {
          if (!operation) return;
          const fields = operation.selectionSet.selections.flatMap((each) =>
            each.kind === Kind.FIELD ? each.name.value : [],
          );
          span.updateName(`graphql ${operation.operation}`);
          span.setAttributes({
            'graphql.operation.type': operation.operation,
            'graphql.fields': [...new Set(fields)],
          });
        });
      },
      async willSendResponse(call) {
        const outcome = outcomeOf(singleResult(call));
        const seconds = (performance.now() - started) / 1_000;
        const type = call.operation?.operation ?? 'invalid';
        call.contextValue.observe?.({ type, outcome, seconds });
        describeSpan((span) => span.setAttribute('muniment.outcome', outcome));
      },
    };
  },
};

function outcomeOf(result: FormattedExecutionResult | undefined): string {
  const [error] = result?.errors ?? [];
  if (error) return String(error.extensions?.code ?? 'INTERNAL_SERVER_ERROR');
  const refused = Object.values(result?.data ?? {}).some(
    (field) => (field as { userErrors?: unknown[] } | null)?.userErrors?.length,
  );
  return refused ? 'refused' : 'ok';
}

/** What went wrong inside stays inside: the caller gets the request's id, the log gets the error. */
export const discretion: Plugin = {
  async requestDidStart() {
    return {
      async didEncounterErrors({ errors, contextValue: { log, requestId } }) {
        for (const { originalError, path } of errors) {
          if (!originalError || originalError instanceof GraphQLError) continue;
          const error = loggable(originalError);
          log.error({ requestId, path: path?.join('.'), error }, 'an admin call failed');
        }
      },
      async willSendResponse(call) {
        const result = singleResult(call);
        const { requestId } = call.contextValue;
        if (!result?.errors) return;
        result.errors = result.errors.map((error) => withRequestId(error, requestId));
      },
    };
  },
};

/** For Apollo: what to say of an error that nobody meant for the caller. */
export function formatError(formatted: GraphQLFormattedError, thrown: unknown) {
  const { path, locations, extensions } = formatted;
  const original = thrown instanceof GraphQLError ? thrown.originalError : thrown;
  if (isAway(original)) {
    const message = 'the database is away; try again';
    return { message, path, locations, extensions: { code: 'SERVICE_UNAVAILABLE' } };
  }
  if (extensions?.code !== 'INTERNAL_SERVER_ERROR') return formatted;
  const message = 'internal server error';
  return { message, path, locations, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

/** Whether the database or the log was away, rather than something wrong. */
export function isAway(error: unknown): boolean {
  if (error instanceof DomainError) return error.code === 'unavailable';
  return error instanceof LogUnavailable || isTransient(error);
}

/** What the log may know of an error: not the details, in which Postgres quotes values. */
export function loggable(error: unknown): object {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { name, message, stack };
}

/** Only for errors on our side: they are what people ask the operator about. */
function withRequestId(error: GraphQLFormattedError, requestId: string): GraphQLFormattedError {
  const code = error.extensions?.code;
  const ours = code === 'INTERNAL_SERVER_ERROR' || code === 'SERVICE_UNAVAILABLE';
  return ours ? { ...error, extensions: { code, requestId } } : error;
}

function singleResult({
  response,
}: GraphQLRequestContext<GraphContext>): FormattedExecutionResult | undefined {
  return response.body?.kind === 'single' ? response.body.singleResult : undefined;
}
