import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type BlockList, isIPv6 } from 'node:net';
import { TLSSocket } from 'node:tls';

/** A proxy that asks clients for certificates in our place, and what it tells of them. */
export interface CertificateProxy {
  /** Header with the certificate, in lower case. */
  readonly header: string;
  /** Header that says whether it was verified; null: only those that were are passed on. */
  readonly verifyHeader: string | null;
  /** Where the proxy is. */
  readonly addresses: BlockList;
}

/** A certificate whose key the client of a request has proved to have. */
export interface ClientCertificate {
  readonly certificate: X509Certificate;
  /** An authority that is trusted stands for its names. */
  readonly verified: boolean;
}

/** Longer ones are none of ours. */
const MAX_LENGTH = 16_384;

/**
 * The certificate that comes with a request, unless it has expired or is not valid yet: that of its
 * connection where this one is TLS, otherwise the one that a proxy passes on. The headers that a proxy
 * would set are taken away, whoever has set them.
 */
export function takeClientCertificate(
  request: IncomingMessage,
  proxy: CertificateProxy | null,
): ClientCertificate | undefined {
  const passedOn = proxy ? takeHeaders(request, proxy) : undefined;
  const { socket } = request;
  const found = socket instanceof TLSSocket ? ofConnection(socket) : passedOn;
  return found && isCurrent(found.certificate) ? found : undefined;
}

function ofConnection(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate && { certificate, verified: socket.authorized };
}

function takeHeaders(
  request: IncomingMessage,
  { header, verifyHeader, addresses }: CertificateProxy,
): ClientCertificate | undefined {
  const { headers } = request;
  const encoded = headers[header];
  const verdict = verifyHeader ? headers[verifyHeader] : 'SUCCESS';
  delete headers[header];
  if (verifyHeader) delete headers[verifyHeader];
  if (typeof encoded !== 'string' || !comesFrom(request, addresses)) return undefined;
  const certificate = decoded(encoded);
  return certificate && { certificate, verified: verdict === 'SUCCESS' };
}

function comesFrom({ socket }: IncomingMessage, addresses: BlockList): boolean {
  // How an IPv4 address looks to a listener for both.
  const address = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '') ?? '';
  return addresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** RFC 9440 §2.1: the DER in base64 between colons; or PEM, URL-encoded for it has lines. */
function decoded(encoded: string): X509Certificate | undefined {
  if (encoded.length > MAX_LENGTH) return undefined;
  const [, der] = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(encoded) ?? [];
  try {
    return new X509Certificate(der ? Buffer.from(der, 'base64') : decodeURIComponent(encoded));
  } catch {
    return undefined;
  }
}

function isCurrent({ validFromDate, validToDate }: X509Certificate): boolean {
  const now = Date.now();
  return validFromDate.getTime() <= now && now < validToDate.getTime();
}
