import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';

/** A certificate and its private key, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** From the least to the most specific, as it is in a certificate. */
  readonly subject?: readonly (readonly [keyof typeof ATTRIBUTES, string])[];
  readonly dns?: string;
  readonly uri?: string;
  readonly email?: string;
  /** IPv4. */
  readonly ip?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Who signs it; itself when absent. */
  readonly issuer?: Certificate & Pick<CertificateOptions, 'subject'>;
  readonly isAuthority?: boolean;
}

const ATTRIBUTES = { C: '2.5.4.6', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3' };
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const BASIC_CONSTRAINTS = '2.5.29.19';
const SUBJECT_ALT_NAME = '2.5.29.17';
const DAY_MS = 86_400_000;
const SOMEBODY = [['CN', 'somebody']] as const;

/** Makes a certificate (RFC 5280) for a new key on P-256. */
export function makeCertificate(
  options: CertificateOptions = {},
): Certificate & CertificateOptions & { readonly jwk: Record<string, unknown> } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { subject = SOMEBODY, issuer } = options;
  const now = Date.now();
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    sequence(oid(ECDSA_WITH_SHA256)),
    distinguishedName(issuer?.subject ?? subject),
    sequence(
      time(options.notBefore ?? new Date(now - DAY_MS)),
      time(options.notAfter ?? new Date(now + DAY_MS)),
    ),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(options))),
  );
  const signingKey: KeyObject = issuer ? createPrivateKey(issuer.key) : privateKey;
  const der = sequence(
    toBeSigned,
    sequence(oid(ECDSA_WITH_SHA256)),
    tagged(0x03, Buffer.from([0]), sign('sha256', toBeSigned, signingKey)),
  );
  const base64 = der.toString('base64');
  return {
    ...options,
    subject,
    cert: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    jwk: { ...createPublicKey(privateKey).export({ format: 'jwk' }), x5c: [base64] },
  };
}

function extensions({ dns, uri, email, ip, isAuthority }: CertificateOptions): Buffer[] {
  const names = [
    ...(email ? [tagged(0x81, Buffer.from(email))] : []),
    ...(dns ? [tagged(0x82, Buffer.from(dns))] : []),
    ...(uri ? [tagged(0x86, Buffer.from(uri))] : []),
    ...(ip ? [tagged(0x87, Buffer.from(ip.split('.').map(Number)))] : []),
  ];
  const constraints = isAuthority ? sequence(tagged(0x01, Buffer.from([0xff]))) : sequence();
  return [
    sequence(oid(BASIC_CONSTRAINTS), tagged(0x04, constraints)),
    ...(names.length > 0
      ? [sequence(oid(SUBJECT_ALT_NAME), tagged(0x04, sequence(...names)))]
      : []),
  ];
}

function distinguishedName(parts: NonNullable<CertificateOptions['subject']>): Buffer {
  return sequence(
    ...parts.map(([type, value]) =>
      tagged(0x31, sequence(oid(ATTRIBUTES[type]), tagged(0x0c, Buffer.from(value)))),
    ),
  );
}

/** GeneralizedTime: with a year of four digits. */
function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, '');
  return tagged(0x18, Buffer.from(digits));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

/** X.690 §8.1: tag, length, contents. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), contents]);
}

/** X.690 §8.19. */
function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  return tagged(0x06, Buffer.from([40 * first + second, ...others.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}
