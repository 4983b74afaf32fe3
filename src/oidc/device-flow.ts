import type { Context, Middleware } from 'koa';
import type { Client, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { Catalogue } from '../projections/catalogue.ts';
import type { ProtocolReads } from '../projections/protocol-reads.ts';
import { scopeList } from './adapter/model-adapter.ts';
import { POLL_INTERVAL } from './adapter/polling.ts';
import { clientTexts } from './clients/client-texts.ts';
import type { UserCodeLimits } from './limits/user-code-limits.ts';
import { type Locale, negotiateLocale } from './pages/locale.ts';
import type { ClientModel } from './pages/models.ts';
import { type Pages, send } from './pages/pages.ts';
import { scopeTexts } from './people/scope-texts.ts';

/** Where devices ask, and where people enter the code that their device shows (RFC 8628). */
export const DEVICE_ROUTES = {
  device_authorization: '/connect/device',
  code_verification: '/device',
};

/** Longer ones were not made here. */
const LONGEST_USER_CODE = 32;

type DeviceFlow = NonNullable<NonNullable<Configuration['features']>['deviceFlow']>;

/** What oidc-provider throws when a person has to look at the page again, by the message it deserves. */
const MESSAGES: Readonly<Record<string, string>> = {
  NoCodeError: 'device.error.missing',
  NotFoundError: 'device.error.unknown',
  ExpiredError: 'device.error.expired',
  AlreadyUsedError: 'device.error.used',
};

/** The device flow's part of the configuration: its three pages. */
export function deviceFlow({
  pages,
  catalogue,
  reads,
}: {
  pages: Pages;
  catalogue: Catalogue;
  reads: ProtocolReads;
}): DeviceFlow {
  const shown = async ({ clientId, clientName }: Client, locale: Locale): Promise<ClientModel> => {
    const known = await reads.client(clientId);
    return known ? clientTexts(reads, locale, known) : { clientName: clientName ?? clientId };
  };

  return {
    enabled: true,
    charset: 'base-20',
    mask: '****-****',
    // The address and the like are in the envelope of the event, sealed.
    deviceInfo: () => ({}),
    async userCodeInputSource(ctx, _form, out, error) {
      const locale = localeOf(ctx);
      if (error?.name === 'AbortedError') {
        return send(ctx, pages.deviceDone({ locale, approved: false }));
      }
      const message = error && MESSAGES[error.name];
      if (error && !message) {
        // The library gives the session a new secret now, and fails to save one that never was.
        const { session } = ctx.oidc;
        if (session && session.exp === undefined) Object.assign(session, { destroyed: true });
        const requestId = ctx.state.requestId as string;
        const { error: code = 'server_error', error_description } = out ?? {};
        return send(
          ctx,
          pages.error({
            locale,
            status: ctx.status,
            error: code,
            message: error_description,
            requestId,
          }),
        );
      }
      ctx.state.wrongUserCode = error !== undefined;
      send(
        ctx,
        pages.deviceCode({
          locale,
          ...formOf(ctx),
          userCode: ctx.state.userCode ?? (error as { userCode?: string } | undefined)?.userCode,
          error: message && pages.text(locale, message),
        }),
      );
    },
    async userCodeConfirmSource(ctx, _form, client, _deviceInfo, userCode) {
      const locale = localeOf(ctx);
      const { scope } = (ctx.oidc.deviceCode?.params ?? {}) as { scope?: string };
      send(
        ctx,
        pages.deviceConfirm({
          locale,
          ...formOf(ctx),
          userCode,
          ...(await shown(client, locale)),
          scopes: scopeList(scope).map((name) => scopeTexts(catalogue, locale, name)),
        }),
      );
    },
    async successSource(ctx) {
      const locale = localeOf(ctx);
      const { client } = ctx.oidc;
      const { clientName = null } = client ? await shown(client, locale) : {};
      send(ctx, pages.deviceDone({ locale, approved: true, clientName }));
    },
  };
}

/**
 * What oidc-provider leaves out: the interval in the device's answer, a user code that comes in a link,
 * which the person still has to send (RFC 8628 §3.3.1, §5.4), and a limit on guessing.
 */
export function deviceRequests(context: {
  readonly pages: Pages;
  readonly userCodeLimits: UserCodeLimits;
}): Middleware {
  return async (ctx, next) => {
    if (ctx.path === DEVICE_ROUTES.device_authorization) {
      await next();
      if (ctx.status === 200) ctx.body = { ...(ctx.body as object), interval: POLL_INTERVAL };
    } else if (ctx.path === DEVICE_ROUTES.code_verification && ctx.method === 'GET') {
      const { user_code: userCode, ...others } = ctx.query;
      if (typeof userCode === 'string') ctx.state.userCode = userCode.slice(0, LONGEST_USER_CODE);
      ctx.query = others;
      await next();
    } else if (ctx.path === DEVICE_ROUTES.code_verification && ctx.method === 'POST') {
      await limited(context, ctx, next);
    } else await next();
  };
}

async function limited(
  { pages, userCodeLimits }: { pages: Pages; userCodeLimits: UserCodeLimits },
  ctx: Context,
  next: () => Promise<void>,
): Promise<void> {
  if (!(await userCodeLimits.try(ctx.ip))) {
    const requestId = ctx.state.requestId as string;
    return send(
      ctx,
      pages.error({ locale: localeOf(ctx), status: 429, error: 'too_many_requests', requestId }),
    );
  }
  await next();
  if (!ctx.state.wrongUserCode) await userCodeLimits.forgive(ctx.ip);
}

/** Where the page's form goes, and what shows that it came from there. */
function formOf(ctx: KoaContextWithOIDC) {
  const { secret = '' } = (ctx.oidc.session?.state ?? {}) as { secret?: string };
  return { action: DEVICE_ROUTES.code_verification, csrf: secret };
}

function localeOf(ctx: Context | KoaContextWithOIDC): Locale {
  return negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
}
