import dns from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Fetches what others name: keys, metadata, where they want to be notified. It goes to https on the
 * public Internet only, and beside that where the operator allows. Redirects are not followed.
 * @throws Error when it must not be fetched, takes too long, or is too large
 */
export type Outbound = typeof fetch;

export interface OutboundOptions {
  /** `host` or `host:port` that may be called although private, and by http. */
  readonly allowedPrivateHosts: readonly string[];
  /** Milliseconds for the whole of it. */
  readonly timeout?: number;
  /** Bytes of an answer's body. */
  readonly maxBytes?: number;
}

/** Makes the one way by which this server calls an address that came from outside. */
export function outbound(options: OutboundOptions): Outbound {
  const { allowedPrivateHosts, timeout = 5_000, maxBytes = 64 * 1024 } = options;
  return async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const trusted = isAmong(allowedPrivateHosts, url);
    if (!trusted) assertPublic(url);
    const body = Buffer.from(await request.arrayBuffer());
    const { request: open } = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const sent = open(url, {
        method: request.method,
        headers: Object.fromEntries(request.headers),
        // A connection of its own: one that was made before has not been looked at.
        agent: false,
        signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]),
        ...(trusted ? {} : { lookup: lookupPublic }),
      });
      sent.on('error', reject);
      sent.on('response', (answer) => received(answer, maxBytes).then(resolve, reject));
      sent.end(body);
    });
  };
}

/** Of a name, its addresses are looked at by {@link lookupPublic}, once they are known. */
function assertPublic({ protocol, origin, hostname }: URL): void {
  if (protocol !== 'https:') throw new Error(`${origin} is not called: it is not https`);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublic(host)) throw new Error(NOT_PUBLIC);
}

const NOT_PUBLIC = 'the host has an address that is not public';

function isAmong(hosts: readonly string[], { protocol, hostname, port }: URL): boolean {
  const withPort = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
  return hosts.includes(hostname) || hosts.includes(withPort);
}

async function received(answer: http.IncomingMessage, maxBytes: number): Promise<Response> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    size += chunk.length;
    // Leaving the loop closes the connection.
    if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const status = answer.statusCode ?? 0;
  const headers = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const hasBody = ![204, 205, 304].includes(status);
  return new Response(hasBody ? Buffer.concat(chunks) : null, { status, headers });
}

/** The connection goes to the very address that was looked at, so a name cannot change in between. */
const lookupPublic: LookupFunction = (name, options, callback) => {
  dns.lookup(name, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error || !first) return callback(error ?? new Error('the host has no address'), '');
    if (!addresses.every(({ address }) => isPublic(address))) {
      return callback(new Error(NOT_PUBLIC), '');
    }
    return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
  });
};

/** Networks that lead to this machine, to its neighbours, or nowhere (RFC 6890). */
const SPECIAL = networks('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]);

/** All that is routed with IPv6 (RFC 4291 §2.4), and the parts of it that stand for something else. */
const GLOBAL_V6 = networks('ipv6', ['2000::/3']);
const SPECIAL_V6 = networks('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

function networks(family: 'ipv4' | 'ipv6', subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

/** Whether an IP address is one of the public Internet. */
export function isPublic(address: string): boolean {
  return isIP(address) === 4
    ? !SPECIAL.check(address)
    : GLOBAL_V6.check(address, 'ipv6') && !SPECIAL_V6.check(address, 'ipv6');
}
