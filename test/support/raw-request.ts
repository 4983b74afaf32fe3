import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
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
  const sent = request(url, { method, agent: false, headers: { ...length, ...headers } });
  // A server that refuses a large body closes the connection while it is still being sent.
  sent.on('error', () => {});
  const answered = once(sent, 'response', { signal: AbortSignal.timeout(10_000) });
  sent.end(body);
  const [response] = (await answered) as [IncomingMessage];
  const received = await text(response);
  const isJson = response.headers['content-type']?.includes('json');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: received,
    json: isJson ? JSON.parse(received) : undefined,
  };
}
