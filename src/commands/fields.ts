import { z } from 'zod';

/** Control characters, lone surrogates (no UTF-8, and PostgreSQL refuses them), text that runs backwards. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;
const UNPRINTABLE_BUT_LINES = /[^\P{Cc}\n\r\t]|[\p{Cs}\u202a-\u202e\u2066-\u2069]/u;

/** One line of text, trimmed, of at most `max` UTF-16 units. */
export function line(max: number) {
  return z
    .string()
    .max(max, `must not be longer than ${max} characters`)
    .refine((text) => !UNPRINTABLE.test(text), 'must not contain control characters')
    .trim();
}

/** One line of text that says something. */
export function name(max = 200) {
  return line(max).min(1, 'must not be empty');
}

/** Text that may have several lines. */
export function prose(max = 1_000) {
  return z
    .string()
    .max(max, `must not be longer than ${max} characters`)
    .refine((text) => !UNPRINTABLE_BUT_LINES.test(text), 'must not contain control characters')
    .trim();
}

/** A list without repetitions. */
export function list<T extends z.ZodType>(item: T, max = 100) {
  return z
    .array(item)
    .max(max, `must not have more than ${max} entries`)
    .transform((items) => [...new Set(items)]);
}

/** What may be left out or null, and then is `otherwise`. */
export function optional<T extends z.ZodType>(schema: T, otherwise: z.output<T>) {
  return schema.nullish().transform((value) => value ?? otherwise);
}

/** What may be left out, and then is null. */
export function orNull<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? null);
}

/** A time with its offset, in UTC with milliseconds. */
export const instant = z.iso
  .datetime({ offset: true, error: 'must be a time with its offset' })
  .transform((time) => new Date(time).toISOString());

/** RFC 6749 §3.3 scope-token. */
export const scopeToken = z
  .string()
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters');

/** Why something is done, for the history. */
export const reason = optional(line(500), '');

/** A language as BCP 47 writes it: `de-at` becomes `de-AT`. */
export const locale = z
  .string()
  .max(35, 'must not be longer than 35 characters')
  .transform((tag, context) => {
    try {
      return new Intl.Locale(tag).toString();
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a language tag (BCP 47)' });
      return z.NEVER;
    }
  });

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Whether a URL's host is this very machine (RFC 8252 §7.3). */
function isLoopback({ hostname }: URL): boolean {
  return LOOPBACK.has(hostname);
}

/** RFC 3986: a scheme and none but the characters of a URI; http and https with their slashes. */
const ABSOLUTE_URI = /^(?!https?:(?!\/\/))[a-z][a-z0-9+.-]*:[\w.~:/?#[\]@!$&'()*+,;=%-]+$/i;

/** What is wrong with a URI wherever it is used, or null. */
function uriProblem(uri: string): string | null {
  if (!ABSOLUTE_URI.test(uri) || !URL.canParse(uri)) return 'must be an absolute URI';
  if (uri.includes('#')) return 'must not have a fragment';
  const { username, password } = new URL(uri);
  return username || password ? 'must not carry a user name or password' : null;
}

/**
 * What is wrong with a redirect URI, or null: absolute, without fragment or wildcard (RFC 9700
 * §4.1.3), https, or http to the loopback interface (RFC 8252 §7.3), or a scheme that is a domain
 * name backwards (RFC 8252 §7.1). Which of them suits a client is for the client to decide.
 */
export function redirectUriProblem(uri: string): string | null {
  const problem = uriProblem(uri);
  if (problem) return problem;
  if (uri.includes('*')) return 'must not have a wildcard: redirect URIs are compared exactly';
  const url = new URL(uri);
  if (url.protocol === 'https:') return null;
  if (url.protocol === 'http:') {
    return isLoopback(url) ? null : 'must be https, unless it points to the loopback interface';
  }
  return url.protocol.includes('.')
    ? null
    : 'must be https, or have a scheme with a dot, such as com.example.app';
}

/** A redirect URI of RFC 8252 and RFC 9700, and whatever else a string must be to be stored. */
export const redirectUri = checked(redirectUriProblem);

/** The address of a page or picture: https, or http on this machine. */
export const webUri = checked((uri) => {
  const problem = uriProblem(uri);
  if (problem) return problem;
  const url = new URL(uri);
  const fine = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
  return fine ? null : 'must be https';
});

/** A web origin (RFC 6454): scheme, host and port, nothing else. */
export const origin = checked((uri) => {
  const problem = uriProblem(uri);
  if (problem) return problem;
  return URL.parse(uri)?.origin === uri ? null : 'must be an origin, such as https://app.example';
});

/** A resource indicator: an absolute URI without fragment (RFC 8707 §2). */
export const resourceIdentifier = checked(uriProblem);

function checked(problem: (uri: string) => string | null) {
  return z
    .string()
    .max(2_000, 'must not be longer than 2000 characters')
    .superRefine((uri, context) => {
      const message = problem(uri);
      if (message) context.addIssue({ code: 'custom', message });
    });
}
