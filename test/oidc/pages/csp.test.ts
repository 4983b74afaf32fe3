import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { contentSecurityPolicy, redirectOriginOf, sourceOf } from '../../../src/oidc/pages/csp.ts';
import { createPages } from '../../../src/oidc/pages/pages.ts';
import { consent, error, home, signedOut, signIn, signOut } from './samples.ts';

const pages = createPages();

/** The hash that a browser computes of the page's own style element. */
function styleHash(html: string): string {
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] as string;
  return createHash('sha256').update(style).digest('base64');
}

function policy(html: string, images: string, forms: string): string {
  return (
    `default-src 'none'; style-src 'sha256-${styleHash(html)}'; img-src ${images}; ` +
    `base-uri 'none'; frame-ancestors 'none'; form-action ${forms}`
  );
}

function formAction(redirectOrigin: string): string | undefined {
  const csp = contentSecurityPolicy({ style: sourceOf(''), forms: 'self', redirectOrigin });
  return csp.split('; ').find((directive) => directive.startsWith('form-action'));
}

describe('the policy of each page, to the letter', () => {
  test('sign-in and consent load the logo and lead to the client', () => {
    for (const page of [pages.signIn(signIn), pages.consent(consent)]) {
      expect(page.csp).toBe(
        policy(page.html, `'self' data: https:`, `'self' https://notes.example`),
      );
    }
  });

  test('without a logo no image comes from elsewhere', () => {
    for (const clientLogoUri of [null, 'http://notes.example/logo.png', 'javascript:alert(1)']) {
      const page = pages.signIn({ ...signIn, clientLogoUri, redirectOrigin: null });
      expect(page.csp).toBe(policy(page.html, `'self' data:`, `'self'`));
      expect(page.html).not.toContain('<img');
    }
  });

  test('a logo kept here opens the page to no other place', () => {
    for (const clientLogoUri of ['/logos/notes', 'data:image/png;base64,AAAA']) {
      const page = pages.consent({ ...consent, clientLogoUri });
      expect(page.csp).toContain(`img-src 'self' data:;`);
      expect(page.html).toContain(`src="${clientLogoUri}"`);
    }
  });

  test('sign-out leads to where the client asked', () => {
    const page = pages.signOut(signOut);
    expect(page.csp).toBe(policy(page.html, `'self' data:`, `'self' https://notes.example`));
  });

  test('a page that tells clients loads theirs in frames, and nothing else', () => {
    const frames = [
      'https://notes.example/out?a=1',
      'https://notes.example/b',
      'http://127.0.0.1:81/',
    ];
    const { csp } = pages.signedOut({ ...signedOut, frames });
    expect(csp).toContain('; frame-src https://notes.example http://127.0.0.1:81;');
    expect(pages.signedOut(signedOut).csp).not.toContain('frame-src');
    for (const frame of ['javascript:alert(1)', 'data:text/html,x']) {
      expect(() => pages.signedOut({ ...signedOut, frames: [frame] })).toThrow(TypeError);
    }
  });

  test('pages without a form post nowhere', () => {
    for (const page of [pages.signedOut(signedOut), pages.error(error), pages.home(home)]) {
      expect(page.csp).toBe(policy(page.html, `'self' data:`, `'none'`));
    }
  });
});

describe('redirectOrigin', () => {
  test.each([
    ['https://notes.example', 'https://notes.example'],
    ['https://notes.example:8443', 'https://notes.example:8443'],
    ['https://Notes.Example', 'https://notes.example'],
    ['http://127.0.0.1:50123', 'http://127.0.0.1:50123'],
    ['https://müller.example', 'https://xn--mller-kva.example'],
    ['com.example.app:', 'com.example.app:'],
    ['http://[::1]:50123', 'http:'],
  ])('%s becomes the source %s', (origin, source) => {
    expect(formAction(origin)).toBe(`form-action 'self' ${source}`);
  });

  test.each([
    "https://a.example; script-src 'unsafe-inline'",
    'https://a.example;script-src',
    'https://a.example https://b.example',
    'https://a.example,https://b.example',
    "https://a.example'",
    'https://a;b.example',
    'https://*',
    'https://*.example',
    'https://a.example/path',
    'https://a.example?query',
    'https://user@a.example',
    'https://a.example\nscript-src *',
    '//a.example',
    '*',
    "'unsafe-inline'",
    'http:',
    'https:',
    'javascript:',
    'data:',
    'com.example.app: *',
    'com.example.app:/cb',
    'com.example;app:',
  ])('%j is refused', (origin) => {
    expect(() => formAction(origin)).toThrow(TypeError);
    expect(() => pages.signIn({ ...signIn, redirectOrigin: origin })).toThrow(TypeError);
    expect(() => pages.consent({ ...consent, redirectOrigin: origin })).toThrow(TypeError);
    expect(() => pages.signOut({ ...signOut, redirectOrigin: origin })).toThrow(TypeError);
  });

  test.each([
    ['https://notes.example/cb?x=1', 'https://notes.example'],
    ['https://notes.example:443/cb', 'https://notes.example'],
    ['http://localhost:8080/cb', 'http://localhost:8080'],
    ['com.example.app:/oauth2redirect', 'com.example.app:'],
    ['com.example.app://callback', 'com.example.app:'],
  ])('of %s is %s', (redirectUri, origin) => {
    expect(redirectOriginOf(redirectUri)).toBe(origin);
    expect(formAction(origin)).toBe(`form-action 'self' ${origin}`);
  });
});
