import type { Context, Middleware } from 'koa';
import { consent } from '../../domain/consent.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import type { ConsentRow } from '../../projections/consents.ts';
import { clientTexts } from '../clients/client-texts.ts';
import type { Locale } from '../pages/locale.ts';
import type { AllowedApplication } from '../pages/models.ts';
import { send } from '../pages/pages.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { accountName } from './account.ts';
import { type OwnPageContext, ownPage, seeOther, type Visit } from './own-page.ts';
import { scopeTexts } from './scope-texts.ts';

/** Where people see which applications they have allowed what, and take it back. */
export const APPLICATIONS_PATH = '/account/applications';

export interface ApplicationsPageContext extends OwnPageContext {
  readonly catalogue: Catalogue;
}

export function applicationsPage(context: ApplicationsPageContext): Middleware {
  return ownPage(context, {
    path: APPLICATIONS_PATH,
    place: 'applications.place',
    show: (ctx, visit) => showApplications(context, ctx, visit),
    /** `withdraw` holds the client of the consent; whose it is, the session says. */
    async act(ctx, { sub }, form) {
      const clientId = form.get('withdraw') ?? '';
      const wish = { type: 'WithdrawConsent', data: { by: 'user' } } as const;
      currentUnitOfWork().wish(consent, `${sub}.${clientId}`, wish);
      seeOther(ctx, APPLICATIONS_PATH);
    },
  });
}

async function showApplications(
  context: ApplicationsPageContext,
  ctx: Context,
  { locale, session, sub }: Visit,
): Promise<void> {
  const { reads, subjectKeys, pages } = context;
  const consents = await reads.consentsOf(sub);
  const shown = await Promise.all(consents.map((row) => application(context, locale, row)));
  send(
    ctx,
    pages.applications({
      locale,
      action: APPLICATIONS_PATH,
      csrf: session.csrf,
      account: await accountName(reads, subjectKeys, sub),
      applications: shown.filter((each) => each !== undefined),
    }),
  );
}

/** Undefined when the client is none any more. */
async function application(
  { reads, catalogue }: ApplicationsPageContext,
  locale: Locale,
  { client_id, scopes, resources, granted_at }: ConsentRow,
): Promise<AllowedApplication | undefined> {
  const client = await reads.client(client_id);
  if (!client) return undefined;
  const names = new Set([...scopes, ...Object.values(resources).flat()]);
  return {
    clientId: client_id,
    clientName: (await clientTexts(reads, locale, client)).clientName,
    since: new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(granted_at)),
    scopes: [...names]
      .filter((name) => name !== 'openid')
      .map((name) => scopeTexts(catalogue, locale, name)),
  };
}
