import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  clientCertificateProblems,
  clientCertificateSettings,
} from './client-certificate-settings.ts';
import { clientRegistrationSettings } from './client-registration-settings.ts';
import { endingSettings } from './ending-settings.ts';
import { observabilitySettings } from './observability-settings.ts';
import { passwordProblem } from './passwords.ts';
import { pruningSettings } from './pruning-settings.ts';
import { commaSeparated, flag, type Setting, setting, text, wholeNumber } from './setting.ts';
import { verifySettings } from './verify-settings.ts';

/** What an operator has to correct, all of it at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(
    readonly problems: readonly { readonly variable: string; readonly message: string }[],
  ) {
    const lines = problems.map(({ variable, message }) => `  ${variable} ${message}`);
    super(`the configuration is not valid:\n${lines.join('\n')}`);
  }
}

/** A host as it is in a URL, with or without a port. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?$/;

// Not URLs to the letter: both may name several hosts, and PostgreSQL's may name none.
const POSTGRES = /^postgres(ql)?:\/\/\S+$/;
const EVENTSTORE = /^esdb(\+discover)?:\/\/\S+$/;

/** See also src/domain/signing-key.ts. */
const SIGNING_ALGORITHMS = [
  'RS256',
  'PS256',
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
  'EdDSA',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
] as const;

/** ML-DSA came to Node together with the method that tells so. */
function isKnownToNode(alg: string): boolean {
  return !alg.startsWith('ML-DSA') || 'supports' in SubtleCrypto;
}

const fields = {
  issuer: setting({
    variable: 'ISSUER',
    default: 'http://localhost:3000',
    description:
      'The public address, and the issuer in every token. `https`, except on this machine. Its port follows `PORT` when this is not set.',
    schema: z.string().superRefine((value, context) => {
      const problem = issuerProblem(value);
      if (problem) context.addIssue({ code: 'custom', message: problem });
    }),
  }),
  port: setting({
    variable: 'PORT',
    default: '3000',
    description: 'Port of the public listener: the protocol and the pages people see.',
    schema: wholeNumber(0, 65_535),
  }),
  adminPort: setting({
    variable: 'ADMIN_PORT',
    default: '3001',
    description: 'Port of the admin listener: GraphQL, health and metrics.',
    schema: wholeNumber(0, 65_535),
  }),
  host: setting({
    variable: 'HOST',
    default: '127.0.0.1',
    description:
      'The address both listeners take connections at. By default only from this machine; `0.0.0.0` from anywhere.',
    schema: z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'must be an IP address or a host name'),
  }),
  dataDir: setting({
    variable: 'DATA_DIR',
    default: '.muniment',
    description: 'Where the embedded PostgreSQL keeps its data, and the master key made for it.',
    schema: text('must be a folder'),
  }),
  databaseUrl: setting({
    variable: 'DATABASE_URL',
    default: null,
    secret: true,
    description: 'A PostgreSQL (15 or newer) to use in place of the embedded one: `postgres://…`.',
    schema: z.string().regex(POSTGRES, 'must be a URL that begins with postgres://').nullable(),
  }),
  eventStoreUrl: setting({
    variable: 'EVENTSTORE_URL',
    default: null,
    secret: true,
    description:
      'An EventStoreDB or KurrentDB to keep the log in, in place of PostgreSQL: `esdb://…`.',
    schema: z
      .string()
      .regex(
        EVENTSTORE,
        'must be a connection string that begins with esdb:// (for KurrentDB as well)',
      )
      .nullable(),
  }),
  masterKey: setting({
    variable: 'MASTER_KEY',
    default: null,
    secret: true,
    description:
      '32 random bytes in base64 or hex, under which all secrets and personal data are encrypted. Required with `DATABASE_URL`; otherwise made once and kept in `DATA_DIR`. Losing it loses them.',
    schema: z
      .string()
      .transform((value, context) => {
        const key = parseKey(value);
        if (key) return key;
        context.addIssue({ code: 'custom', message: KEY_EXPECTED });
        return z.NEVER;
      })
      .nullable(),
  }),
  workers: setting({
    variable: 'WORKERS',
    default: '1',
    description:
      'How many processes serve, each on a core of its own; `auto` for as many as there are cores. Each takes up to 20 connections to PostgreSQL.',
    schema: z.union(
      [z.literal('auto').transform(() => availableParallelism()), wholeNumber(1, 128)],
      'must be auto, or a whole number from 1 to 128',
    ),
  }),
  trustProxy: setting({
    variable: 'TRUST_PROXY',
    default: 'false',
    description:
      'Whether a reverse proxy in front sets `X-Forwarded-For` and `X-Forwarded-Proto`. Anyone could, without one.',
    schema: flag,
  }),
  ...clientCertificateSettings,
  adminUsername: setting({
    variable: 'ADMIN_USERNAME',
    default: 'admin',
    description: 'The first administrator, made on the first start only.',
    schema: z
      .string()
      .regex(
        /^[^\s\p{C}](?:[^\p{C}]{0,126}[^\s\p{C}])?$/u,
        'must be a user name of at most 128 characters',
      ),
  }),
  adminPassword: setting({
    variable: 'ADMIN_PASSWORD',
    default: null,
    secret: true,
    description:
      "The first administrator's password, used on the first start only. Without it a random one is made, and shown once.",
    schema: z
      .string()
      .superRefine((value, context) => {
        const problem = passwordProblem(value);
        if (problem) context.addIssue({ code: 'custom', message: problem });
      })
      .nullable(),
  }),
  adminClientSecret: setting({
    variable: 'ADMIN_CLIENT_SECRET',
    default: null,
    secret: true,
    description:
      'Secret of the client `muniment-admin`, by which scripts reach the Admin API; used on the first start only. Without it a random one is made, and shown once.',
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{32,256}$/, 'must have 32 to 256 visible ASCII characters')
      .nullable(),
  }),
  refreshTokenLeeway: setting({
    variable: 'REFRESH_TOKEN_LEEWAY',
    default: '30',
    description:
      'Seconds in which a refresh token that has just been used gets the same answer again, for clients that lost the first one. After that, using it twice revokes the grant.',
    schema: wholeNumber(0, 300),
  }),
  requirePushedRequests: setting({
    variable: 'REQUIRE_PAR',
    default: 'false',
    description:
      'Whether every client has to push its authorization requests (RFC 9126), and not only those of which it is required.',
    schema: flag,
  }),
  requireDpopNonce: setting({
    variable: 'REQUIRE_DPOP_NONCE',
    default: 'false',
    description:
      'Whether every DPoP proof has to carry a nonce of the server’s (RFC 9449 §8), and not only those of clients of which it is required.',
    schema: flag,
  }),
  signingAlgorithms: setting({
    variable: 'SIGNING_ALGORITHMS',
    default: 'RS256,ES256',
    description: `The JWS algorithms that keys are kept for, with commas between them: ${SIGNING_ALGORITHMS.map((alg) => `\`${alg}\``).join(', ')}. What says nothing else is signed with the first. Keys of one that is taken away verify for as long as they would have otherwise.`,
    schema: z
      .string()
      .transform((value) => [...new Set(value.split(',').map((alg) => alg.trim()))])
      .pipe(
        z.array(
          z
            .enum(SIGNING_ALGORITHMS, `must be among ${SIGNING_ALGORITHMS.join(', ')}`)
            .refine(isKnownToNode, 'names an algorithm that needs Node.js 24.7 or newer'),
        ),
      ),
  }),
  selfRegistration: setting({
    variable: 'SELF_REGISTRATION',
    default: 'false',
    description:
      'Whether people may make an account for themselves, from the sign-in page or with `prompt=create`.',
    schema: flag,
  }),
  keyRotationDays: setting({
    variable: 'KEY_ROTATION_DAYS',
    default: '90',
    description: 'Days that a key signs, tokens or cookies, before the next one takes its place.',
    schema: wholeNumber(1, 3_650),
  }),
  keyAnnouncementDays: setting({
    variable: 'KEY_ANNOUNCEMENT_DAYS',
    default: '14',
    description:
      'Days that a signing key is in the JWK Set before it signs, so that everyone knows it by then.',
    schema: wholeNumber(0, 365),
  }),
  keyRetentionDays: setting({
    variable: 'KEY_RETENTION_DAYS',
    default: '14',
    description:
      'Days that a signing key still verifies after the next one took its place. At least 2: tokens live for a day at most.',
    schema: wholeNumber(2, 3_650),
  }),
  ...clientRegistrationSettings,
  allowedPrivateHosts: setting({
    variable: 'ALLOWED_PRIVATE_HOSTS',
    default: null,
    description:
      'Hosts the server may call although they are not on the public Internet, by `http` as well: `host` or `host:port`, separated by commas. Everywhere else, addresses that clients name are called by `https` and must be public.',
    schema: commaSeparated(HOST, 'must be hosts, such as keys.internal:8443, separated by commas'),
  }),
  ...endingSettings,
  ...pruningSettings,
  ...verifySettings,
  ...observabilitySettings,
  demo: setting({
    variable: 'DEMO',
    default: 'true',
    description:
      'Whether the demo client is registered on the first start. `false` by default with `DATABASE_URL`.',
    schema: flag,
  }),
  operations: setting({
    variable: 'PERSISTED_OPERATIONS',
    default: null,
    description:
      'A manifest of GraphQL operations (JSON): then the Admin API executes no others. See [docs/admin-api.md](docs/admin-api.md#persisted-operations).',
    schema: text('must be a file').nullable(),
  }),
  shutdownTimeout: setting({
    variable: 'SHUTDOWN_TIMEOUT',
    default: '10',
    description: 'Seconds that requests in flight get to finish when the server is stopped.',
    schema: wholeNumber(0, 300),
  }),
};

/** Every environment variable the server reads, in the order an operator would want to read them. */
export const settings: readonly Omit<Setting<z.ZodType>, 'schema'>[] = Object.values(fields);

export type Config = {
  readonly [F in keyof typeof fields]: z.output<(typeof fields)[F]['schema']>;
};

/** A setting as it is in force. */
export interface SettingInForce {
  readonly variable: string;
  readonly description: string;
  /** null for none, and for what a secret is. */
  readonly default: string | null;
  /** null for none; of a secret, only that there is one. */
  readonly value: string | null;
}

/** The settings as operators may see them. */
export function settingsInForce(
  env: Readonly<Record<string, string | undefined>>,
): SettingInForce[] {
  return settings.map(({ variable, description, default: byDefault, secret }) => {
    const value = env[variable] || byDefault;
    return { variable, description, default: byDefault, value: secret && value ? '[set]' : value };
  });
}

/**
 * Reads the configuration from environment variables; an empty one counts as absent.
 * @throws ConfigError with every problem, not only the first; values of secrets are never in it
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const embedded = !env.DATABASE_URL;
  const defaults: Record<string, string | null> = {
    ISSUER: env.PORT ? localhost(env.PORT) : null,
    DEMO: String(embedded),
  };
  const problems: { variable: string; message: string }[] = [];
  const values: Record<string, unknown> = {};
  for (const [field, { variable, default: byDefault, schema }] of Object.entries(fields)) {
    const result = schema.safeParse(env[variable] || (defaults[variable] ?? byDefault));
    if (result.success) values[field] = result.data;
    else problems.push({ variable, message: result.error.issues[0]?.message ?? 'is not valid' });
  }
  if (!embedded && !env.MASTER_KEY) {
    problems.push({
      variable: 'MASTER_KEY',
      message: `${KEY_EXPECTED}; it is required with DATABASE_URL`,
    });
  }
  if (values.port === values.adminPort && values.port !== 0 && values.port !== undefined) {
    problems.push({ variable: 'ADMIN_PORT', message: 'must not be the same as PORT' });
  }
  problems.push(...clientCertificateProblems(values));
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Config;
}

const KEY_EXPECTED =
  'must be 32 random bytes in base64, base64url or hex (openssl rand -base64 32)';

/** A key of 32 bytes; undefined when the text is something else, or plainly not random. */
export function parseKey(value: string): Buffer | undefined {
  const key = /^[0-9a-f]{64}$/i.test(value)
    ? Buffer.from(value, 'hex')
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(value)
      ? Buffer.from(value, 'base64')
      : undefined;
  return key && new Set(key).size >= 8 ? key : undefined;
}

function issuerProblem(value: string): string | undefined {
  const parsed = URL.parse(value);
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    return 'must be a URL such as https://login.example.com';
  }
  if (parsed.username || parsed.password) return 'must not contain a user name or password';
  if (/[?#]/.test(value)) return 'must not have a query or a fragment';
  if (value.endsWith('/')) return 'must not end with a slash';
  if (parsed.protocol === 'http:' && !isLoopback(parsed.hostname)) {
    return 'must begin with https:// unless its host is this machine (localhost)';
  }
  const canonical = parsed.href.replace(/\/$/, '');
  // Clients compare issuers letter by letter (RFC 9207 §2.4).
  return value === canonical ? undefined : `must be written ${canonical}`;
}

/** The issuer of a server on this machine; null when that is no port. */
function localhost(port: string): string | null {
  return /^\d+$/.test(port) ? (URL.parse(`http://localhost:${port}`)?.origin ?? null) : null;
}

function isLoopback(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
