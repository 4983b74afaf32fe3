import type { AccessToken, TokenEndpointGrantContext } from 'oidc-provider';
import { errors } from 'oidc-provider';
import {
  checkDpopReplay,
  checkDpopRequired,
  checkMtlsCert,
  resolveRequestedResources,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';
import { scopeList } from '../adapter/model-adapter.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import type { GrantContext } from './extension-grant.ts';
import { text } from './parameters.ts';

type Context = TokenEndpointGrantContext<Readonly<Record<string, unknown>>>;

/** Who it is, as the request has proved, and what is known of how they signed in. */
export interface Proved {
  readonly accountId: string;
  /** Claims of the access token (RFC 9068 §2.2.1). */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A grant that was opened without a browser, and the access token it began with. */
export interface DirectGrant {
  readonly accountId: string;
  readonly grantId: string;
  readonly accessToken: AccessToken;
  /** What is handed out. */
  readonly value: string;
  readonly scopes: readonly string[];
  /** The resource indicator; undefined for a token that is for this server. */
  readonly resource: string | undefined;
}

/**
 * Opens a grant for a person of whom the client brings proof itself, and makes an access token of it.
 * Requests are refused for what is wrong with the client or its wishes before `prove` is called.
 * @param prove who the person is; throws one of oidc-provider's `errors`
 * @throws InvalidTarget for more than one resource; what the library refuses of proofs of possession
 */
export async function openDirectGrant(
  { provider }: GrantContext,
  ctx: Context,
  gty: string,
  prove: () => Promise<Proved>,
): Promise<DirectGrant> {
  const { client } = ctx.oidc;
  const dPoP = await validateDpop(provider, ctx);
  checkDpopRequired(provider, ctx, dPoP);
  const certificate = checkMtlsCert(provider, ctx);
  const [server, ...others] = await resolveRequestedResources(provider, ctx);
  if (others.length > 0) throw new errors.InvalidTarget('only a single resource is supported');
  if (dPoP) await checkDpopReplay(provider, ctx, dPoP, client.clientId);
  const { accountId, claims } = await prove();

  const scopes = scopeList(text(ctx.oidc.params, 'scope'));
  const onServer = scopes.filter((each) => server?.scopes.has(each));
  const ofThePerson = scopes.filter((each) => ctx.oidc.requestParamOIDCScopes.has(each));
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  if (ofThePerson.length > 0) grant.addOIDCScope(ofThePerson.join(' '));
  if (server && onServer.length > 0) {
    grant.addResourceScope(server.identifier(), onServer.join(' '));
  }
  const grantId = await grant.save();

  currentUnitOfWork().tokenClaims = claims;
  const accessToken = new provider.AccessToken({ accountId, client, grantId, gty });
  if (server) accessToken.resourceServer = server;
  accessToken.scope = (server ? onServer : ofThePerson).join(' ') || undefined;
  if (certificate) accessToken.setThumbprint('x5t', certificate);
  if (dPoP) accessToken.setThumbprint('jkt', dPoP.thumbprint);
  ctx.oidc.entity('AccessToken', accessToken);
  const value = await accessToken.save();
  return { accountId, grantId, accessToken, value, scopes, resource: server?.identifier() };
}
