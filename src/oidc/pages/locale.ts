import { escapeHtml } from './html.ts';

/** The languages of the hosted pages; each has a catalogue `locales/<locale>.json`. */
export const LOCALES = ['en', 'de', 'fr', 'es'] as const;
export type Locale = (typeof LOCALES)[number];
export type Catalogue = Readonly<Record<string, string>>;
export type Values = Readonly<Record<string, string>>;

/** No header of a person's browser is longer; what is gets cut. */
const LONGEST_PREFERENCE = 1000;

/**
 * The language for a person: the first of ui_locales that there is (OpenID Connect Core §3.1.2.1),
 * else the best of Accept-Language (RFC 9110 §12.5.4), else English.
 */
export function negotiateLocale(wish: {
  uiLocales?: string | null;
  acceptLanguage?: string | null;
}): Locale {
  const tags = [...tagsOf(wish.uiLocales), ...byQuality(wish.acceptLanguage)];
  for (const tag of tags) {
    const locale = LOCALES.find((known) => known === tag.toLowerCase().split('-')[0]);
    if (locale) return locale;
  }
  return 'en';
}

/** What is said in the page's language: in exactly that, else in a variety of it such as `de-AT`. */
export function saidIn<Text extends { readonly locale: string }>(
  locale: Locale,
  texts: readonly Text[],
): Text | undefined {
  return (
    texts.find((text) => text.locale === locale) ??
    texts.find((text) => text.locale.startsWith(`${locale}-`))
  );
}

/**
 * A message with its `{name}`s replaced: plain text, still to be escaped.
 * @throws RangeError when the catalogue has no such message
 */
export function textOf(catalogue: Catalogue, key: string, values: Values = {}): string {
  return fill(messageOf(catalogue, key), values, (value) => value);
}

/**
 * A message as HTML. Each value is escaped and set apart in `<bdi>`, so that neither markup nor
 * writing direction in a client's name can reach the sentence around it.
 */
export function htmlOf(catalogue: Catalogue, key: string, values: Values = {}): string {
  const message = escapeHtml(messageOf(catalogue, key));
  return fill(message, values, (value) => `<bdi>${escapeHtml(value)}</bdi>`);
}

function messageOf(catalogue: Catalogue, key: string): string {
  const message = Object.hasOwn(catalogue, key) ? catalogue[key] : undefined;
  if (message === undefined) throw new RangeError(`no message ${key}`);
  return message;
}

function fill(message: string, values: Values, show: (value: string) => string): string {
  return message.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return value === undefined ? placeholder : show(value);
  });
}

function tagsOf(list: string | null | undefined): string[] {
  return (list ?? '').slice(0, LONGEST_PREFERENCE).split(/\s+/);
}

function byQuality(header: string | null | undefined): string[] {
  return (header ?? '')
    .slice(0, LONGEST_PREFERENCE)
    .split(',')
    .map((range) => {
      const [tag = '', ...parameters] = range.split(';').map((part) => part.trim());
      const quality = parameters.find((parameter) => /^q=/i.test(parameter))?.slice(2);
      return { tag, quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ tag }) => tag);
}
