import type {
  AccessToken,
  Client,
  ClientCredentials,
  FindAccount,
  KoaContextWithOIDC,
  RefreshToken,
} from 'oidc-provider';
import type { Catalogue } from '../../projections/catalogue.ts';
import { personalClaims } from './claim-destinations.ts';
import { ENCRYPTED } from './jwt-access-tokens.ts';

/**
 * Whether a client is told about a token, and what of the person: the claims as they are now, for none
 * are kept with the token. Whoever asks must have proved who they are (RFC 7662 §2.1); others may ask
 * about their own. For whom the token is, the answer says.
 */
export function introspectionPolicy(catalogue: Catalogue, findAccount: FindAccount) {
  return async (
    ctx: KoaContextWithOIDC,
    client: Client,
    token: AccessToken | ClientCredentials | RefreshToken,
  ): Promise<boolean> => {
    if (client.clientAuthMethod === 'none' && token.clientId !== client.clientId) return false;
    if (token.kind === 'RefreshToken') return true;
    const find = (of: AccessToken) => findAccount(ctx, of.accountId, of);
    const claims = await personalClaims(
      catalogue,
      ctx,
      token,
      find,
      'access_token',
      'introspection',
    );
    token.extra = { ...claims, ...token.extra };
    // The whole of an encrypted token is its id, which whoever asks has already.
    if (ENCRYPTED.test(token.jti)) Object.assign(ctx.oidc.params ?? {}, { token: token.jti });
    return true;
  };
}
