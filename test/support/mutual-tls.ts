import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as oidc from 'openid-client';
import { type Certificate, makeCertificate } from './certificates.ts';
import { ClientApp } from './client-app.ts';
import {
  type EngineName,
  type Fetch,
  freePort,
  startTestServer,
  type TestServer,
} from './server.ts';
import { tlsFetch } from './tls-fetch.ts';

const ofServers = makeCertificate({ subject: [['CN', 'authority of servers']], isAuthority: true });

/** A server that has a listener for mutual TLS as well. */
export interface MutualTlsServer {
  readonly server: TestServer;
  /** Of the listener. */
  readonly origin: string;
  /** Reaches the listener, with a certificate or without one. */
  overTls(certificate?: Certificate): Fetch;
  /** openid-client, which takes the addresses for mutual TLS from discovery. */
  connect(
    clientId: string,
    certificate?: Certificate,
    authentication?: oidc.ClientAuth,
  ): Promise<ClientApp>;
  stop(): Promise<void>;
}

/** @param options.authority whose word is taken for clients */
export async function startMutualTlsServer(options: {
  engine: EngineName;
  authority: Certificate;
  env?: Readonly<Record<string, string>>;
}): Promise<MutualTlsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-mtls-'));
  const own = makeCertificate({ dns: 'localhost', issuer: ofServers });
  const files = { 'cert.pem': own.cert, 'key.pem': own.key, 'ca.pem': options.authority.cert };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const port = await freePort();
  const server = await startTestServer({
    engine: options.engine,
    env: {
      MTLS_PORT: String(port),
      MTLS_CERT_FILE: join(folder, 'cert.pem'),
      MTLS_KEY_FILE: join(folder, 'key.pem'),
      MTLS_CA_FILE: join(folder, 'ca.pem'),
      ...options.env,
    },
  });
  const overTls = (certificate?: Certificate) => tlsFetch(ofServers.cert, certificate);
  return {
    server,
    origin: `https://localhost:${port}`,
    overTls,
    async connect(clientId, certificate, authentication = oidc.TlsClientAuth()) {
      const app = await ClientApp.connect(
        server,
        { clientId, secret: '' },
        { authentication, metadata: { use_mtls_endpoint_aliases: true } },
      );
      const reach = overTls(certificate);
      app.config[oidc.customFetch] = (url, init) =>
        (url.startsWith('https:') ? reach : server.node.fetch)(url, init as RequestInit);
      return app;
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}
