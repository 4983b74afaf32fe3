import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from './certificates.ts';

/** What a site answers at one path. */
export interface Published {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, unless it is text. */
  readonly body: unknown;
}

/** A client's own web site, by https. */
export interface WebSite {
  /** `https://localhost:<port>` */
  readonly origin: string;
  /** `localhost:<port>` */
  readonly host: string;
  /** A file with the certificate, for NODE_EXTRA_CA_CERTS. */
  readonly certificateFile: string;
  publish(path: string, published: Published): void;
  /** How often a path was asked for. */
  asked(path: string): number;
  close(): Promise<void>;
}

export async function startWebSite(): Promise<WebSite> {
  const { cert, key } = makeCertificate({
    subject: [['CN', 'localhost']],
    dns: 'localhost',
    ip: '127.0.0.1',
    isAuthority: true,
  });
  const folder = await mkdtemp(join(tmpdir(), 'muniment-site-'));
  const certificateFile = join(folder, 'site.pem');
  await writeFile(certificateFile, cert);

  const pages = new Map<string, Published>();
  const asked = new Map<string, number>();
  const server = createServer({ cert, key }, ({ url = '' }, response) => {
    asked.set(url, (asked.get(url) ?? 0) + 1);
    const { status = 200, headers, body } = pages.get(url) ?? { status: 404, body: '' };
    response.writeHead(status, headers);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  return {
    origin: `https://${host}`,
    host,
    certificateFile,
    publish: (path, published) => void pages.set(path, published),
    asked: (path) => asked.get(path) ?? 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await rm(folder, { recursive: true });
    },
  };
}
