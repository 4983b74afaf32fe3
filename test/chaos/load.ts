import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { ClientApp, goThrough } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import type { TestNode, TestServer } from '../support/server.ts';
import { UserAgent } from '../support/user-agent.ts';
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';
import { type Asked, Requests } from './requests.ts';

const MACHINES = 3;
const PEOPLE = 3;
/** How often a family of refresh tokens is renewed. */
const REFRESHES = 3;
/** Milliseconds before a client whose request failed asks again, elsewhere. */
const AGAIN_MS = 50;

/** Clients and people that keep all nodes busy, and hold every answer against what was promised. */
export class Load {
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly server: TestServer,
    private readonly random: Random,
    private readonly ledger: Ledger,
    private readonly app: ClientApp,
    private readonly requests: Requests,
    private readonly person: Person,
  ) {}

  static async begin(server: TestServer, random: Random, ledger: Ledger): Promise<Load> {
    const client = await server.admin.client();
    const app = await ClientApp.connect(server, client);
    const requests = new Requests(server, ledger, client);
    const person = await server.admin.person();
    const load = new Load(server, random, ledger, app, requests, person);
    load.#running = Promise.all([
      ...Array.from({ length: MACHINES }, () => load.#keepOn(() => load.#machine())),
      ...Array.from({ length: PEOPLE }, () => load.#keepOn(() => load.#visit())),
    ]);
    return load;
  }

  /** Resolves when each of the nodes has answered so many requests more. */
  async answers(more: number, nodes: readonly TestNode[] = this.server.nodes): Promise<void> {
    const { answers } = this.ledger;
    const wanted = nodes.map((node) => {
      const nth = this.server.nodes.indexOf(node);
      return { nth, count: (answers[nth] ?? 0) + more };
    });
    await eventually('the nodes answer', () =>
      wanted.every(({ nth, count }) => (answers[nth] ?? 0) >= count),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Asks for every token that was ever acknowledged, on all nodes in turn. */
  async checkAll(): Promise<void> {
    const tokens = [...this.ledger.tokens];
    const next = async (): Promise<void> => {
      for (let token = tokens.pop(); token !== undefined; token = tokens.pop()) {
        const node = this.server.nodes[tokens.length % this.server.nodes.length] as TestNode;
        if ((await this.#check(token, node)) === undefined) {
          this.ledger.violated('an introspection had no answer after all faults were over');
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, next));
  }

  async #keepOn(act: () => Promise<void>): Promise<void> {
    while (!this.#stopping.signal.aborted) await act();
  }

  async #machine(): Promise<void> {
    const { status, body } = await this.#ask('/connect/token', {
      grant_type: 'client_credentials',
    });
    if (status !== 200) return this.#refused('client credentials', { status, body });
    const token = String(body.access_token);
    this.ledger.acknowledged('client credentials');
    this.ledger.set(token, 'good');
    await this.#check(token);
    if (this.random.happens(0.4)) await this.#revoke(token);
    const another = this.random.pick(this.ledger.tokens);
    await this.#check(another);
  }

  /** In a browser of its own, so that what ends one grant ends no other. */
  async #visit(): Promise<void> {
    const { url, checks } = await this.app.request();
    let code: string | null;
    try {
      const send = this.requests.fetchFrom(this.#anyNode());
      const browser = new UserAgent(this.server.issuer, send);
      const { callback } = await goThrough(browser, url, this.person);
      code = callback.searchParams.get('code');
    } catch {
      return this.#pause();
    }
    if (!code) return this.ledger.violated('an authorization request was refused');
    this.ledger.acknowledged('authorization');
    const form = {
      grant_type: 'authorization_code',
      code,
      code_verifier: checks.pkceCodeVerifier,
      redirect_uri: REDIRECT_URI,
    };
    if (this.random.happens(0.3)) return this.#redeemTwice(form);
    const { status, body } = await this.#ask('/connect/token', form);
    if (status !== 200) return this.#refused('code', { status, body });
    this.ledger.acknowledged('code');
    await this.#live(body);
  }

  async #redeemTwice(form: Record<string, string>): Promise<void> {
    const answers = await this.#atOnce('/connect/token', form);
    const granted = answers.filter(({ status }) => status === 200);
    if (granted.length > 1) this.ledger.violated('a code was redeemed twice');
    const replayed = answers.some(({ status }) => status === 400);
    for (const { body } of granted) {
      this.ledger.acknowledged('code');
      // Whoever comes second ends the grant; who was not answered may have come, or come later.
      this.ledger.set(String(body.access_token), replayed ? 'ended' : 'unsure');
      if (replayed) await this.#check(String(body.access_token));
    }
  }

  /** The life of a family of refresh tokens. */
  async #live(body: Asked['body']): Promise<void> {
    const accessTokens = [String(body.access_token)];
    let refreshToken = String(body.refresh_token);
    this.ledger.set(String(body.access_token), 'good');
    for (let nth = 0; nth < REFRESHES; nth++) {
      const next = await this.#refresh(refreshToken);
      if (!next) return;
      accessTokens.push(String(next.access_token));
      this.ledger.set(String(next.access_token), 'good');
      refreshToken = String(next.refresh_token);
      await this.#check(this.random.pick(accessTokens));
    }
    if (this.random.happens(0.5)) {
      await this.#revoke(this.random.pick(accessTokens));
      return;
    }
    // With a refresh token may end what was issued with it.
    for (const token of accessTokens) this.ledger.set(token, 'unsure');
    this.ledger.set(refreshToken, 'good');
    if (!(await this.#revoke(refreshToken))) return;
    const { status } = await this.#ask('/connect/token', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    if (status === 200) this.ledger.violated('a revoked refresh token was redeemed');
  }

  /** Asks until there is an answer: within the leeway it is the same however often one asks. */
  async #refresh(refreshToken: string): Promise<Asked['body'] | undefined> {
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
    while (!this.#stopping.signal.aborted) {
      const answers = this.random.happens(0.3)
        ? await this.#atOnce('/connect/token', form)
        : [await this.#ask('/connect/token', form)];
      const granted = answers.filter(({ status }) => status === 200);
      const successors = new Set(granted.map(({ body }) => body.refresh_token));
      if (successors.size > 1) this.ledger.violated('a refresh token has two successors');
      for (const answer of answers) if (answer.status !== 200) this.#refused('refresh', answer);
      if (granted[0]) {
        this.ledger.acknowledged('refresh');
        return granted[0].body;
      }
      if (answers.some(({ status }) => status === 400)) return undefined;
    }
    return undefined;
  }

  /** @returns whether it was acknowledged */
  async #revoke(token: string): Promise<boolean> {
    if (this.ledger.standing(token) !== 'good') return false;
    this.ledger.set(token, 'ending');
    while (!this.#stopping.signal.aborted) {
      const { status, body } = await this.#ask('/connect/revoke', { token });
      if (status === 200) {
        this.ledger.set(token, 'ended');
        this.ledger.acknowledged('revocation');
        await Promise.all(this.server.nodes.map((node) => this.#check(token, node)));
        return true;
      }
      this.#refused('revocation', { status, body });
    }
    return false;
  }

  async #check(token: string, node = this.#anyNode()): Promise<boolean | undefined> {
    const before = this.ledger.standing(token);
    const { status, body } = await this.requests.ask(node, '/connect/introspect', { token });
    if (status !== 200) {
      this.#refused('introspection', { status, body });
      return undefined;
    }
    this.ledger.acknowledged('introspection');
    const nth = this.server.nodes.indexOf(node) + 1;
    this.ledger.seen(token, before, body.active === true, `on node ${nth}`);
    return body.active === true;
  }

  /** A request that is in order may fail to be answered, and may be told to come back: nothing else. */
  #refused(what: string, { status, body }: Asked): void {
    if (status === undefined || status >= 500) return;
    this.ledger.violated(`${what}: ${status} ${body.error}, ${body.error_description}`);
  }

  #atOnce(path: string, form: Record<string, string>): Promise<Asked[]> {
    return Promise.all([this.#ask(path, form), this.#ask(path, form)]);
  }

  async #ask(path: string, form: Record<string, string>): Promise<Asked> {
    const answer = await this.requests.ask(this.#anyNode(), path, form);
    if (answer.status === undefined || answer.status >= 500) await this.#pause();
    return answer;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }

  #anyNode(): TestNode {
    return this.random.pick(this.server.nodes);
  }
}
