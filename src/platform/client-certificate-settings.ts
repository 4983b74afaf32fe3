import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { setting, text, wholeNumber } from './setting.ts';

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9-]+$/, 'must be the name of a header')
  .transform((name) => name.toLowerCase())
  .nullable();

/** Where certificates of clients come from (RFC 8705): from a proxy in front, or from connections. */
export const clientCertificateSettings = {
  clientCertHeader: setting({
    variable: 'CLIENT_CERT_HEADER',
    default: null,
    description:
      'Header in which the proxy passes on the certificate of a client: URL-encoded PEM as in nginx’s `$ssl_client_escaped_cert`, or as in RFC 9440. With `TRUST_PROXY` and `CLIENT_CERT_PROXIES`.',
    schema: headerName,
  }),
  clientCertVerifyHeader: setting({
    variable: 'CLIENT_CERT_VERIFY_HEADER',
    default: null,
    description:
      'Header in which the proxy says `SUCCESS` where it has verified that certificate, as in nginx’s `$ssl_client_verify`. Without it, it must pass on none that it has not verified.',
    schema: headerName,
  }),
  clientCertProxies: setting({
    variable: 'CLIENT_CERT_PROXIES',
    default: null,
    description:
      'Addresses and networks, separated by commas, from which these two headers are believed: `10.0.0.2,10.1.0.0/16`.',
    schema: z
      .string()
      .transform((value, context) => {
        const addresses = blockList(value.split(',').map((each) => each.trim()));
        if (addresses) return addresses;
        context.addIssue({
          code: 'custom',
          message: 'must be IP addresses or networks such as 10.1.0.0/16, separated by commas',
        });
        return z.NEVER;
      })
      .nullable(),
  }),
  mtlsPort: setting({
    variable: 'MTLS_PORT',
    default: null,
    description:
      'Port of a further public listener that speaks TLS and asks clients for a certificate. With `MTLS_CERT_FILE` and `MTLS_KEY_FILE`.',
    schema: wholeNumber(1, 65_535).nullable(),
  }),
  mtlsCertFile: setting({
    variable: 'MTLS_CERT_FILE',
    default: null,
    description: 'The certificate of that listener, with those between it and its root, in PEM.',
    schema: text('must be a file').nullable(),
  }),
  mtlsKeyFile: setting({
    variable: 'MTLS_KEY_FILE',
    default: null,
    description: 'The private key of that listener, in PEM.',
    schema: text('must be a file').nullable(),
  }),
  mtlsCaFile: setting({
    variable: 'MTLS_CA_FILE',
    default: null,
    description:
      'Certificates in PEM of the authorities whose word for a client is taken there. Without it, of none: only certificates that are among a client’s keys are of use.',
    schema: text('must be a file').nullable(),
  }),
  mtlsUrl: setting({
    variable: 'MTLS_URL',
    default: null,
    description:
      'The public address of the endpoints for mutual TLS, told in discovery: that of the listener, or of a proxy that asks for certificates under a name of its own. The host of `ISSUER` with `MTLS_PORT` when this is not set.',
    schema: z
      .string()
      .refine(
        (value) => URL.parse(value)?.origin === value && value.startsWith('https:'),
        'must be https:// and a host, with a port or without, and nothing else',
      )
      .nullable(),
  }),
};

interface Problem {
  readonly variable: string;
  readonly message: string;
}

/** What is wrong with these settings together, as far as each of them is right. */
export function clientCertificateProblems(values: Readonly<Record<string, unknown>>): Problem[] {
  const problems: Problem[] = [];
  if (values.clientCertHeader && values.trustProxy === false) {
    problems.push({ variable: 'TRUST_PROXY', message: 'must be true with CLIENT_CERT_HEADER' });
  }
  if (values.clientCertHeader && values.clientCertProxies === null) {
    problems.push({
      variable: 'CLIENT_CERT_PROXIES',
      message: 'is required with CLIENT_CERT_HEADER',
    });
  }
  for (const [field, variable] of [
    ['mtlsCertFile', 'MTLS_CERT_FILE'],
    ['mtlsKeyFile', 'MTLS_KEY_FILE'],
  ] as const) {
    if (values.mtlsPort && values[field] === null) {
      problems.push({ variable, message: 'is required with MTLS_PORT' });
    }
  }
  if (values.mtlsUrl && values.mtlsPort === null && values.clientCertHeader === null) {
    problems.push({ variable: 'MTLS_URL', message: 'goes with MTLS_PORT or CLIENT_CERT_HEADER' });
  }
  return problems;
}

/** The addresses of a list; undefined when one of them is none. */
function blockList(addresses: readonly string[]): BlockList | undefined {
  const list = new BlockList();
  for (const each of addresses) {
    const [address = '', prefix, ...others] = each.split('/');
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const bits = /^\d{1,3}$/.test(prefix ?? '0') ? Number(prefix ?? most) : Number.NaN;
    if (version === 0 || others.length > 0 || !(bits <= most)) return undefined;
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
