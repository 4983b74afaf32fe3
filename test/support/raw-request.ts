import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The body, where it is JSON. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

/** Sends what a well-behaved client would not let through: any header, method and body. */
export async function rawRequest(
  url: string,
  options: {
    method?: string;
    headers?: Readonly<Record<string, string>>;
    body?: string | Buffer;
  } = {},
): Promise<RawAnswer> {
  const { method = 'GET', headers = {}, body } = options;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  // A connection that is to be closed would be cut while a large body is still on its way.
  const agent = new Agent({ keepAlive: true });
  const sent = request(url, { method, agent, headers: { ...length, ...headers } });
  const answered = once(sent, 'response', { signal: AbortSignal.timeout(10_000) });
  sent.end(body);
  const [response] = (await answered) as [IncomingMessage];
  sent.on('error', () => {});
  const received = await text(response);
  agent.destroy();
  const isJson = response.headers['content-type']?.includes('json');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: received,
    json: isJson ? JSON.parse(received) : undefined,
  };
}
