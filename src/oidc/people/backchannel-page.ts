import type { Context, Middleware } from 'koa';
import { approveOwnRequest, denyOwnRequest } from '../../commands/backchannel-requests.ts';
import type { CommandContext } from '../../commands/command.ts';
import { DomainError } from '../../domain/errors.ts';
import type { BackchannelRequestRow } from '../../projections/backchannel-requests.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import { presentedDetails } from '../authorization-details.ts';
import { clientTexts } from '../clients/client-texts.ts';
import { envelopeOf } from '../envelope.ts';
import type { Locale } from '../pages/locale.ts';
import type { RequestsModel, WaitingRequest } from '../pages/models.ts';
import { send } from '../pages/pages.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { accountName } from './account.ts';
import type { CredentialContext } from './credentials.ts';
import { type OwnPageContext, ownPage, type Visit } from './own-page.ts';
import { scopeTexts } from './scope-texts.ts';

/** Where people see who asks for them by the back channel, and say yes or no. */
export const REQUESTS_PATH = '/requests';

export interface BackchannelPageContext
  extends OwnPageContext,
    Omit<CommandContext, keyof CredentialContext> {
  readonly catalogue: Catalogue;
}

/** The page of a person's waiting requests. */
export function backchannelPage(context: BackchannelPageContext): Middleware {
  return ownPage(context, {
    path: REQUESTS_PATH,
    place: 'requests.place',
    show: (ctx, visit) => showRequests(context, ctx, visit),
    act: (ctx, visit, form) => decide(context, ctx, { ...visit, form }),
  });
}

/** One form for each request: `approve` or `deny` holds which. */
async function decide(
  context: BackchannelPageContext,
  ctx: Context,
  visit: Visit & { form: URLSearchParams },
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
  { locale, session, sub }: Visit,
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
