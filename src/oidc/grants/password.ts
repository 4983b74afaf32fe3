import type { TokenEndpointGrantContext } from 'oidc-provider';
import { errors } from 'oidc-provider';
import {
  applyRefreshTokenBindings,
  buildTokenResponse,
  checkDpopReplay,
  checkDpopRequired,
  checkMtlsCert,
  findAccount,
  resolveRequestedResources,
  shouldIssueRefreshToken,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';
import { scopeList } from '../adapter/model-adapter.ts';
import { checkCredentials } from '../credentials.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import type { ExtensionGrant, GrantContext } from './extension-grant.ts';
import { text } from './parameters.ts';

type Context = TokenEndpointGrantContext<Readonly<Record<string, unknown>>>;

/**
 * Resource owner password credentials (RFC 6749 §4.3), for applications that cannot be changed yet;
 * RFC 9700 §2.4 forbids it to new ones. The person is asked for no consent: they typed their password
 * into the client. What they can do on the sign-in page counts here as well: limits, and the record of
 * what failed.
 */
export const password: ExtensionGrant = {
  name: 'password',
  parameters: ['username', 'password', 'scope', 'resource'],

  async handle(context, ctx) {
    const { provider } = context;
    const { client } = ctx.oidc;
    if (client.clientAuthMethod === 'none') {
      throw new errors.UnauthorizedClient('the password grant is for confidential clients');
    }
    const dPoP = await validateDpop(provider, ctx);
    checkDpopRequired(provider, ctx, dPoP);
    const certificate = checkMtlsCert(provider, ctx);
    const [server, ...others] = await resolveRequestedResources(provider, ctx);
    if (others.length > 0) throw new errors.InvalidTarget('only a single resource is supported');
    if (dPoP) await checkDpopReplay(provider, ctx, dPoP, client.clientId);
    const accountId = await signedIn(context, ctx);

    const scopes = scopeList(text(ctx.oidc.params, 'scope'));
    const onServer = scopes.filter((each) => server?.scopes.has(each));
    const ofThePerson = scopes.filter((each) => ctx.oidc.requestParamOIDCScopes.has(each));
    const grant = new provider.Grant({ accountId, clientId: client.clientId });
    if (ofThePerson.length > 0) grant.addOIDCScope(ofThePerson.join(' '));
    if (server && onServer.length > 0) {
      grant.addResourceScope(server.identifier(), onServer.join(' '));
    }
    const unit = currentUnitOfWork();
    unit.grantBasis = 'password';
    const grantId = await grant.save();

    const authTime = Math.floor(Date.now() / 1000);
    const amr = ['pwd'];
    unit.tokenClaims = { auth_time: authTime, amr };
    const shared = { accountId, client, grantId, gty: password.name };
    const accessToken = new provider.AccessToken(shared);
    if (server) accessToken.resourceServer = server;
    accessToken.scope = (server ? onServer : ofThePerson).join(' ') || undefined;
    if (certificate) accessToken.setThumbprint('x5t', certificate);
    if (dPoP) accessToken.setThumbprint('jkt', dPoP.thumbprint);
    ctx.oidc.entity('AccessToken', accessToken);
    const value = await accessToken.save();

    const resource = server?.identifier();
    const source = { ...shared, amr, authTime, resource, scope: scopes.join(' ') };
    let refreshToken: string | undefined;
    if (await shouldIssueRefreshToken(provider, ctx, { ...source, scopes: new Set(scopes) })) {
      const token = new provider.RefreshToken({ ...source, rotations: 0 });
      await applyRefreshTokenBindings(provider, ctx, accessToken, token);
      ctx.oidc.entity('RefreshToken', token);
      refreshToken = await token.save();
    }

    ctx.body = buildTokenResponse(provider, {
      accessToken: value,
      expiresIn: accessToken.expiration,
      idToken: scopes.includes('openid')
        ? await idToken(context, ctx, unit.tokenClaims)
        : undefined,
      refreshToken,
      scope: accessToken.scope,
      tokenType: accessToken.tokenType,
    });
  },
};

/** Says who it is and how they signed in; what else there is to know, userinfo tells. */
function idToken({ provider }: GrantContext, ctx: Context, claims: object): Promise<string> {
  const token = new provider.IdToken({ sub: ctx.oidc.account?.accountId, ...claims }, { ctx });
  return Object.assign(token, { scope: 'openid' }).issue({ use: 'idtoken' });
}

/** @throws InvalidGrant where the credentials are not accepted; the answer does not tell why */
async function signedIn(context: GrantContext, ctx: Context): Promise<string> {
  const { params } = ctx.oidc;
  const [username, secret] = [text(params, 'username'), text(params, 'password')];
  if (!username || !secret) {
    throw new errors.InvalidRequest("missing required parameter(s) 'username' and 'password'");
  }
  const checked = await checkCredentials(context, username, secret, ctx.ip);
  const account =
    'sub' in checked ? await findAccount(context.provider, ctx, checked.sub) : undefined;
  if (!account) throw new errors.InvalidGrant('the credentials are not accepted');
  ctx.oidc.entity('Account', account);
  return account.accountId;
}
