import type { TokenEndpointGrantContext } from 'oidc-provider';
import { errors } from 'oidc-provider';
import {
  applyRefreshTokenBindings,
  buildTokenResponse,
  findAccount,
  shouldIssueRefreshToken,
} from 'oidc-provider/lib/helpers/grants.js';
import { checkCredentials } from '../people/credentials.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { openDirectGrant } from './direct-grant.ts';
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
    currentUnitOfWork().grantBasis = 'password';
    const authTime = Math.floor(Date.now() / 1000);
    const amr = ['pwd'];
    const claims = { auth_time: authTime, amr };
    const opened = await openDirectGrant(context, ctx, password.name, async () => ({
      accountId: await signedIn(context, ctx),
      claims,
    }));

    const { accountId, grantId, accessToken, resource, scopes } = opened;
    const source = {
      ...{ accountId, client, grantId, gty: password.name, amr, authTime, resource },
      scope: scopes.join(' '),
    };
    let refreshToken: string | undefined;
    if (await shouldIssueRefreshToken(provider, ctx, { ...source, scopes: new Set(scopes) })) {
      const token = new provider.RefreshToken({ ...source, rotations: 0 });
      await applyRefreshTokenBindings(provider, ctx, accessToken, token);
      ctx.oidc.entity('RefreshToken', token);
      refreshToken = await token.save();
    }

    ctx.body = buildTokenResponse(provider, {
      accessToken: opened.value,
      expiresIn: accessToken.expiration,
      idToken: scopes.includes('openid') ? await idToken(context, ctx, claims) : undefined,
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
