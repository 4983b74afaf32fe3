import { createHash, randomBytes } from 'node:crypto';
import { REDIRECT_URI, WEB_SCOPE } from './conditions.js';

/**
 * A browser as far as an authorization request needs one: cookies, redirects, and a sign-in form to
 * fill in. @typedef {{ username: string, password: string }} Person
 */

const MAX_HOPS = 12;

export class UserAgent {
  /** @type {Map<string, { value: string, path: string }>} */
  #cookies = new Map();
  #person;

  /** @param {Person} person */
  constructor(person) {
    this.#person = person;
  }

  /**
   * The authorization request (RFC 6749 §4.1.1 with PKCE) up to the redirect to the client.
   *
   * @param {string} endpoint
   * @param {import('./conditions.js').Client} client
   * @returns {Promise<{ code: string, codeVerifier: string }>}
   */
  async authorize(endpoint, client) {
    const codeVerifier = randomBytes(32).toString('base64url');
    const url = new URL(endpoint);
    url.search = new URLSearchParams({
      client_id: client.clientId,
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      scope: WEB_SCOPE,
      state: randomBytes(16).toString('base64url'),
      nonce: randomBytes(16).toString('base64url'),
      code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
    }).toString();
    const answer = await this.#follow(url);
    const code = answer.searchParams.get('code');
    if (!code) throw new Error(`the authorization request was refused: ${answer.search}`);
    return { code, codeVerifier };
  }

  /** @param {URL} url where to begin @returns {Promise<URL>} the redirect to the client */
  async #follow(url) {
    let here = url;
    /** @type {RequestInit} */
    let request = {};
    for (let hop = 0; hop < MAX_HOPS; hop++) {
      const response = await this.#send(here, request);
      request = {};
      const location = response.headers.get('location');
      if (location) {
        await response.body?.cancel();
        here = new URL(location, here);
        if (here.href.startsWith(REDIRECT_URI)) return here;
        continue;
      }
      const page = await response.text();
      if (response.status !== 200) {
        throw new Error(`${response.status} from ${here.pathname}: ${page.slice(0, 500)}`);
      }
      const form = this.#filled(page);
      if (!form) throw new Error(`no form at ${here.pathname}: ${page.slice(0, 500)}`);
      here = new URL(form.action, here);
      request = { method: 'POST', body: form.fields };
    }
    throw new Error(`no code after ${MAX_HOPS} steps, the last at ${here.pathname}`);
  }

  /**
   * @param {URL} url
   * @param {RequestInit} request
   */
  async #send(url, request) {
    const cookie = [...this.#cookies]
      .filter(([, { path }]) => url.pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
    const response = await fetch(url, {
      ...request,
      redirect: 'manual',
      headers: { cookie, origin: url.origin },
    });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  /** @param {string} setCookie RFC 6265 §5.2, for one host */
  #keep(setCookie) {
    const [pair = '', ...attributes] = setCookie.split('; ');
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(name.length + 1);
    const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/';
    if (value) this.#cookies.set(name, { value, path });
    else this.#cookies.delete(name);
  }

  /** @param {string} page the page's first form, with what a person would type */
  #filled(page) {
    const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page);
    if (!form) return undefined;
    const [, head = '', inside = ''] = form;
    const fields = new URLSearchParams();
    for (const [input] of inside.matchAll(/<input\b[^>]*>/gi)) {
      const name = attribute(input, 'name');
      const type = attribute(input, 'type');
      if (!name || type === 'submit' || type === 'checkbox') continue;
      if (type === 'password') fields.set(name, this.#person.password);
      else if (type === 'hidden') fields.set(name, attribute(input, 'value') ?? '');
      else fields.set(name, this.#person.username);
    }
    const [button] = /<button\b[^>]*\bname=[^>]*>/i.exec(inside) ?? [];
    const name = button && attribute(button, 'name');
    if (button && name) fields.set(name, attribute(button, 'value') ?? '');
    return { action: attribute(head, 'action') ?? '', fields };
  }
}

/**
 * @param {string} tag
 * @param {string} name
 */
function attribute(tag, name) {
  const value = new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(tag)?.[1];
  return value?.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
}
