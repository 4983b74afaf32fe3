import type { Context, Middleware } from 'koa';
import type Provider from 'oidc-provider';
import { equals } from '../../platform/secrets.ts';
import { type Locale, negotiateLocale } from '../pages/locale.ts';
import { type Pages, send } from '../pages/pages.ts';
import { type CredentialContext, checkCredentials } from './credentials.ts';
import { readForm } from './form.ts';
import { type OwnSession, ownSession } from './own-session.ts';

export interface OwnPageContext extends CredentialContext {
  readonly provider: Provider;
  readonly pages: Pages;
}

/** Somebody who is signed in, at a page of their own. */
export interface Visit {
  readonly locale: Locale;
  readonly session: OwnSession;
  readonly sub: string;
}

/** A page that no client has sent a person to. */
export interface OwnPage {
  readonly path: string;
  /** What the sign-in before it calls it: the key of a text. */
  readonly place: string;
  show(ctx: Context, visit: Visit): Promise<void>;
  /** What one of its forms, which is known to be its own, asks for. */
  act(ctx: Context, visit: Visit, form: URLSearchParams): Promise<void>;
}

/** Serves a page of a person's own, with a sign-in before it. Without JavaScript. */
export function ownPage(context: OwnPageContext, page: OwnPage): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== page.path) return next();
    const locale = negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
    const session = await ownSession(context, ctx, page.path);
    const visit = session.sub ? { locale, session, sub: session.sub } : undefined;
    if (ctx.method === 'GET' || ctx.method === 'HEAD') {
      return visit ? page.show(ctx, visit) : showSignIn(context, page, ctx, { locale, session });
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
    if (visit) return page.act(ctx, visit, form);
    return signIn(context, page, ctx, { locale, session, form });
  };
}

type Visitor = Pick<Visit, 'locale' | 'session'>;

async function showSignIn(
  { pages }: OwnPageContext,
  { path, place }: OwnPage,
  ctx: Context,
  { locale, session, username, error }: Visitor & { username?: string; error?: string },
): Promise<void> {
  await session.keep();
  send(
    ctx,
    pages.signIn({
      locale,
      clientName: pages.text(locale, place),
      action: path,
      cancelAction: path,
      csrf: session.csrf,
      username,
      error: error ? { message: pages.text(locale, error) } : null,
    }),
  );
}

async function signIn(
  context: OwnPageContext,
  page: OwnPage,
  ctx: Context,
  { form, ...visitor }: Visitor & { form: URLSearchParams },
): Promise<void> {
  if (form.get('_action') !== 'sign-in') return seeOther(ctx, '/');
  const username = form.get('username') ?? '';
  const checked = await checkCredentials(context, username, form.get('password') ?? '', ctx.ip);
  if ('refused' in checked) {
    const limited = checked.refused === 'rate_limited';
    const error = limited ? 'signIn.error.tooManyAttempts' : 'signIn.error.invalidCredentials';
    return showSignIn(context, page, ctx, { ...visitor, username, error });
  }
  await visitor.session.signIn(checked.sub);
  seeOther(ctx, page.path);
}

/** Sends the browser on, by GET. */
export function seeOther(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
