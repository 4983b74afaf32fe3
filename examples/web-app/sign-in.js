import * as oidc from 'openid-client';

/** `offline_access` asks for a refresh token. */
const SCOPE = 'openid profile email offline_access';
/** Tabs in which a sign-in may be under way at a time. */
const MAX_SIGN_INS = 10;

/** The OpenID Connect side of the application: authorization code flow with PKCE, as a public client. */
export class OpenIdClient {
  #configuration;

  constructor({ issuer, clientId, appUrl }) {
    this.issuer = new URL(issuer);
    this.clientId = clientId;
    this.redirectUri = new URL('/callback', appUrl).href;
    this.postLogoutRedirectUri = new URL('/', appUrl).href;
  }

  /** Reads what the authorization server says of itself; again next time if it does not answer. */
  async reach() {
    this.#configuration ??= oidc
      .discovery(this.issuer, this.clientId, undefined, oidc.None(), {
        execute: [
          oidc.enableNonRepudiationChecks,
          ...(this.issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : []),
        ],
      })
      .catch((error) => {
        this.#configuration = undefined;
        throw error;
      });
    return this.#configuration;
  }

  /** Begins a sign-in. Returns where to send the browser; the session remembers what to expect back. */
  async begin(session) {
    const configuration = await this.reach();
    const state = oidc.randomState();
    const nonce = oidc.randomNonce();
    const codeVerifier = oidc.randomPKCECodeVerifier();
    session.signIns ??= new Map();
    session.signIns.set(state, { nonce, codeVerifier });
    if (session.signIns.size > MAX_SIGN_INS) {
      session.signIns.delete(session.signIns.keys().next().value);
    }
    return oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: this.redirectUri,
      scope: SCOPE,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
    });
  }

  /** Ends a sign-in: checks the answer at `url` against what `begin` remembered, and gets the tokens. */
  async finish(session, url) {
    const configuration = await this.reach();
    const state = url.searchParams.get('state');
    const begun = session.signIns?.get(state);
    if (!begun) throw new SignInNotBegun();
    session.signIns.delete(state);
    const tokens = await oidc.authorizationCodeGrant(configuration, url, {
      expectedState: state,
      expectedNonce: begun.nonce,
      pkceCodeVerifier: begun.codeVerifier,
      idTokenExpected: true,
    });
    return userFrom(tokens);
  }

  async userinfo({ tokens, claims }) {
    return oidc.fetchUserInfo(await this.reach(), tokens.access_token, claims.sub);
  }

  /** The user with new tokens: the server replaces the refresh token at each use. */
  async refresh({ tokens, claims, refreshes }) {
    const renewed = await oidc.refreshTokenGrant(await this.reach(), tokens.refresh_token);
    return {
      ...userFrom({ ...tokens, ...renewed }),
      claims: renewed.claims() ?? claims,
      refreshes: refreshes + 1,
    };
  }

  /** Where the server asks whether to end its own session too (OpenID Connect RP-Initiated Logout). */
  async endSessionUrl({ tokens }) {
    return oidc.buildEndSessionUrl(await this.reach(), {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: this.postLogoutRedirectUri,
    });
  }
}

class SignInNotBegun extends Error {}

function userFrom(tokens) {
  const now = Date.now();
  return {
    tokens,
    claims: tokens.claims?.(),
    obtainedAt: new Date(now),
    expiresAt: new Date(now + (tokens.expires_in ?? 0) * 1000),
    refreshes: 0,
  };
}

/** What an error means to the person who meets it, and the status to answer with. */
export function explain(error, issuer) {
  if (error instanceof SignInNotBegun) {
    return {
      status: 400,
      title: 'This sign-in was not begun here',
      message: 'Its answer came twice, late, or to another browser. Please begin again.',
    };
  }
  if (error instanceof oidc.AuthorizationResponseError) {
    const refused = error.error === 'access_denied';
    return {
      status: refused ? 403 : 502,
      title: refused ? 'You did not allow the sign-in' : 'The sign-in did not succeed',
      message: error.error_description ?? error.error,
    };
  }
  if (error.error === 'invalid_grant' || error instanceof oidc.WWWAuthenticateChallengeError) {
    return {
      status: 401,
      title: 'You are signed out',
      message: 'The authorization server no longer accepts these tokens. Please sign in again.',
    };
  }
  if (error.message === 'fetch failed' || error.code === 'OAUTH_TIMEOUT') {
    return {
      status: 503,
      title: 'Muniment does not answer',
      message: `Nothing answers at ${issuer}. Start the server with “npm start” in another terminal, then try again. If it has another address, set ISSUER.`,
    };
  }
  if (error instanceof oidc.ClientError || error instanceof oidc.ResponseBodyError) {
    return {
      status: 502,
      title: 'The authorization server gave an unexpected answer',
      message: `${issuer}: ${error.error_description ?? error.message}`,
    };
  }
  return { status: 500, title: 'This did not work', message: 'The terminal says why.' };
}
