import type Provider from 'oidc-provider';

/** What a logout token is about; the person by the server's own subject. */
export interface LogoutTokenClaims {
  readonly sub: string;
  readonly sid: string;
  readonly jti: string;
}

/**
 * A logout token for a client (OpenID Connect Back-Channel Logout §2.4), good for two minutes; undefined
 * where there is no such client.
 */
export type LogoutToken = (
  clientId: string,
  claims: LogoutTokenClaims,
) => Promise<string | undefined>;

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** What the library has for its own logout tokens, and its types leave out. */
interface LibraryToken {
  mask: object;
  set(claim: string, value: unknown): void;
  issue(options: { use: 'logout' }): Promise<string>;
}

/** By the library, so that it is signed, and encrypted, as the client's ID tokens are. */
export async function makeLogoutToken(
  provider: Provider,
  ...[clientId, { sub, sid, jti }]: Parameters<LogoutToken>
): Promise<string | undefined> {
  const client = await provider.Client.find(clientId);
  if (!client) return undefined;
  const IdToken = provider.IdToken as unknown as new (
    available: object,
    context: object,
  ) => LibraryToken;
  const token = new IdToken({ sub }, { client, ctx: undefined });
  token.mask = { sub: null };
  token.set('events', { [EVENT]: {} });
  token.set('sid', sid);
  token.set('jti', jti);
  return token.issue({ use: 'logout' });
}
