import type { RegisteredClient } from '../support/admin.ts';
import type { Fetch, TestNode, TestServer } from '../support/server.ts';
import type { Ledger } from './ledger.ts';

/** Milliseconds after which a client gives an answer up. */
const PATIENCE_MS = 4_000;

export interface Asked {
  /** Undefined when there was no answer: nobody knows then what has happened. */
  readonly status: number | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Requests of impatient clients; what every answer has to obey is checked here. */
export class Requests {
  constructor(
    private readonly server: TestServer,
    private readonly ledger: Ledger,
    private readonly client: RegisteredClient,
  ) {}

  /** For a browser. @throws Error when there is no answer */
  fetchFrom(node: TestNode): Fetch {
    return async (url, init) => {
      try {
        const response = await node.fetch(url, {
          ...init,
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        const text = await response.text();
        this.#check(node, new URL(url).pathname, response, text);
        const { status, headers } = response;
        return new Response(text || null, { status, headers });
      } catch (error) {
        this.ledger.failures.unanswered++;
        throw error;
      }
    };
  }

  async ask(node: TestNode, path: string, form: Record<string, string>): Promise<Asked> {
    try {
      const response = await this.fetchFrom(node)(`${this.server.issuer}${path}`, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { authorization: this.#authorization },
      });
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : {} };
    } catch {
      return { status: undefined, body: {} };
    }
  }

  #check(node: TestNode, path: string, response: Response, text: string): void {
    const { status, headers } = response;
    if (status < 500) {
      this.ledger.answered(this.server.nodes.indexOf(node));
      return;
    }
    if (status !== 503) this.ledger.violated(`${status} at ${path}: ${text.slice(0, 200)}`);
    else if (!headers.get('retry-after'))
      this.ledger.violated(`503 without Retry-After at ${path}`);
    this.ledger.failures.unavailable++;
  }

  get #authorization(): string {
    const { clientId, secret } = this.client;
    const pair = [clientId, secret].map(encodeURIComponent).join(':');
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  }
}
