const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML: safe between tags and in quoted attributes. */
export function escapeHtml(text: unknown): string {
  return String(text ?? '').replace(/[&<>"']/g, (character) => ESCAPES[character] as string);
}

/** `uri` when a link may lead there: http and https only, so never `javascript:`. */
export function linkTarget(uri: string | null | undefined): string | null {
  const url = uri ? URL.parse(uri) : null;
  return url && /^https?:$/.test(url.protocol) ? url.href : null;
}

/** `uri` when a browser may be sent there: a link's target, or an application's own scheme (RFC 8252 §7.1). */
export function redirectTarget(uri: string | null | undefined): string | null {
  const own = /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:/i;
  return uri && own.test(uri) ? uri : linkTarget(uri);
}

/** `uri` when a page may show the image there and its policy lets it load. */
export function imageSource(uri: string | null | undefined): string | null {
  if (!uri) return null;
  if (isLocalPath(uri) || /^data:image\/(?:png|jpeg|gif|webp|svg\+xml)[;,]/i.test(uri)) return uri;
  const url = URL.parse(uri);
  return url?.protocol === 'https:' ? url.href : null;
}

/** @throws TypeError when `action` is neither a path on this server nor an http(s) URL */
export function formTarget(action: string): string {
  const target = isLocalPath(action) ? action : linkTarget(action);
  if (!target) throw new TypeError('a form posts to a path on this server or an http(s) URL');
  return target;
}

/** Browsers take a backslash for a slash: `/\host` is another host. */
function isLocalPath(uri: string): boolean {
  return /^\/(?![/\\])/.test(uri);
}
