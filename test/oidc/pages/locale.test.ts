import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  type Catalogue,
  htmlOf,
  LOCALES,
  negotiateLocale,
  textOf,
} from '../../../src/oidc/pages/locale.ts';
import { createPages } from '../../../src/oidc/pages/pages.ts';
import { consent, models } from './samples.ts';

const folder = new URL('../../../src/oidc/pages/locales/', import.meta.url);
const catalogues = Object.fromEntries(
  LOCALES.map((locale) => [
    locale,
    JSON.parse(readFileSync(new URL(`${locale}.json`, folder), 'utf8')) as Catalogue,
  ]),
);
const english = catalogues.en as Catalogue;

describe('the catalogues', () => {
  test.each(LOCALES)('%s has every message, with the same values in it', (locale) => {
    const catalogue = catalogues[locale] as Catalogue;
    expect(Object.keys(catalogue)).toEqual(Object.keys(english));
    for (const [key, message] of Object.entries(catalogue)) {
      expect(message.trim()).not.toBe('');
      expect([key, placeholders(message)]).toEqual([key, placeholders(english[key] as string)]);
    }
  });

  test.each(LOCALES)('%s reaches the page, with its language and direction', (locale) => {
    const { html } = createPages().consent({ ...consent, locale });
    expect(html).toContain(`<html lang="${locale}" dir="ltr">`);
    expect(html).toContain(catalogues[locale]?.['consent.allow']);
  });

  test('every message a template names exists', () => {
    const pages = createPages();
    for (const locale of LOCALES) {
      for (const [name, model] of Object.entries(models)) {
        const render = pages[name as keyof typeof models] as (model: object) => { html: string };
        expect(render({ ...model, locale }).html).not.toMatch(/\{\w+\}(?![^<]*<\/style>)/);
      }
    }
  });

  test('messages are there for view models too', () => {
    expect(createPages().text('de', 'signIn.error.missingPassword')).toBe(
      'Geben Sie Ihr Passwort ein.',
    );
    expect(() => createPages().text('en', 'toString')).toThrow(RangeError);
  });
});

describe('a value in a message', () => {
  const catalogue = { greeting: 'Hello <{name}> & {name}, {other}' };

  test('is plain in text', () => {
    expect(textOf(catalogue, 'greeting', { name: '<b>' })).toBe('Hello <<b>> & <b>, {other}');
  });

  test('is escaped and set apart in HTML', () => {
    expect(htmlOf(catalogue, 'greeting', { name: '<b>' })).toBe(
      'Hello &lt;<bdi>&lt;b&gt;</bdi>&gt; &amp; <bdi>&lt;b&gt;</bdi>, {other}',
    );
  });

  test('is not itself a message', () => {
    expect(textOf({ pair: '{a} {b}' }, 'pair', { a: '{b}', b: "$& $' $1" })).toBe("{b} $& $' $1");
    expect(textOf({ odd: '{toString}' }, 'odd')).toBe('{toString}');
  });
});

describe('negotiateLocale', () => {
  test.each([
    [undefined, undefined, 'en'],
    [null, null, 'en'],
    ['fr', 'de', 'fr'],
    ['ja pt-BR es-MX de', undefined, 'es'],
    ['ja', 'de-CH,de;q=0.9', 'de'],
    ['DE-at', undefined, 'de'],
    [undefined, 'en;q=0.3, fr;q=0.8, ja', 'fr'],
    [undefined, 'de;q=0, es;q=0.1', 'es'],
    [undefined, 'de;q=nonsense, es;q=0.1', 'es'],
    [undefined, '*', 'en'],
    [undefined, ';;,,q=;', 'en'],
    ['den', 'esperanto', 'en'],
    [undefined, `${'x,'.repeat(100_000)}de`, 'en'],
  ])('ui_locales %j and Accept-Language %j give %s', (uiLocales, acceptLanguage, locale) => {
    expect(negotiateLocale({ uiLocales, acceptLanguage })).toBe(locale);
  });
});

function placeholders(message: string): string[] {
  return [...message.matchAll(/\{\w+\}/g)].map(([placeholder]) => placeholder).sort();
}
