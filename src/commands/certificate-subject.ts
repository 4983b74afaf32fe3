import { isIP } from 'node:net';
import { z } from 'zod';
import type { CertificateSubject } from '../domain/client.ts';
import { parseDistinguishedName } from '../platform/distinguished-name.ts';
import { line, orNull } from './fields.ts';

/** What a name of each kind must be, and how that is said. */
const FORMS: Readonly<
  Record<CertificateSubject['type'], { message: string; fits(value: string): boolean }>
> = {
  subject_dn: {
    message: 'must be a distinguished name such as CN=shop,O=Example,C=DE (RFC 4514)',
    fits: (value) => parseDistinguishedName(value) !== null,
  },
  san_dns: {
    message: 'must be a host name, without a wildcard',
    fits: (value) => /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(value),
  },
  san_uri: {
    message: 'must be an absolute URI',
    fits: (value) => /^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(value) && URL.canParse(value),
  },
  san_ip: { message: 'must be an IP address', fits: (value) => isIP(value) !== 0 },
  san_email: {
    message: 'must be an e-mail address',
    fits: (value) => /^[^\s@]+@[^\s@]+$/.test(value),
  },
};

const types = Object.keys(FORMS) as [CertificateSubject['type'], ...CertificateSubject['type'][]];

/** The name by which a client's certificate is recognised (RFC 8705 §2.1.2); null for none. */
export const certificateSubject = orNull(
  z
    .object({
      type: z.enum(types, { error: `must be one of ${types.join(', ')}` }),
      value: line(1_000),
    })
    .superRefine(({ type, value }, context) => {
      const { message, fits } = FORMS[type];
      if (!fits(value)) context.addIssue({ code: 'custom', path: ['value'], message });
    }),
);
