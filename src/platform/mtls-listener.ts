import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import https from 'node:https';
import { type Config, ConfigError } from './config.ts';

type Settings = Pick<
  Config,
  'issuer' | 'mtlsPort' | 'mtlsUrl' | 'mtlsCertFile' | 'mtlsKeyFile' | 'mtlsCaFile'
>;

/** As long as a request may take to have its headers here: one that stops would hold off a shutdown. */
const HANDSHAKE_MS = 10_000;

/** Where clients that show certificates shall come to; null when that is the issuer, or nowhere. */
export function mtlsOrigin({ issuer, mtlsPort, mtlsUrl }: Settings): string | null {
  const { hostname, origin } = new URL(issuer);
  const ours = mtlsPort ? new URL(`https://${hostname}:${mtlsPort}`).origin : null;
  const told = mtlsUrl ?? ours;
  return told === origin ? null : told;
}

/**
 * A server that speaks TLS and asks clients for certificates. It takes any, and none: what one is good
 * for depends on the client that shows it.
 * @returns undefined when none is configured
 * @throws ConfigError for files that cannot be read, or cannot be used
 */
export async function mtlsServer(
  { mtlsPort, mtlsCertFile, mtlsKeyFile, mtlsCaFile }: Settings,
  handle: RequestListener,
): Promise<https.Server | undefined> {
  if (!mtlsPort || !mtlsCertFile || !mtlsKeyFile) return undefined;
  const [cert, key, ca] = await Promise.all([
    contents('MTLS_CERT_FILE', mtlsCertFile),
    contents('MTLS_KEY_FILE', mtlsKeyFile),
    // An empty list: when there is none, the authorities of the web would be trusted with our clients.
    mtlsCaFile ? authorities(mtlsCaFile) : [],
  ]);
  try {
    const options = {
      cert,
      key,
      ca,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
    };
    return https.createServer(options, handle);
  } catch (error) {
    const message = `cannot be used with MTLS_KEY_FILE: ${String(error)}`;
    throw new ConfigError([{ variable: 'MTLS_CERT_FILE', message }]);
  }
}

async function authorities(path: string): Promise<Buffer> {
  const variable = 'MTLS_CA_FILE';
  const pem = await contents(variable, path);
  try {
    // Node passes over what is no certificate, and would trust nobody.
    new X509Certificate(pem);
    return pem;
  } catch {
    throw new ConfigError([{ variable, message: 'has no certificate in it' }]);
  }
}

async function contents(variable: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([{ variable, message: `cannot be read: ${code}` }]);
  }
}
