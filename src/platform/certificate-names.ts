import type { X509Certificate } from 'node:crypto';
import { type DistinguishedName, parseDistinguishedName, sameName } from './distinguished-name.ts';

/** Whether a name stands in a certificate, by the metadata that it is registered as (RFC 8705 §2.1.2). */
const MATCHERS: Readonly<Record<string, (it: X509Certificate, name: string) => boolean>> = {
  tls_client_auth_subject_dn: (it, name) => {
    const [theirs, registered] = [subjectOf(it), parseDistinguishedName(name)];
    return theirs !== null && registered !== null && sameName(theirs, registered);
  },
  tls_client_auth_san_dns: (it, name) =>
    it.checkHost(name, { subject: 'never', wildcards: false }) !== undefined,
  tls_client_auth_san_ip: (it, name) => it.checkIP(name) !== undefined,
  tls_client_auth_san_email: (it, name) => it.checkEmail(name, { subject: 'never' }) !== undefined,
  tls_client_auth_san_uri: (it, name) => urisOf(it).includes(name),
};

export function certificateHasName(it: X509Certificate, property: string, name: string): boolean {
  return MATCHERS[property]?.(it, name) ?? false;
}

/** Node writes the subject as the certificate has it, from the least to the most specific. */
function subjectOf({ subject }: X509Certificate): DistinguishedName | null {
  return parseDistinguishedName(subject, '\n')?.toReversed() ?? null;
}

/** One alternative name as Node writes it; in quotes where it has what could be taken for another. */
const ALTERNATIVE_NAME = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^",]*)/g;

function urisOf({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(ALTERNATIVE_NAME)]
    .filter(([, kind]) => kind === 'URI')
    .map(([, , value = '']) => (value.startsWith('"') ? String(JSON.parse(value)) : value));
}
