import type { Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { KnownSession, ProtocolReads } from '../projections/protocol-reads.ts';
import { negotiateLocale } from './pages/locale.ts';
import { type Pages, send } from './pages/pages.ts';
import { currentUnitOfWork } from './unit-of-work.ts';

export interface FrontChannelContext {
  readonly issuer: string;
  readonly pages: Pages;
  readonly reads: Pick<ProtocolReads, 'client' | 'session'>;
}

/** Seconds that the pages of clients get to load in; without a script nobody knows when they have. */
const LOADING = 3;

/**
 * Lets the browser load the pages by which clients end their part of a session (OpenID Connect
 * Front-Channel Logout §3), before it goes where the sign-out leads.
 */
export function frontChannelLogout(context: FrontChannelContext): Middleware {
  return async (ctx, next) => {
    await next();
    const { oidc } = ctx as unknown as KoaContextWithOIDC;
    if (oidc?.route !== 'end_session_confirm' || ctx.status !== 303 || !oidc.session) return;
    const before = await context.reads.session(oidc.session.uid);
    const frames = before ? await framesFor(context, partsLeft(before, oidc.session)) : [];
    if (frames.length === 0) return;

    const leadsTo = String(ctx.response.get('Location'));
    const stays = leadsTo.split('?')[0] === oidc.urlFor('end_session_success');
    ctx.remove('Location');
    ctx.status = 200;
    const { clientName, clientUri } = oidc.client ?? {};
    const locale = negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
    const continueTo = stays ? null : leadsTo;
    if (continueTo) ctx.set('Refresh', `${LOADING}; url=${continueTo}`);
    send(ctx, context.pages.signedOut({ locale, clientName, clientUri, frames, continueTo }));
  };
}

/** The clients whose part in the session this request ends. */
function partsLeft(
  { uid, clients }: KnownSession,
  { authorizations = {} }: NonNullable<KoaContextWithOIDC['oidc']['session']>,
): KnownSession['clients'] {
  if (currentUnitOfWork().droppedSessions.has(uid)) return clients;
  return clients.filter(({ client_id }) => !Object.hasOwn(authorizations, client_id));
}

async function framesFor(
  { reads, issuer }: FrontChannelContext,
  parts: KnownSession['clients'],
): Promise<string[]> {
  const frames = parts.map(async ({ client_id, sid }) => {
    const client = await reads.client(client_id);
    if (!client?.logout.frontchannelUri) return [];
    const uri = new URL(client.logout.frontchannelUri);
    if (client.logout.sessionRequired) {
      uri.searchParams.set('iss', issuer);
      uri.searchParams.set('sid', sid);
    }
    return [uri.href];
  });
  return (await Promise.all(frames)).flat();
}
