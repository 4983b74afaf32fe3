import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

/**
 * Spans of what a request does. Names and attributes say what kind of thing it was, never whose: no
 * id, address, query or message of an error is in them. Switched off, nothing is made and nothing is
 * waited for.
 */
let on = false;

const tracer = trace.getTracer('muniment');

/** For whoever has registered something that takes the spans: src/platform/tracing-sdk.ts. */
export function switchTracing(state: boolean): void {
  on = state;
}

interface SpanDetails {
  readonly kind?: 'server' | 'client' | 'internal';
  /** Asked for only when there is a span. */
  readonly attributes?: () => Attributes;
}

/** Does work in a span of this name, below the one that is active. */
export function traced<T>(name: string, work: () => Promise<T>, details?: SpanDetails): Promise<T> {
  return on ? inSpan(name, work, context.active(), details) : work();
}

/** Adds to the span that is active, if one is. */
export function describeSpan(describe: (span: Span) => void): void {
  const span = on ? trace.getActiveSpan() : undefined;
  if (span) describe(span);
}

/** The span that asks for something now, for {@link tracedBatch}; undefined when none does. */
export function asking(): Context | undefined {
  return on ? context.active() : undefined;
}

/** Does work for several who asked: below the first of them, with links to the others. */
export function tracedBatch<T>(
  name: string,
  askers: () => readonly (Context | undefined)[],
  work: () => Promise<T>,
): Promise<T> {
  if (!on) return work();
  const [first = ROOT_CONTEXT, ...others] = askers().filter((asker) => asker !== undefined);
  const size = others.length + 1;
  const links = others.flatMap((asker) => trace.getSpanContext(asker) ?? []);
  const options = {
    kind: SpanKind.CLIENT,
    attributes: { 'muniment.batch.size': size },
    links: links.map((spanContext) => ({ context: spanContext })),
  };
  return running(tracer.startSpan(name, options, first), first, work);
}

/** A span of what has just been done for many at once, and belongs to none of them alone. */
export function recordSpan(name: string, seconds: number, attributes: Attributes): void {
  if (!on) return;
  const end = Date.now();
  const options = { root: true, startTime: end - seconds * 1_000, attributes };
  tracer.startSpan(name, options, ROOT_CONTEXT).end(end);
}

/**
 * The span of a request, below that of its `traceparent` (W3C Trace Context); undefined when nothing
 * is traced. Whoever starts it ends it.
 */
export function startRequest(headers: object, method: string): RequestSpan | undefined {
  if (!on) return undefined;
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER }, parent);
  const within = trace.setSpan(parent, span);
  return { span, run: (next) => context.with(within, next) };
}

export interface RequestSpan {
  readonly span: Span;
  /** Does the work of the request: its spans are below this one. */
  run<T>(work: () => T): T;
}

/** Marks a span as that of something that went wrong on our side. */
export function failed(span: Span): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** For a line of the log: of which trace it tells. */
export function traceFields(): { traceId?: string } {
  const span = on ? trace.getActiveSpan() : undefined;
  // Connections and timers are older than the request that made them is long.
  return span?.isRecording() ? { traceId: span.spanContext().traceId } : {};
}

function inSpan<T>(
  name: string,
  work: () => Promise<T>,
  parent: Context,
  { kind = 'internal', attributes }: SpanDetails = {},
): Promise<T> {
  const options = { kind: KINDS[kind], attributes: attributes?.() };
  return running(tracer.startSpan(name, options, parent), parent, work);
}

async function running<T>(span: Span, parent: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await context.with(trace.setSpan(parent, span), work);
  } catch (error) {
    const { name, code } = error as { name?: string; code?: unknown };
    span.setAttribute('error.type', typeof code === 'string' ? code : (name ?? 'Error'));
    failed(span);
    throw error;
  } finally {
    span.end();
  }
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };
