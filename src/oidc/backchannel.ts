import type { Middleware } from 'koa';
import type { Account, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { name } from '../commands/fields.ts';
import { usernameDigest } from '../commands/users.ts';
import { covers } from '../domain/consent.ts';
import { verifyPassword } from '../platform/passwords.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import type { ProtocolReads } from '../projections/protocol-reads.ts';
import { POLL_INTERVAL } from './adapter/polling.ts';
import { policyOf } from './clients/clients.ts';
import { isOver, requested } from './grant-loader.ts';
import type { BackchannelLimits } from './limits/backchannel-limits.ts';

/** Where clients ask for people who are somewhere else (OpenID Connect CIBA §7). */
export const BACKCHANNEL_ROUTES = { backchannel_authentication: '/connect/ciba' };

/** Seconds a request lasts: by default, and however short or long the client wants it. */
const LIFETIME = { byDefault: 10 * 60, min: 30, max: 30 * 60 };

/** Characters of a binding message: it has to fit on a small screen, and be compared by eye. */
const LONGEST_MESSAGE = 100;

type Ciba = NonNullable<NonNullable<Configuration['features']>['ciba']>;

export interface BackchannelContext {
  readonly reads: ProtocolReads;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  readonly backchannelLimits: BackchannelLimits;
}

/** CIBA's part of the configuration: whom a client may ask for, and what it may tell them. */
export function ciba(context: BackchannelContext): Ciba {
  const { reads, secrets, subjectKeys, backchannelLimits: limits } = context;
  return {
    enabled: true,
    deliveryModes: ['poll', 'ping'],

    async processLoginHint(ctx, loginHint) {
      const { clientId } = clientOf(ctx);
      if (!(await limits.tryHint(clientId))) throw tooMany();
      const user = await reads.userByName(usernameDigest(secrets, loginHint ?? ''));
      if (!user || user.disabled_at) return undefined;
      await limits.forgiveHint(clientId);
      return user.sub;
    },

    processLoginHintToken() {
      throw new errors.InvalidRequest('login_hint_token is not supported: send login_hint');
    },

    validateBindingMessage(_ctx, message) {
      if (message === undefined || name(LONGEST_MESSAGE).safeParse(message).success) return;
      throw new errors.InvalidBindingMessage(
        `binding_message must be one line of 1 to ${LONGEST_MESSAGE} printable characters`,
      );
    },

    // Nothing rests on it; what is not understood is ignored (CIBA §7.1).
    validateRequestContext() {},

    async verifyUserCode(ctx, account, code) {
      const { clientId } = clientOf(ctx);
      await assertConsent(ctx, account);
      await assertUserCode(ctx, account, code);
      if (!(await limits.tryRequest(account.accountId, clientId))) throw tooMany();
    },

    // They are told once the request is recorded: see notifier.ts.
    triggerAuthenticationDevice() {},
  };

  /** A client that takes user codes has to send that of a person who has one. */
  async function assertUserCode(
    ctx: KoaContextWithOIDC,
    { accountId: sub }: Account,
    code: string | undefined,
  ): Promise<void> {
    if (!clientOf(ctx).backchannelUserCodeParameter) return;
    const { backchannel_code: sealed = null } = (await reads.user(sub)) ?? {};
    if (sealed === null) return;
    if (!code) throw new errors.MissingUserCode('the person has a user code');
    if (!(await limits.tryCode(sub))) throw tooMany();
    if (!(await verifyPassword(await subjectKeys.open(sub, sealed), code))) {
      throw new errors.InvalidUserCode('the user code is wrong');
    }
    await limits.forgiveCode(sub);
  }

  /** What is decided elsewhere has been decided before: there is nobody here to ask. */
  async function assertConsent(ctx: KoaContextWithOIDC, { accountId }: Account): Promise<void> {
    const client = clientOf(ctx);
    const { consentType, consentLifetime } = policyOf(client);
    if (consentType !== 'external') return;
    const given = await reads.consent(`${accountId}.${client.clientId}`);
    const stands = given && !given.withdrawn_at && !isOver(given, consentLifetime);
    if (!stands || !covers(given, requested(ctx))) {
      throw new errors.AccessDenied('consent for this client is given elsewhere');
    }
  }
}

/** How long a request lasts, in seconds (`requested_expiry`, CIBA §7.1). */
export function requestLifetime(_ctx: unknown, { params }: { params?: object | undefined }) {
  const { requested_expiry } = { ...params } as { requested_expiry?: string };
  if (requested_expiry === undefined) return LIFETIME.byDefault;
  return Math.max(LIFETIME.min, Math.min(Number(requested_expiry), LIFETIME.max));
}

/** What oidc-provider leaves out: the interval in the answer (CIBA §7.3). */
export function backchannelRequests(): Middleware {
  return async (ctx, next) => {
    await next();
    if (ctx.path === BACKCHANNEL_ROUTES.backchannel_authentication && ctx.status === 200) {
      ctx.body = { ...(ctx.body as object), interval: POLL_INTERVAL };
    }
  };
}

function clientOf({ oidc }: KoaContextWithOIDC) {
  if (!oidc.client) throw new Error('the client has not been authenticated');
  return oidc.client;
}

function tooMany(): Error {
  const error = new errors.TemporarilyUnavailable('too many requests; try again later');
  return Object.assign(error, { status: 429, statusCode: 429 });
}
