import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
import Provider from 'oidc-provider';
import type { Logger } from 'pino';
import type { EventStore } from '../eventstore/event-store.ts';
import type { Execute } from '../eventstore/execute.ts';
import { readCatalogue } from '../projections/catalogue.ts';
import { DetailSeals } from './adapter/authorization-details.ts';
import { backchannelRequests } from './backchannel.ts';
import { rememberClients } from './clients/client-memory.ts';
import {
  type ClientRegistrationContext,
  clientRegistration,
} from './clients/client-registration.ts';
import { compareSecretsByDigest, tellSessionIds } from './clients/clients.ts';
import { checkKnownClients } from './clients/known-clients.ts';
import { certificatesWhereTheyCome, receive } from './clients/mutual-tls.ts';
import { type ConfigurationContext, configuration, ROUTES } from './configuration.ts';
import { deviceRequests } from './device-flow.ts';
import { frontChannelLogout } from './front-channel-logout.ts';
import { registerExtensionGrants } from './grants/index.ts';
import type { RegistrationLimits } from './limits/registration-limits.ts';
import type { SignInLimits } from './limits/sign-in-limits.ts';
import type { UserCodeLimits } from './limits/user-code-limits.ts';
import { negotiateLocale } from './pages/locale.ts';
import { send } from './pages/pages.ts';
import { rewriteParameters } from './parameters.ts';
import { applicationsPage } from './people/applications-page.ts';
import { backchannelPage } from './people/backchannel-page.ts';
import { interactions } from './people/interactions.ts';
import { sendClaimsToIdTokens } from './tokens/claim-destinations.ts';
import { makeJwtsByPolicy, recordJwts, takeJwts } from './tokens/jwt-access-tokens.ts';
import { type LogoutToken, makeLogoutToken } from './tokens/logout-token.ts';
import { knowSeveralResources, takeSeveralResources } from './tokens/several-resources.ts';
import { transaction } from './transaction.ts';

export interface ProviderContext
  extends Omit<ConfigurationContext, 'catalogue'>,
    ClientRegistrationContext {
  readonly execute: Execute;
  readonly store: Pick<EventStore, 'read'>;
  readonly limits: SignInLimits;
  readonly userCodeLimits: UserCodeLimits;
  readonly registrationLimits: RegistrationLimits;
  readonly log: Logger;
  /** X-Forwarded-For of the nearest proxy may be believed. */
  readonly trustProxy: boolean;
  /** Runs around everything: request ids, access log. */
  readonly outer: readonly Middleware[];
}

/**
 * The OpenID provider. oidc-provider fixes its keys and scopes when it is made, so a change of the
 * catalogue makes a new one; requests under way end on the old.
 */
export class ProviderHost {
  #provider: Provider | undefined;
  #handle: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  #builtFrom = '';
  /** The issuer, and the address for mutual TLS. */
  readonly #origins: Record<string, URL> = {};
  #refreshed: Promise<void> = Promise.resolve();

  constructor(private readonly context: ProviderContext) {}

  /** Answers a request of the public listener. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (!this.#handle) throw new Error('the provider has not been built');
    const origin = receive(request, this.context.mutualTls, this.context);
    this.#origins[origin] ??= new URL(origin);
    pinOrigin(request, this.#origins[origin], this.context.trustProxy);
    this.#handle(request, response);
  };

  /** Makes a logout token as {@link makeLogoutToken} does, with the present keys. */
  readonly logoutToken: LogoutToken = (...about) => {
    if (!this.#provider) throw new Error('the provider has not been built');
    return makeLogoutToken(this.#provider, ...about);
  };

  /** Reads the catalogue, and makes a new provider if it has changed. */
  refresh(): Promise<void> {
    // One after the other: an older catalogue never takes the place of a newer one.
    const refreshed = this.#refreshed.then(() => this.#refresh());
    this.#refreshed = refreshed.catch(() => undefined);
    return refreshed;
  }

  async #refresh(): Promise<void> {
    const catalogue = await readCatalogue(this.context.reads);
    const { scopes, resources, signingKeys, cookieKeys } = catalogue;
    const from = JSON.stringify([[...scopes], [...resources], signingKeys, cookieKeys]);
    if (from === this.#builtFrom) return;
    this.#provider = build({ ...this.context, catalogue });
    this.#handle = this.#provider.callback();
    this.#builtFrom = from;
  }
}

function build(context: ProviderContext & ConfigurationContext) {
  const provider = new Provider(context.issuer, configuration(context));
  // Safe, because pinOrigin has put our own values into the headers this makes Koa believe.
  provider.proxy = true;
  provider.maxIpsCount = 1;
  compareSecretsByDigest(provider);
  rememberClients(provider, context.reads);
  checkKnownClients(provider);
  tellSessionIds(provider);
  makeJwtsByPolicy(provider, context.signingAlgorithms);
  recordJwts(provider, new DetailSeals(context));
  knowSeveralResources(provider, context.catalogue);
  sendClaimsToIdTokens(provider, context.catalogue);
  rewriteParameters(provider, [takeJwts, takeSeveralResources]);
  registerExtensionGrants({ ...context, provider });
  // The provider answers these itself, and would otherwise keep the reason to itself.
  provider.on('server_error', (ctx, err) => {
    ctx.state.failure = err;
    context.log.error({ err, requestId: ctx.state.requestId }, 'a request failed');
  });
  // Of most, the client's redirect URI is told, and nobody else.
  provider.on('authorization.error', (ctx, { error }) => {
    ctx.state.oauthError = error;
  });
  for (const middleware of context.outer) provider.use(middleware);
  provider.use(certificatesWhereTheyCome(context.mutualTls, ROUTES));
  provider.use(transaction(context));
  provider.use(clientRegistration(context));
  provider.use(frontChannelLogout(context));
  provider.use(deviceRequests(context));
  provider.use(backchannelRequests());
  provider.use(home(context));
  provider.use(interactions({ ...context, provider }));
  provider.use(backchannelPage({ ...context, provider }));
  provider.use(applicationsPage({ ...context, provider }));
  return provider;
}

/** Links are made from our own addresses, whatever Host or X-Forwarded-* a request carries. */
function pinOrigin(request: IncomingMessage, origin: URL, trustProxy: boolean): void {
  const { host, protocol } = origin;
  request.headers.host = host;
  request.headers['x-forwarded-host'] = host;
  request.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  if (!trustProxy) delete request.headers['x-forwarded-for'];
}

function home({ pages, issuer }: ProviderContext): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== '/' || ctx.method !== 'GET') return next();
    const locale = negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
    send(ctx, pages.home({ locale, issuer }));
  };
}
