import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import type { Certificate } from './certificates.ts';
import type { Fetch } from './server.ts';

/**
 * Fetch over TLS with a certificate of one's own, or without one. Each request is a connection.
 * @param authority whose word is taken for the server, in PEM
 */
export function tlsFetch(authority: string, own?: Certificate): Fetch {
  return async (url, init) => {
    const { method, headers, body } = new Request(url, init);
    const agent = new Agent({ ca: authority, cert: own?.cert, key: own?.key });
    const sent = request(url, { method, agent, headers: Object.fromEntries(headers) });
    const answered = once(sent, 'response', { signal: AbortSignal.timeout(10_000) });
    sent.end(body ? await buffer(body as never) : undefined);
    const [response] = (await answered) as [IncomingMessage];
    const received = await buffer(response);
    agent.destroy();
    return new Response(received.length > 0 ? received : null, {
      status: response.statusCode ?? 0,
      headers: response.headers as Record<string, string>,
    });
  };
}
