import type { Context, Middleware } from 'koa';
import { failed, type RequestSpan, startRequest } from './tracing.ts';

/** What became of one request. */
export interface ObservedRequest {
  /** The name of a route, never a path: paths hold ids. */
  readonly endpoint: string;
  readonly method: string;
  /** An error code of OAuth's where there is one, `aborted`, or the class of the status: `2xx`. */
  readonly outcome: string;
  readonly seconds: number;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const OTHER = 'other';
/** Error codes are our own words; whatever else stood there would be a new series of its own. */
const ERROR_CODE = /^[a-z_]{3,40}$/;
/** No path of ours has more than two before what is an id. */
const SEGMENTS = /^(\/[^/]*)(\/[^/]+)?/;

/**
 * Tells about each request once its response is out, and makes the span of it: `POST token`, with its
 * trace in `ctx.state.traceId`.
 * @param options.endpoints paths by the names of their routes; what is below a path belongs to it
 */
export function observeRequests(options: {
  endpoints: Readonly<Record<string, string>>;
  observe: (request: ObservedRequest) => void;
}): Middleware {
  const endpointOf = endpointNames(options.endpoints);
  return (ctx, next) => {
    const started = performance.now();
    const traced = startRequest(ctx.headers, ctx.method);
    if (traced) ctx.state.traceId = traced.span.spanContext().traceId;
    const path = ctx.path;
    ctx.res.once('close', () => {
      const request = {
        endpoint: endpointOf(path),
        method: METHODS.has(ctx.method) ? ctx.method : OTHER,
        outcome: outcomeOf(ctx),
        seconds: (performance.now() - started) / 1_000,
      };
      options.observe(request);
      if (traced) endSpan(traced, request, ctx);
    });
    return traced ? traced.run(next) : next();
  };
}

function endpointNames(endpoints: Readonly<Record<string, string>>): (path: string) => string {
  const names = new Map(Object.entries(endpoints).map(([name, path]) => [path, name]));
  return (path) => {
    const [, first, second] = SEGMENTS.exec(path) ?? [];
    return names.get(`${first}${second ?? ''}`) ?? names.get(first ?? '') ?? OTHER;
  };
}

function outcomeOf({ res, state, body }: Context): string {
  if (!res.writableFinished) return 'aborted';
  const answered = res.statusCode >= 400 && (body as { error?: unknown } | null)?.error;
  const error = answered || state.oauthError;
  if (typeof error === 'string' && ERROR_CODE.test(error)) return error;
  return `${Math.floor(res.statusCode / 100)}xx`;
}

function endSpan({ span }: RequestSpan, request: ObservedRequest, { res }: Context): void {
  const { endpoint, method, outcome } = request;
  span.updateName(`${method} ${endpoint}`);
  span.setAttributes({
    'http.request.method': method,
    'http.route': endpoint,
    'http.response.status_code': res.statusCode,
    'muniment.outcome': outcome,
  });
  if (res.statusCode >= 500) failed(span);
  span.end();
}
