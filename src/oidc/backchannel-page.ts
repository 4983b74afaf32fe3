import type { Context, Middleware } from 'koa';
import type Provider from 'oidc-provider';
import { approveOwnRequest, denyOwnRequest } from '../commands/backchannel-requests.ts';
import type { CommandContext } from '../commands/command.ts';
import { DomainError } from '../domain/errors.ts';
import { equals } from '../platform/secrets.ts';
import type { BackchannelRequestRow } from '../projections/backchannel-requests.ts';
import type { Catalogue } from '../projections/catalogue.ts';
import { accountName } from './account.ts';
import { presentedDetails } from './authorization-details.ts';
import { clientTexts } from './client-texts.ts';
import { type CredentialContext, checkCredentials } from './credentials.ts';
import { envelopeOf } from './envelope.ts';
import { readForm } from './form.ts';
import { type OwnSession, ownSession } from './own-session.ts';
import { type Locale, negotiateLocale } from './pages/locale.ts';
import type { RequestsModel, WaitingRequest } from './pages/models.ts';
import { type Pages, send } from './pages/pages.ts';
import { scopeTexts } from './scope-texts.ts';
import { currentUnitOfWork } from './unit-of-work.ts';

/** Where people see who asks for them by the back channel, and say yes or no. */
export const REQUESTS_PATH = '/requests';

export interface BackchannelPageContext
  extends CredentialContext,
    Omit<CommandContext, keyof CredentialContext> {
  readonly provider: Provider;
  readonly catalogue: Catalogue;
  readonly pages: Pages;
}

/** The page of a person's waiting requests, with a sign-in before it. Without JavaScript. */
export function backchannelPage(context: BackchannelPageContext): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== REQUESTS_PATH) return next();
    const locale = negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
    const session = await ownSession(context, ctx, REQUESTS_PATH);
    if (ctx.method === 'GET' || ctx.method === 'HEAD') {
      return session.sub
        ? showRequests(context, ctx, { locale, session, sub: session.sub })
        : showSignIn(context, ctx, { locale, session });
    }
    if (ctx.method !== 'POST') {
      ctx.set('Allow', 'GET, HEAD, POST');
      ctx.throw(405);
    }
    const form = await readForm(ctx);
    if (!equals(form.get('csrf') ?? '', session.csrf)) {
      const requestId = ctx.state.requestId as string;
      const message = 'the form is not from this page';
      const error = { locale, status: 403, error: 'session_not_found', message, requestId };
      return send(ctx, context.pages.error(error));
    }
    if (session.sub) return decide(context, ctx, { locale, session, sub: session.sub, form });
    return signIn(context, ctx, { locale, session, form });
  };
}

interface Visit {
  readonly locale: Locale;
  readonly session: OwnSession;
}

async function showSignIn(
  { pages }: BackchannelPageContext,
  ctx: Context,
  { locale, session, username, error }: Visit & { username?: string; error?: string },
): Promise<void> {
  await session.keep();
  send(
    ctx,
    pages.signIn({
      locale,
      clientName: pages.text(locale, 'requests.place'),
      action: REQUESTS_PATH,
      cancelAction: REQUESTS_PATH,
      csrf: session.csrf,
      username,
      error: error ? { message: pages.text(locale, error) } : null,
    }),
  );
}

async function signIn(
  context: BackchannelPageContext,
  ctx: Context,
  { form, ...visit }: Visit & { form: URLSearchParams },
): Promise<void> {
  if (form.get('_action') !== 'sign-in') return seeOther(ctx, '/');
  const username = form.get('username') ?? '';
  const checked = await checkCredentials(context, username, form.get('password') ?? '', ctx.ip);
  if ('refused' in checked) {
    const limited = checked.refused === 'rate_limited';
    const error = limited ? 'signIn.error.tooManyAttempts' : 'signIn.error.invalidCredentials';
    return showSignIn(context, ctx, { ...visit, username, error });
  }
  await visit.session.signIn(checked.sub);
  seeOther(ctx, REQUESTS_PATH);
}

/** One form for each request: `approve` or `deny` holds which. */
async function decide(
  context: BackchannelPageContext,
  ctx: Context,
  visit: Visit & { sub: string; form: URLSearchParams },
): Promise<void> {
  const { sub, session, form } = visit;
  const approved = form.has('approve');
  const requestId = form.get(approved ? 'approve' : 'deny') ?? '';
  const command = approved ? approveOwnRequest(sub, session.authentication) : denyOwnRequest(sub);
  try {
    await command(context, { requestId }, await envelopeOf(context, ctx, currentUnitOfWork()));
  } catch (error) {
    if (!(error instanceof DomainError) || error.code === 'unavailable') throw error;
    return showRequests(context, ctx, visit, 'gone');
  }
  await showRequests(context, ctx, visit, approved ? 'approved' : 'denied');
}

async function showRequests(
  context: BackchannelPageContext,
  ctx: Context,
  { locale, session, sub }: Visit & { sub: string },
  outcome: RequestsModel['outcome'] = null,
): Promise<void> {
  const { reads, subjectKeys, pages } = context;
  const waiting = await reads.waitingFor(sub);
  const shown = await Promise.all(waiting.map((row) => shownRequest(context, locale, row)));
  send(
    ctx,
    pages.requests({
      locale,
      action: REQUESTS_PATH,
      csrf: session.csrf,
      account: await accountName(reads, subjectKeys, sub),
      requests: shown.filter((request) => request !== undefined),
      outcome,
    }),
  );
}

/** Undefined when the client is none any more. */
async function shownRequest(
  { reads, subjectKeys, catalogue }: BackchannelPageContext,
  locale: Locale,
  { digest, client_id, sub, scopes, binding_message, parameters }: BackchannelRequestRow,
): Promise<WaitingRequest | undefined> {
  const client = await reads.client(client_id);
  if (!client || client.disabled_at) return undefined;
  const { rar } = parameters;
  const details = typeof rar === 'string' ? await subjectKeys.open(sub, rar) : null;
  return {
    id: digest,
    clientName: (await clientTexts(reads, locale, client)).clientName,
    bindingMessage: binding_message && (await subjectKeys.open(sub, binding_message)),
    scopes: scopes.map((name) => scopeTexts(catalogue, locale, name)),
    details: presentedDetails(catalogue, { authorization_details: details }),
  };
}

function seeOther(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
