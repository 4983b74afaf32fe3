import { isNativeError } from 'node:util/types';
import {
  type Bindings,
  type ChildLoggerOptions,
  type DestinationStream,
  type Logger,
  pino,
} from 'pino';
import { traceFields } from './tracing.ts';

const HIDDEN = '[hidden]';
const MAX_DEPTH = 8;

/** Names whose values are secrets or personal data, without case and separators. */
const HIDDEN_NAMES = new Set(
  [
    ['authorization', 'proxy_authorization', 'cookie', 'cookies', 'set_cookie', 'dpop', 'api_key'],
    ['token', 'access_token', 'refresh_token', 'id_token', 'id_token_hint', 'subject_token'],
    ['actor_token', 'registration_access_token', 'logout_token', 'login_hint_token'],
    ['code', 'code_verifier', 'device_code', 'user_code', 'auth_req_id', 'request_uri', 'request'],
    ['client_secret', 'client_assertion', 'assertion', 'secret', 'password', 'passphrase'],
    ['master_key', 'private_key', 'private_jwk', 'jwk', 'jwks', 'verifier', 'key'],
    ['state', 'nonce', 'login_hint', 'username', 'email', 'phone_number', 'ip', 'remote_address'],
    ['user_agent', 'query', 'query_string', 'querystring', 'search', 'body', 'form', 'params'],
  ]
    .flat()
    .map(plain),
);

/** What gives a secret away inside a text: credentials, JWTs, and anything after a `?`. */
const HIDDEN_TEXT: readonly [RegExp, string][] = [
  [/\b(Bearer|Basic|DPoP) +[A-Za-z0-9._~+/=-]+/gi, `$1 ${HIDDEN}`],
  [/\beyJ[\w-]+\.[\w-]+(\.[\w-]*)*/g, HIDDEN],
  [/\b(\w+:\/\/)[^\s/@]+@/g, `$1${HIDDEN}@`],
  [/([\w/])[?#][^\s"'<>]*=[^\s"'<>]*/g, `$1?${HIDDEN}`],
];

/**
 * A logger of JSON lines on standard output. Whatever it is given, the values of fields that hold
 * secrets or personal data are left out, at any depth, and so are credentials and queries in texts.
 * @param destination where the lines go instead
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: traceFields,
      serializers: { err: (error) => error }, // `safe` has seen to it
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => safe(fields) as Record<string, unknown>,
      },
      hooks: {
        logMethod([first, ...rest], log) {
          const message = isNativeError(first) && rest.length === 0 ? [first.message] : rest;
          const fields = isNativeError(first) ? { err: first } : first;
          const shown = [fields, ...message].map((each) =>
            typeof each === 'string' ? safeText(each) : each,
          );
          log.apply(this, shown as Parameters<typeof log>);
        },
      },
    },
    destination ?? pino.destination(1),
  );
  // Children inherit this; pino formats only what is logged, not what is bound to them.
  const { child } = logger;
  logger.child = function (this: Logger, bindings: Bindings, options?: ChildLoggerOptions) {
    return Reflect.apply(child, this, [safe(bindings), options]);
  } as typeof child;
  return logger;
}

function safe(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return safeText(value);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth === MAX_DEPTH || ArrayBuffer.isView(value)) return HIDDEN;
  if (isNativeError(value)) return safeError(value, depth);
  if (Array.isArray(value)) return value.map((each) => safe(each, depth + 1));
  if (value instanceof Map) return safe(Object.fromEntries(value), depth);
  const shown: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(value)) {
    shown[name] = HIDDEN_NAMES.has(plain(name)) ? HIDDEN : safe(each, depth + 1);
  }
  return shown;
}

/** Only what every error has: libraries hang requests, rows and parameters on theirs. */
function safeError(error: Error, depth: number): object {
  const { name, message, stack = '', cause } = error;
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: name,
    message: safeText(message),
    stack: safeText(stack),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(cause === undefined ? {} : { cause: safe(cause, depth + 1) }),
  };
}

function safeText(text: string): string {
  return HIDDEN_TEXT.reduce((shown, [secret, instead]) => shown.replace(secret, instead), text);
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
