import type { Fetch } from './server.ts';

const MAX_REDIRECTS = 10;

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/**
 * A browser without JavaScript, as far as a server's pages need one: it keeps cookies, follows
 * redirects while they stay on the server, and sends the forms it is shown.
 */
export class UserAgent {
  readonly #cookies = new Map<string, Cookie>();
  /** Every value a cookie has had. */
  readonly cookieValues = new Set<string>();

  /**
   * @param issuer where the server is; an address elsewhere is the end of the way
   * @param send reaches the server
   */
  constructor(
    private readonly issuer: string,
    private readonly send: Fetch,
  ) {}

  /** Another browser that has come by the same cookies. */
  copy(send = this.send): UserAgent {
    const other = new UserAgent(this.issuer, send);
    for (const [key, cookie] of this.#cookies) other.#cookies.set(key, cookie);
    return other;
  }

  /** Goes to an address, and wherever the server sends it from there. */
  open(url: string | URL): Promise<Page> {
    return this.#request(new URL(url), { method: 'GET' });
  }

  /**
   * Presses a button of a page.
   * @param button what it is named: `_action=allow`
   * @param input.type text for the fields with a name
   * @param input.uncheck values of the boxes to be left empty
   */
  press(
    page: Page,
    button: string,
    input: { type?: Readonly<Record<string, string>>; uncheck?: readonly string[] } = {},
  ): Promise<Page> {
    const form = page.formOf(button);
    const body = new URLSearchParams();
    for (const { name, type, value, checked } of form.inputs) {
      if (type === 'checkbox') {
        if (checked && !input.uncheck?.includes(value)) body.append(name, value);
      } else body.append(name, input.type?.[name] ?? value);
    }
    if (form.button.name) body.append(form.button.name, form.button.value);
    return this.#request(new URL(form.action, page.url), { method: form.method, body });
  }

  async #request(start: URL, first: { method: string; body?: URLSearchParams }): Promise<Page> {
    let url = start;
    let request: RequestInit = first;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      if (url.origin !== this.issuer) return new Page(url, 0, '', true);
      const response = await this.send(url, {
        ...request,
        redirect: 'manual',
        headers: {
          cookie: this.cookieHeader(url),
          accept: 'text/html',
          'accept-language': 'en',
          ...(request.method === 'POST' ? { origin: this.issuer } : {}),
        },
      });
      for (const line of response.headers.getSetCookie()) this.#keep(line);
      const body = await response.text();
      const location = response.headers.get('location');
      if (!location) return new Page(url, response.status, body, false);
      url = new URL(location, url);
      request = { method: 'GET' };
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects, the last to ${url.pathname}`);
  }

  /** The Cookie header for an address (RFC 6265 §5.4). */
  cookieHeader({ pathname }: URL): string {
    return [...this.#cookies.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.replace(/\/?$/, '/')))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  /** RFC 6265 §5.2, for one host. */
  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(name.length + 1);
    const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/';
    const key = `${name};${path}`;
    if (!value) this.#cookies.delete(key);
    else {
      this.#cookies.set(key, { name, value, path });
      this.cookieValues.add(value);
    }
  }
}

interface Tag {
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly checked: boolean;
}

/** Where the server left the browser. */
export class Page {
  constructor(
    readonly url: URL,
    readonly status: number,
    readonly html: string,
    /** The address is the client's, and was not opened. */
    readonly atClient: boolean,
  ) {}

  /** Which of the server's pages it is: `sign-in`, `consent`, `error` … */
  get name(): string {
    return /<body class="page-([\w-]+)"/.exec(this.html)?.[1] ?? '';
  }

  /** What can be read on it. */
  get text(): string {
    return this.html
      .replace(/<(style|script|svg)\b[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
      .replace(/\s+/g, ' ')
      .trim();
  }

  /** The form that a button belongs to. */
  formOf(wanted: string) {
    for (const form of this.#forms()) {
      const button = form.buttons.find(({ name, value }) => `${name}=${value}` === wanted);
      if (button) return { ...form, button };
    }
    throw new Error(`no button ${wanted} on the page ${this.name}: ${this.text}`);
  }

  #forms() {
    return [...this.html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(
      ([, head = '', inside = '']) => {
        const { id, action = '', method = 'get' } = attributes(head);
        const tags = [
          ...controls(inside).filter((tag) => attributes(tag).form === undefined),
          ...controls(this.html).filter((tag) => id && attributes(tag).form === id),
        ];
        return {
          action,
          method: method.toUpperCase(),
          inputs: tags.filter((tag) => /^<input/i.test(tag)).map(read),
          buttons: tags.filter((tag) => /^<button/i.test(tag)).map(read),
        };
      },
    );
  }
}

function controls(html: string): string[] {
  return [...html.matchAll(/<(?:input|button)\b[^>]*>/gi)].map(([tag]) => tag);
}

function read(tag: string): Tag {
  const { name = '', type = 'text', value = '', checked } = attributes(tag);
  return { name, type, value, checked: checked !== undefined };
}

function attributes(tag: string): Record<string, string | undefined> {
  const found = tag.replace(/^<\w+/, '').matchAll(/([\w-]+)(?:\s*=\s*"([^"]*)")?/g);
  return Object.fromEntries(
    [...found].map(([, name = '', value = '']) => [name, unescaped(value)]),
  );
}

function unescaped(value: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return value.replace(/&(#39|\w+);/g, (whole, entity: string) => entities[entity] ?? whole);
}
