import { type ApolloServer, HeaderMap } from '@apollo/server';
import type Koa from 'koa';
import type { GraphContext } from './context.ts';

const MAX_BODY_BYTES = 256 * 1024;

export type Answer = Awaited<ReturnType<ApolloServer<GraphContext>['executeHTTPGraphQLRequest']>>;

/** A request that is answered before GraphQL sees it, or instead of GraphQL. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Has Apollo answer a request. The body is read here and nowhere else: a body parser in front of
 * everything would get in the way of the protocol's endpoints.
 * @param operation finds out what a body stands for
 * @throws HttpError for a body that is too large or no JSON
 */
export async function ask(
  apollo: ApolloServer<GraphContext>,
  ctx: Koa.Context,
  contextValue: GraphContext,
  operation: (body: unknown) => unknown = (body) => body,
): Promise<Answer> {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(ctx.req.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const hasJson = ctx.method === 'POST' && ctx.is('json', '+json');
  return apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: {
      method: ctx.method,
      headers,
      search: ctx.search,
      body: operation(hasJson ? await jsonBody(ctx) : undefined),
    },
    context: async () => contextValue,
  });
}

async function jsonBody(ctx: Koa.Context): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      const message = `the body must not be larger than ${MAX_BODY_BYTES} bytes`;
      throw new HttpError(413, 'BAD_REQUEST', message);
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new HttpError(400, 'BAD_REQUEST', 'the body must be JSON');
  }
}

export function send(ctx: Koa.Context, { status, headers, body }: Answer): void {
  ctx.status = status ?? 200;
  for (const [name, value] of headers) ctx.set(name, value);
  // Only @defer and @stream have bodies of another kind, and the schema has neither.
  ctx.body = body.kind === 'complete' ? body.string : null;
}

/** An error in the shape that GraphQL clients expect. */
export function sendError(
  ctx: Koa.Context,
  { status, code, message }: HttpError,
  requestId: string,
): void {
  ctx.status = status;
  ctx.type = 'application/json';
  ctx.body = JSON.stringify({ errors: [{ message, extensions: { code, requestId } }] });
}
