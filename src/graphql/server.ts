import { randomUUID } from 'node:crypto';
import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type Koa from 'koa';
import { traced } from '../platform/tracing.ts';
import { authenticated, sourceOf } from './authenticate.ts';
import { contextFor, type Dependencies, type GraphContext } from './context.ts';
import { ask, HttpError, send, sendError } from './http.ts';
import { aliasLimit, depthLimit, MAX_TOKENS } from './limits.ts';
import { type PersistedOperations, persisted } from './persisted-operations.ts';
import {
  costLimit,
  discretion,
  formatError,
  introspectionGuard,
  isAway,
  loggable,
  observation,
} from './plugins.ts';
import { adminSchema } from './schema.ts';

const PATH = '/graphql';
const TIMEOUT_MS = 10_000;

export interface ServerOptions {
  readonly timeoutMs?: number;
  /** No others are executed. */
  readonly operations?: PersistedOperations | undefined;
}

/** The Admin API as a Koa middleware: answers /graphql, and passes on everything else. */
export async function graphqlMiddleware(
  dependencies: Dependencies,
  { timeoutMs = TIMEOUT_MS, operations }: ServerOptions = {},
): Promise<Koa.Middleware> {
  const apollo = await startApollo();
  const operation = operations && ((body: unknown) => persisted(operations, body));

  async function respond(ctx: Koa.Context, requestId: string): Promise<void> {
    const principal = await authenticated(ctx, dependencies);
    const context = contextFor(dependencies, { principal, requestId, source: sourceOf(ctx) });
    const answer = () => inTime(ask(apollo, ctx, context, operation), timeoutMs);
    send(ctx, await traced('graphql', answer));
  }

  return async (ctx, next) => {
    if (ctx.path !== PATH) return next();
    const requestId = (ctx.state.requestId as string | undefined) ?? randomUUID();
    ctx.set('X-Request-Id', requestId);
    ctx.set('Cache-Control', 'no-store');
    try {
      await respond(ctx, requestId);
    } catch (error) {
      const known = error instanceof HttpError;
      if (!known || error.status >= 500) {
        dependencies.log.error({ requestId, error: loggable(error) }, 'an admin call failed');
      }
      sendError(ctx, known ? error : unexpected(error), requestId);
    }
  };
}

async function startApollo(): Promise<ApolloServer<GraphContext>> {
  const apollo = new ApolloServer<GraphContext>({
    schema: await adminSchema(),
    // For those who may: introspectionGuard sees to it.
    introspection: true,
    nodeEnv: 'production',
    includeStacktraceInErrorResponses: false,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: MAX_TOKENS },
    validationRules: [depthLimit(), aliasLimit()],
    formatError,
    plugins: [
      introspectionGuard,
      costLimit,
      discretion,
      observation,
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
    ],
  });
  await apollo.start();
  return apollo;
}

/** @throws HttpError TIMEOUT. What was wished may be done all the same: hence idempotency keys. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new HttpError(503, 'TIMEOUT', `no answer within ${ms / 1000} s`);
    timer = setTimeout(reject, ms, error);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

function unexpected(error: unknown): HttpError {
  return isAway(error)
    ? new HttpError(503, 'SERVICE_UNAVAILABLE', 'the database is away; try again')
    : new HttpError(500, 'INTERNAL_SERVER_ERROR', 'internal server error');
}
