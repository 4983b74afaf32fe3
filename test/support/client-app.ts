import * as oidc from 'openid-client';
import {
  type Person,
  POST_LOGOUT_REDIRECT_URI,
  REDIRECT_URI,
  type RegisteredClient,
} from './admin.ts';
import type { TestNode, TestServer } from './server.ts';
import { type Page, UserAgent } from './user-agent.ts';

type Parameters = Readonly<Record<string, string>>;

/** What a person does on the pages they are shown. */
export interface Behaviour {
  /** Optional scopes whose boxes they leave empty. */
  readonly declines?: readonly string[];
  /** They press the button that says no. */
  readonly denies?: boolean;
}

export interface SignedIn {
  readonly tokens: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;
  /** The pages that were shown on the way. */
  readonly pages: readonly string[];
  readonly callback: URL;
}

/** An application that uses openid-client, talking to one node of a server. */
export class ClientApp {
  private constructor(
    readonly config: oidc.Configuration,
    readonly node: TestNode,
    readonly registered: RegisteredClient,
  ) {}

  /** Discovers the server, as the client library demands it. */
  static async connect(
    server: TestServer,
    registered: RegisteredClient,
    options: {
      node?: TestNode;
      authentication?: oidc.ClientAuth;
      metadata?: Partial<oidc.ClientMetadata>;
    } = {},
  ): Promise<ClientApp> {
    const node = options.node ?? server.node;
    const { clientId, secret } = registered;
    const byDefault = secret ? oidc.ClientSecretBasic(secret) : oidc.None();
    const config = await oidc.discovery(
      new URL(server.issuer),
      clientId,
      options.metadata ?? {},
      options.authentication ?? byDefault,
      {
        execute: [oidc.allowInsecureRequests],
        [oidc.customFetch]: (url, init) => node.fetch(url, init as RequestInit),
      },
    );
    return new ClientApp(config, node, registered);
  }

  /** An authorization request, and what its answer has to be checked against. */
  async request(parameters: Parameters = {}) {
    const checks = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
      ...(parameters.max_age ? { maxAge: Number(parameters.max_age) } : {}),
    };
    const url = oidc.buildAuthorizationUrl(this.config, {
      redirect_uri: REDIRECT_URI,
      scope: 'openid profile email offline_access',
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      ...parameters,
    });
    return { url, checks };
  }

  /**
   * The whole way: authorization request, pages, code, tokens.
   * @throws what openid-client finds wrong: AuthorizationResponseError, ResponseBodyError …
   */
  async signIn(
    browser: UserAgent,
    person: Person,
    parameters: Parameters = {},
    options: Behaviour & oidc.AuthorizationCodeGrantOptions = {},
  ): Promise<SignedIn> {
    const { url, checks } = await this.request(parameters);
    const resource: Parameters = parameters.resource ? { resource: parameters.resource } : {};
    return this.answer(browser, url, checks, person, resource, options);
  }

  /** The way from an authorization request that has been made already. */
  async answer(
    browser: UserAgent,
    url: URL,
    checks: oidc.AuthorizationCodeGrantChecks,
    person: Person,
    parameters: Parameters = {},
    options: Behaviour & oidc.AuthorizationCodeGrantOptions = {},
  ): Promise<SignedIn> {
    const { callback, pages } = await goThrough(browser, url, person, options);
    const { DPoP } = options;
    const tokens = await oidc.authorizationCodeGrant(this.config, callback, checks, parameters, {
      DPoP,
    });
    return { tokens, pages, callback };
  }

  /** Asks for an authorization code and leaves it unredeemed. */
  async code(browser: UserAgent, person: Person, parameters: Parameters = {}) {
    const { url, checks } = await this.request(parameters);
    const { callback } = await goThrough(browser, url, person);
    const code = callback.searchParams.get('code');
    if (!code) throw new Error(`the authorization request was refused: ${callback.search}`);
    return { code, codeVerifier: checks.pkceCodeVerifier, callback, checks };
  }

  refresh(refreshToken: string, parameters: Parameters = {}, options?: oidc.DPoPOptions) {
    return oidc.refreshTokenGrant(this.config, refreshToken, parameters, options);
  }

  async isActive(token: string | undefined): Promise<boolean> {
    return (await oidc.tokenIntrospection(this.config, token ?? '')).active;
  }

  /** RP-initiated logout, answered with yes or no. */
  async signOut(
    browser: UserAgent,
    parameters: Parameters,
    answer: 'yes' | 'no' = 'yes',
  ): Promise<Page> {
    const page = await browser.open(
      oidc.buildEndSessionUrl(this.config, {
        post_logout_redirect_uri: POST_LOGOUT_REDIRECT_URI,
        ...parameters,
      }),
    );
    return browser.press(page, answer === 'yes' ? 'logout=yes' : '=');
  }
}

/** A browser of its own, on the first node unless told otherwise. */
export function newBrowser(server: TestServer, node = server.node): UserAgent {
  return new UserAgent(server.issuer, node.fetch);
}

/** From an authorization request to the client's redirect URI, by the pages in between. */
export async function goThrough(
  browser: UserAgent,
  url: string | URL,
  person: Pick<Person, 'username' | 'password'>,
  { declines = [], denies = false }: Behaviour = {},
): Promise<{ callback: URL; pages: string[] }> {
  const pages: string[] = [];
  let page = await browser.open(url);
  while (!page.atClient) {
    if (pages.length > 4) throw new Error(`the pages do not end: ${pages.join(', ')}`);
    pages.push(page.name);
    if (page.name === 'sign-in' && page.status === 200) {
      const { username, password } = person;
      page = await browser.press(page, '_action=sign-in', { type: { username, password } });
    } else if (page.name === 'consent') {
      page = await browser.press(page, denies ? '_action=deny' : '_action=allow', {
        uncheck: declines,
      });
    } else if (page.name === '' && page.status === 200) {
      // A page that a script would send on; without one a person presses its only button.
      page = await browser.press(page, '=');
    } else throw new Error(`${page.status} at ${page.url.pathname}: ${page.text}`);
  }
  return { callback: page.url, pages };
}

/** The answer of an endpoint, whatever it says. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Posts a form to an endpoint as a client, with nothing in between that could help. */
export async function post(
  server: TestServer,
  path: string,
  parameters: Parameters | URLSearchParams,
  options: {
    client?: RegisteredClient;
    node?: TestNode;
    headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Answer> {
  const { client, node = server.node, headers } = options;
  const response = await node.fetch(`${server.issuer}${path}`, {
    method: 'POST',
    body: new URLSearchParams(parameters),
    headers: { ...(client ? { authorization: basic(client) } : {}), ...headers },
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {} };
}

/** RFC 6749 §2.3.1. */
function basic({ clientId, secret }: RegisteredClient): string {
  const pair = [clientId, secret].map(encodeURIComponent).join(':');
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}
