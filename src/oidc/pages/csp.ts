import { createHash } from 'node:crypto';

/** Schemes that lead to no application of a person's own. */
const NOT_PRIVATE = new Set([
  'http:',
  'https:',
  'ws:',
  'wss:',
  'ftp:',
  'file:',
  'javascript:',
  'data:',
  'blob:',
  'about:',
]);

/** A CSP source expression that allows one inline text by its hash. */
export type InlineSource = `'sha256-${string}'`;

/** What a hosted page may load and where its forms may lead; it has no script at all. */
export interface PagePolicy {
  /** The page's one inline style, see {@link sourceOf}. */
  readonly style: InlineSource;
  /** The page shows a logo that may live elsewhere. */
  readonly remoteImages?: boolean;
  /** `none` for pages without a form. */
  readonly forms: 'none' | 'self';
  /** Where a form's redirect may end besides this server, see {@link redirectOriginOf}. */
  readonly redirectOrigin?: string | null;
  /** Addresses of other pages that this one loads. */
  readonly frames?: readonly string[];
}

/**
 * The Content-Security-Policy of one page.
 * @throws TypeError when `redirectOrigin` is more than an origin or a private-use scheme, or a frame
 *   is of neither
 */
export function contentSecurityPolicy(policy: PagePolicy): string {
  const formAction = [`'${policy.forms}'`];
  if (policy.forms === 'self' && policy.redirectOrigin) {
    formAction.push(originSource(policy.redirectOrigin));
  }
  const frames = (policy.frames ?? []).map((uri) => originSource(redirectOriginOf(uri)));
  return [
    `default-src 'none'`,
    `style-src ${policy.style}`,
    `img-src 'self' data:${policy.remoteImages ? ' https:' : ''}`,
    ...(frames.length > 0 ? [`frame-src ${[...new Set(frames)].join(' ')}`] : []),
    `base-uri 'none'`,
    `frame-ancestors 'none'`,
    `form-action ${formAction.join(' ')}`,
  ].join('; ');
}

/** The source of an inline style; exactly this text has to stand in the element. */
export function sourceOf(style: string): InlineSource {
  return `'sha256-${createHash('sha256').update(style).digest('base64')}'`;
}

/**
 * Where a validated redirect URI leads: `https://app.example`, or `com.example.app:` for a
 * private-use scheme (RFC 8252 §7.1).
 */
export function redirectOriginOf(redirectUri: string): string {
  const { origin, protocol } = new URL(redirectUri);
  return origin === 'null' ? protocol : origin;
}

/**
 * Chromium applies form-action to every redirect that a form's submission meets, so the client's
 * origin is a source of it. Nothing but a host or a scheme gets through: what a policy cannot say
 * is refused, not escaped.
 */
function originSource(redirectOrigin: string): string {
  if (/^[a-z][a-z0-9+.-]*:$/.test(redirectOrigin) && !NOT_PRIVATE.has(redirectOrigin)) {
    return redirectOrigin;
  }
  const url = URL.parse(redirectOrigin);
  if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) {
    // A policy cannot name an IPv6 address (CSP 3 §2.3.1); the loopback ones of RFC 8252 §7.3 are.
    if (url.hostname.startsWith('[')) return url.protocol;
    if (/^[a-z0-9._-]+$/.test(url.hostname)) return url.origin;
  }
  throw new TypeError('redirectOrigin must be an origin or a private-use scheme');
}
