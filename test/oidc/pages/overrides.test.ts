import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPages } from '../../../src/oidc/pages/pages.ts';
import { home, signedOut, signIn } from './samples.ts';

let overrides: string;

beforeEach(() => {
  overrides = mkdtempSync(join(tmpdir(), 'pages-'));
});

afterEach(() => rmSync(overrides, { recursive: true }));

function override(name: string, text: string): void {
  const file = join(overrides, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

test('one template is replaced, the others stay', () => {
  override('signed-out.eta', `<% layout('@layout', { title: 'x' }) %><p>Bye <%= it.clientName %>`);
  const pages = createPages({ overrides });
  const { html } = pages.signedOut({ ...signedOut, clientName: '<b>' });
  expect(html).toContain('<p>Bye &lt;b&gt;');
  expect(html).toContain('class="seal"');
  expect(pages.signIn(signIn).html).toBe(createPages().signIn(signIn).html);
});

test('the layout reaches every page', () => {
  override(
    'layout.eta',
    '<!doctype html><html lang="<%= it.locale %>"><main><%~ it.body %></main>',
  );
  const { html } = createPages({ overrides }).signIn(signIn);
  expect(html).toMatch(/^<!doctype html><html lang="en"><main>/);
  expect(html).toContain('id="username"');
});

test('a style comes with its hash', () => {
  override('style.css', 'body { color: teal }');
  const { html, csp } = createPages({ overrides }).home(home);
  expect(html).toContain('<style>body { color: teal }</style>');
  const hash = createHash('sha256').update('body { color: teal }').digest('base64');
  expect(csp).toContain(`style-src 'sha256-${hash}'`);
});

test('a single message is replaced in its language', () => {
  override('locales/de.json', '{ "signIn.title": "Hereinspaziert" }');
  const pages = createPages({ overrides });
  const { html } = pages.signIn({ ...signIn, locale: 'de' });
  expect(html).toContain('<h1>Hereinspaziert</h1>');
  expect(html).toContain('Benutzername');
  expect(pages.signIn(signIn).html).toContain('<h1>Sign in</h1>');
});

test('what cannot be used is refused at the start', () => {
  expect(() => createPages({ overrides: join(overrides, 'absent') })).toThrow(/does not exist/);
  override('style.css', 'body {} </style><script>');
  expect(() => createPages({ overrides })).toThrow(/style\.css/);
  override('style.css', '');
  override('error.eta', '<% if ( %>');
  expect(() => createPages({ overrides })).toThrow(/Bad template/);
});
