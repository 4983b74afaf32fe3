import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request that reached a client's address. */
export interface Received {
  readonly path: string;
  readonly method: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly form: URLSearchParams;
  /** What it was answered; 0: nothing. */
  readonly status: number;
}

/** A client's web server, which takes what is posted to it. */
export interface Receiver {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly received: readonly Received[];
  /** What reached one path. */
  at(path: string): Received[];
  /** Answers the next requests to a path so, and those after them with 200; 0: hangs up. */
  answer(path: string, ...statuses: number[]): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers = new Map<string, number[]>();
  const server = createServer(async (request, response) => {
    const path = request.url ?? '';
    const body = await text(request);
    const status = answers.get(path)?.shift() ?? 200;
    const { method, headers } = request;
    received.push({ path, method, headers, body, form: new URLSearchParams(body), status });
    if (status === 0) response.destroy();
    else response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    received,
    at: (path) => received.filter((each) => each.path === path),
    answer: (path, ...statuses) => void answers.set(path, statuses),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
