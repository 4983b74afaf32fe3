import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { GraphQLError } from 'graphql';
import type Koa from 'koa';
import { type Position, toPosition } from '../../eventstore/event-store.ts';
import { AUDIT_SCHEMA } from '../../projections/audit-log.ts';
import { momentBy } from '../../projections/audit-search.ts';
import type { Condition } from '../../projections/page.ts';
import { checkpoint } from '../../projections/projector.ts';
import { authenticated, sourceOf } from '../authenticate.ts';
import { adminScope, demand } from '../authorize.ts';
import { contextFor, type Dependencies, envelopeOf, type GraphContext } from '../context.ts';
import { badInput } from '../errors.ts';
import { HttpError, sendError } from '../http.ts';
import { loggable } from '../plugins.ts';
import { audited, instantOf } from '../time-travel/moment.ts';
import { feed } from './feed.ts';
import { type AuditFilter, auditConditions, recordable } from './filter.ts';
import { FORMATS, type Format } from './formats.ts';

const HEARTBEAT_MS = 15_000;
const RETRY_MS = 2_000;

/**
 * The record of events for other programs: `GET /audit/export`, a period as JSON Lines, and
 * `GET /audit/stream`, what happens from now on or from a position, as server-sent events.
 * @param ending aborted when the server stops: a stream would never end by itself
 */
export function auditMiddleware(dependencies: Dependencies, ending: AbortSignal): Koa.Middleware {
  async function respond(ctx: Koa.Context, requestId: string): Promise<void> {
    if (ctx.method !== 'GET') throw new HttpError(405, 'BAD_REQUEST', 'only GET is answered here');
    const principal = await authenticated(ctx, dependencies);
    const context = contextFor(dependencies, { principal, requestId, source: sourceOf(ctx) });
    const asked = question(context, new URLSearchParams(ctx.search));
    if (ctx.path === '/audit/export') await sendExport(ctx, context, asked);
    else await sendStream(ctx, context, asked, ending);
  }

  return async (ctx, next) => {
    if (ctx.path !== '/audit/export' && ctx.path !== '/audit/stream') return next();
    const requestId = (ctx.state.requestId as string | undefined) ?? randomUUID();
    ctx.set('Cache-Control', 'no-store');
    try {
      await respond(ctx, requestId);
    } catch (error) {
      if (!(error instanceof GraphQLError || error instanceof HttpError)) {
        dependencies.log.error({ requestId, error: loggable(error) }, 'the record cannot be read');
      }
      sendError(ctx, toHttp(error), requestId);
    }
  };
}

interface Question {
  readonly parameters: URLSearchParams;
  readonly filter: AuditFilter;
  readonly where: readonly Condition[];
  readonly format: Format;
  readonly personal: boolean;
}

const FILTERS = [
  'actorType',
  'actor',
  'category',
  'entity',
  'types',
  'clientId',
  'subject',
  'address',
  'correlationId',
] as const;
const PARAMETERS = new Set<string>([...FILTERS, 'from', 'to', 'after', 'format', 'personal']);

/** @throws GraphQLError BAD_USER_INPUT naming the parameter, FORBIDDEN without the scopes */
function question(context: GraphContext, parameters: URLSearchParams): Question {
  const personal = parameters.get('personal') === 'true';
  demand(context.principal.scopes, [
    adminScope('audit', 'read'),
    ...(personal ? [adminScope('personal', 'read')] : []),
  ]);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) throw badInput('no such parameter', name);
  }
  const format = parameters.get('format') ?? 'jsonl';
  if (!Object.hasOwn(FORMATS, format)) {
    throw badInput(`must be one of ${Object.keys(FORMATS).join(', ')}`, 'format');
  }
  const given = FILTERS.filter((name) => parameters.has(name)).map((name) => [
    name,
    name === 'types' ? parameters.getAll(name).join(',').split(',') : parameters.get(name),
  ]);
  const filter = Object.fromEntries(given) as AuditFilter;
  return {
    parameters,
    filter,
    where: auditConditions(context, filter),
    format: format as Format,
    personal,
  };
}

async function sendExport(ctx: Koa.Context, context: GraphContext, asked: Question): Promise<void> {
  const { parameters, where, format } = asked;
  const head = await context.audit.head();
  await audited(context, head);
  const asFar = (await place(context, parameters.get('to'), 'to')) ?? head;
  const to = asFar < head ? asFar : head;
  const after = (await place(context, parameters.get('from'), 'from', true)) ?? toPosition(0);
  await recordReading(context, 'export', asked, 0);
  const write = writing(context, asked);

  async function* lines(): AsyncGenerator<string> {
    let events = 0;
    try {
      for await (const page of feed(context, where, { after, to })) {
        events += page.length;
        const written = await Promise.all(page.map(write));
        yield written.map((each) => `${JSON.stringify(each)}\n`).join('');
      }
    } finally {
      await recordReading(context, 'export', asked, events);
    }
  }
  ctx.set('Content-Disposition', `attachment; filename="audit.${format}.ndjson"`);
  ctx.type = FORMATS[format].contentType;
  ctx.body = Readable.from(lines(), { objectMode: false });
}

async function sendStream(
  ctx: Koa.Context,
  context: GraphContext,
  asked: Question,
  ending: AbortSignal,
): Promise<void> {
  const { parameters, where } = asked;
  const resumed = ctx.get('Last-Event-ID') || parameters.get('after');
  const start = (await place(context, resumed, 'after')) ?? (await context.audit.head());
  await recordReading(context, 'stream', asked, 0);
  const write = writing(context, asked);
  const ended = new Promise<void>((resolve) =>
    ending.addEventListener('abort', () => resolve(), { once: true }),
  );

  async function* messages(): AsyncGenerator<string> {
    yield `retry: ${RETRY_MS}\n\n`;
    let after = start;
    while (!ending.aborted) {
      const to = (await checkpoint(context.pool, AUDIT_SCHEMA)) ?? start;
      if (to > after) {
        for await (const page of feed(context, where, { after, to })) {
          const written = await Promise.all(page.map(write));
          yield page.map(({ row }, nth) => message(row, written[nth] as object)).join('');
        }
        after = to;
        continue;
      }
      const more = await Promise.race([context.audit.reached(later(after), HEARTBEAT_MS), ended]);
      if (more) continue;
      // Between two events it is seen that the other side is gone, or may not read any longer.
      if (!(await still(ctx, context))) return;
      yield ': nothing new\n\n';
    }
  }
  ctx.set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
  ctx.body = Readable.from(messages(), { objectMode: false });
}

function message({ position, type }: { position: Position; type: string }, data: object): string {
  return `id: ${position}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** What every later position has reached, and this one has not. */
function later(position: Position): Position {
  return `${position}.`;
}

async function still(ctx: Koa.Context, context: GraphContext): Promise<boolean> {
  const principal = await authenticated(ctx, context).catch(() => undefined);
  return principal !== undefined && principal.scopes.join() === context.principal.scopes.join();
}

/**
 * A position, or the place of a time in the log.
 * @param before the place before it, so that what is decided just then comes after
 */
async function place(
  context: GraphContext,
  given: string | null,
  name: string,
  before = false,
): Promise<Position | undefined> {
  if (!given) return undefined;
  if (/^\d{1,32}$/.test(given)) return toPosition(before ? BigInt(given) - 1n : given);
  const time = instantOf(given, name);
  const moment = before ? new Date(Date.parse(time) - 1).toISOString() : time;
  return (await momentBy(context.pool, moment)).position;
}

function writing(context: GraphContext, { format, personal }: Question) {
  const { issuer } = context;
  return (found: Parameters<(typeof FORMATS)[Format]['write']>[0]) =>
    FORMATS[format].write(found, { issuer, keys: context, personal });
}

function recordReading(
  context: GraphContext,
  surface: 'export' | 'stream',
  { filter, parameters, personal }: Question,
  events: number,
): Promise<void> {
  const range = ['from', 'to', 'after']
    .filter((name) => parameters.has(name))
    .map((name) => [name, parameters.get(name)]);
  return context.auditReadings.record(envelopeOf(context), {
    surface,
    filter: {
      ...recordable(context, filter),
      ...Object.fromEntries(range),
      ...(personal ? { personal } : {}),
    },
    events,
  });
}

function toHttp(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const code = error instanceof GraphQLError ? error.extensions.code : undefined;
  if (!(error instanceof GraphQLError) || typeof code !== 'string') {
    return new HttpError(500, 'INTERNAL_SERVER_ERROR', 'internal server error');
  }
  const { field } = error.extensions;
  const status = code === 'FORBIDDEN' ? 403 : code === 'BAD_USER_INPUT' ? 400 : 503;
  return new HttpError(status, code, field ? `${field}: ${error.message}` : error.message);
}
