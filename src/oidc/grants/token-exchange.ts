import type {
  AccessToken,
  Client,
  ClientCredentials,
  TokenEndpointGrantContext,
} from 'oidc-provider';
import { errors } from 'oidc-provider';
import {
  buildTokenResponse,
  checkDpopReplay,
  checkDpopRequired,
  checkMtlsCert,
  type DPoPValidationResult,
  findAccount,
  resolveRequestedResources,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';
import { digest } from '../../platform/secrets.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import { instantOf, scopeList } from '../adapter/model-adapter.ts';
import { policyOf } from '../clients/clients.ts';
import { mayAsk } from '../tokens/resources.ts';
import { together } from '../tokens/several-resources.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import type { ExtensionGrant, GrantContext } from './extension-grant.ts';
import { text, texts } from './parameters.ts';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

/** The row that says a client exchanged a token: claimed, so of two commits one is refused. */
export const EXCHANGE_USE = 'ExchangeUse';

type Context = TokenEndpointGrantContext<Readonly<Record<string, unknown>>>;

/**
 * Token exchange (RFC 8693): a confidential client exchanges a person's access token for one of its
 * own that may do the same or less, and ends with it at the latest. With an actor token, which was
 * issued to the client, the new token says who acts: the client itself, or the person whose token it
 * is. Without one, the client impersonates. Which of the two a client may do is its policy.
 *
 * Nothing is widened: the scopes are among the subject token's, and the client is permitted them, and
 * the person's grant has them for the resource. The new token belongs to the same grant: whatever ends
 * the grant ends the token.
 */
export const tokenExchange: ExtensionGrant = {
  name: 'urn:ietf:params:oauth:grant-type:token-exchange',
  parameters: [
    'subject_token',
    'subject_token_type',
    'actor_token',
    'actor_token_type',
    'requested_token_type',
    'scope',
    'resource',
    'audience',
  ],
  repeatable: ['resource', 'audience'],

  async handle(context, ctx) {
    const { provider } = context;
    const { client, params } = ctx.oidc;
    if (client.clientAuthMethod === 'none') {
      throw new errors.UnauthorizedClient('token exchange is for confidential clients');
    }
    const wanted = text(params, 'requested_token_type') ?? ACCESS_TOKEN;
    if (wanted !== ACCESS_TOKEN) {
      throw new errors.InvalidRequest('requested_token_type must be that of an access token');
    }

    const dPoP = await validateDpop(provider, ctx);
    checkDpopRequired(provider, ctx, dPoP);
    const subject = await subjectToken(context, ctx);
    const actor = await actorToken(context, ctx);
    assertPermitted(client, subject, actor);

    const accessToken = new provider.AccessToken({
      accountId: subject.accountId,
      client,
      expiresWithSession: subject.expiresWithSession,
      grantId: subject.grantId,
      gty: tokenExchange.name,
      sessionUid: subject.sessionUid,
      sid: subject.clientId === client.clientId ? subject.sid : undefined,
    });
    await bind(context, ctx, accessToken, dPoP);
    for (const presented of [subject, actor]) proveKey(presented, accessToken);
    await narrow(context, ctx, subject, accessToken);
    const expiresIn = Math.min(accessToken.expiration, secondsLeft(subject));
    Object.assign(accessToken, { expiresIn });

    const unit = currentUnitOfWork();
    unit.exchange = { exchangedFrom: digest(subject.jti), clientId: client.clientId };
    unit.tokenClaims = claimsOf(subject, actor);
    ctx.oidc.entity('AccessToken', accessToken);
    const value = await accessToken.save();

    ctx.body = buildTokenResponse(provider, {
      accessToken: value,
      expiresIn: accessToken.expiration,
      issuedTokenType: ACCESS_TOKEN,
      scope: accessToken.scope,
      tokenType: accessToken.tokenType,
    });
  },
};

/** RFC 8693 §2.2.2: a token that is not valid, or not one this client may exchange, is invalid_request. */
async function subjectToken(context: GrantContext, ctx: Context): Promise<AccessToken> {
  const { provider } = context;
  const { client } = ctx.oidc;
  const value = presented(ctx, 'subject_token');
  if (!value) throw new errors.InvalidRequest("missing required parameter(s) 'subject_token'");
  const token = await provider.AccessToken.find(value);
  if (!token || secondsLeft(token) <= 0) {
    throw new errors.InvalidRequest('subject_token is not a valid access token of a person');
  }
  if (!mayExchange(context, client, token)) {
    throw new errors.InvalidRequest('subject_token is not one that this client may exchange');
  }
  const account = await findAccount(provider, ctx, token.accountId, token);
  if (!account) throw new errors.InvalidRequest('subject_token is of a person who is not known');
  ctx.oidc.entity('Account', account);
  return token;
}

/** Who acts proves it with a token that was issued to this client: for itself, or for a person. */
async function actorToken(
  { provider }: GrantContext,
  ctx: Context,
): Promise<AccessToken | ClientCredentials | undefined> {
  const value = presented(ctx, 'actor_token');
  if (!value) return undefined;
  const [own, ofPerson] = await Promise.all([
    provider.ClientCredentials.find(value),
    provider.AccessToken.find(value),
  ]);
  const token = own ?? ofPerson;
  if (!token || token.isExpired || token.clientId !== ctx.oidc.client.clientId) {
    throw new errors.InvalidRequest('actor_token is not a valid access token of this client');
  }
  return token;
}

/** @throws InvalidRequest, InvalidTarget for what the client's policy does not allow */
function assertPermitted(
  client: Client,
  subject: AccessToken,
  actor: AccessToken | ClientCredentials | undefined,
): void {
  const { impersonation, delegation, once } = policyOf(client).tokenExchange;
  if (!(actor ? delegation : impersonation)) {
    const kind = actor ? 'delegation' : 'impersonation';
    throw new errors.InvalidRequest(`${kind} is not allowed for this client`);
  }
  if (!once) return;
  currentUnitOfWork().change({
    op: 'claim',
    model: EXCHANGE_USE,
    id: digest(`${subject.jti} ${client.clientId}`),
    lookup: null,
    payload: null,
    expiresAt: instantOf(subject.exp ?? 0),
  });
}

/** A token and its type, which come together or not at all. */
function presented({ oidc: { params } }: Context, name: 'subject_token' | 'actor_token') {
  const value = text(params, name);
  const type = text(params, `${name}_type`);
  if ((value === undefined) !== (type === undefined)) {
    throw new errors.InvalidRequest(`${name} and ${name}_type come together`);
  }
  if (type !== undefined && type !== ACCESS_TOKEN && type !== JWT) {
    throw new errors.InvalidRequest(`${name}_type must be that of an access token`);
  }
  if (type === JWT && value?.split('.').length !== 3) {
    throw new errors.InvalidRequest(`${name} is not a JWT, as its type says`);
  }
  return value;
}

/**
 * A client may exchange what was issued to itself, and what is meant for a resource on which it has a
 * permission by name. `*` does not count: it says nothing about that resource.
 */
function mayExchange({ catalogue }: GrantContext, client: Client, token: AccessToken): boolean {
  return (
    token.clientId === client.clientId ||
    [token.aud].flat().some((each) => isOn(catalogue, client, each))
  );
}

function isOn({ scopes }: Catalogue, client: Client, resource: unknown): boolean {
  return policyOf(client).scopes.some((name) =>
    scopes.get(name)?.resources.some((each) => each === resource),
  );
}

async function bind(
  { provider }: GrantContext,
  ctx: Context,
  token: AccessToken,
  dPoP: DPoPValidationResult | undefined,
): Promise<void> {
  const certificate = checkMtlsCert(provider, ctx);
  if (certificate) token.setThumbprint('x5t', certificate);
  if (!dPoP) return;
  await checkDpopReplay(provider, ctx, dPoP, ctx.oidc.client.clientId);
  token.setThumbprint('jkt', dPoP.thumbprint);
}

/** A token that is bound to a key is exchanged by who has the key, and for one that is bound as well. */
function proveKey(
  presented: AccessToken | ClientCredentials | undefined,
  token: AccessToken,
): void {
  for (const thumbprint of ['jkt', 'x5t#S256'] as const) {
    if (presented?.[thumbprint] && presented[thumbprint] !== token[thumbprint]) {
      throw new errors.InvalidGrant(
        'a token was presented without proof of the key it is bound to',
      );
    }
  }
}

/**
 * Sets audience and scope of the new token.
 * @throws InvalidScope for a scope that the subject token has not, or the client may not have
 * @throws InvalidTarget for a resource that there is not, or on which nothing may be done
 */
async function narrow(
  { provider, issuer }: GrantContext,
  ctx: Context,
  subject: AccessToken,
  token: AccessToken,
): Promise<void> {
  const { client, params } = ctx.oidc;
  const had = scopeList(subject.scope).filter((scope) => scope !== 'offline_access');
  const asked = scopeList(text(params, 'scope'));
  const refused = asked.filter((scope) => !had.includes(scope) || !mayAsk(client, scope));
  if (refused.length > 0) {
    throw new errors.InvalidScope('requested scope is not allowed', refused.join(' '));
  }
  const scopes = asked.length > 0 ? asked : had.filter((scope) => mayAsk(client, scope));

  const targets = new Set([...texts(params, 'resource'), ...texts(params, 'audience')]);
  if (targets.size > 1) throw new errors.InvalidTarget('only a single target is supported');
  const grant = await provider.Grant.find(subject.grantId);
  if (!grant) throw new errors.InvalidGrant('grant not found');
  ctx.oidc.entity('Grant', grant);

  // The issuer is the audience of a JWT that is for no resource.
  const aud = [subject.aud ?? []].flat();
  const own = aud.length === 0 || aud.includes(issuer) ? undefined : together(aud);
  const [target = own] = targets;
  const { resources } = policyOf(client).tokenExchange;
  if (!resources.includes('*') && !resources.includes(target ?? issuer)) {
    throw new errors.InvalidTarget('this client may not exchange tokens for this resource');
  }
  if (target === undefined) {
    token.scope = grant.getOIDCScopeFiltered(new Set(scopes)) || undefined;
    if (!token.scope)
      throw new errors.InvalidScope('nothing is left of the scopes', asked.join(' '));
    return;
  }
  Object.assign(params, { resource: target, scope: scopes.join(' ') });
  const [server] = await resolveRequestedResources(provider, ctx);
  if (!server) throw new errors.InvalidTarget();
  token.resourceServer = server;
  const onTarget = scopes.filter((scope) => server.scopes.has(scope));
  token.scope = grant.getResourceScopeFiltered(target, new Set(onTarget)) || undefined;
  if (!token.scope) throw new errors.InvalidTarget('nothing may be done there with this token');
}

/** How the person signed in, and the chain of those who act (RFC 8693 §4.1), the latest outermost. */
function claimsOf(
  { extra }: AccessToken,
  actor: AccessToken | ClientCredentials | undefined,
): Readonly<Record<string, unknown>> {
  const { act, ...authentication } = (extra ?? {}) as Record<string, unknown>;
  const acting = actor ? { ...holderOf(actor), ...(act ? { act } : {}) } : act;
  return { ...authentication, ...(acting ? { act: acting } : {}) };
}

/** A person acts by means of the client. */
function holderOf(actor: AccessToken | ClientCredentials): Readonly<Record<string, unknown>> {
  return actor.kind === 'AccessToken'
    ? { sub: actor.accountId, client_id: actor.clientId }
    : { sub: actor.clientId };
}

function secondsLeft({ exp }: AccessToken): number {
  return (exp ?? 0) - Math.floor(Date.now() / 1000);
}
