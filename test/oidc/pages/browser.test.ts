import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import axe, { type AxeResults } from 'axe-core';
import Koa from 'koa';
import { type Browser, chromium, type Page as Tab } from 'playwright-core';
import { redirectOriginOf } from '../../../src/oidc/pages/csp.ts';
import { createPages, type Page, send } from '../../../src/oidc/pages/pages.ts';
import { consent, signIn, signOut, variants } from './samples.ts';

const executablePath = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));

if (!executablePath) {
  console.warn('Hosted pages were not tried in a browser: no Chromium found (set CHROMIUM_PATH).');
}

const pages = createPages();
const measured = new Set([
  'sign-in, field at fault',
  'consent',
  'sign-out',
  'device-code, refused',
  'device-confirm',
  'error',
  'home',
]);

(executablePath ? describe : describe.skip)('in Chromium', () => {
  let browser: Browser;
  let server: Server;
  let client: Server;
  let clientOrigin: string;
  let shown: Page;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    client = createServer((request, response) => response.end(`client ${request.url}`));
    client.listen(0, '127.0.0.1');
    await once(client, 'listening');
    clientOrigin = `http://127.0.0.1:${(client.address() as AddressInfo).port}`;
    const app = new Koa().use((ctx) => {
      if (ctx.method === 'GET') return send(ctx, shown);
      ctx.status = 303;
      ctx.set('Location', `${clientOrigin}/cb`);
    });
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
    client?.close();
  });

  async function open(page: Page, options: Parameters<Browser['newPage']>[0] = {}): Promise<Tab> {
    shown = page;
    const tab = await browser.newPage({
      javaScriptEnabled: false,
      reducedMotion: 'reduce',
      ...options,
    });
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return tab;
  }

  test.each(variants(pages).filter(([name]) => measured.has(name)))(
    '%s: axe finds nothing, by day and by night, and it fits a phone',
    async (_name, page) => {
      const viewport = { width: 320, height: 640 };
      const tab = await open(page, { viewport, javaScriptEnabled: true, bypassCSP: true });
      expect(await tab.evaluate('document.documentElement.scrollWidth')).toBe(320);
      // Over a gradient or a pseudo-element axe measures no contrast: the plain colours it does.
      await tab.addStyleTag({
        content: 'body { background: var(--desk-far) } .deed::before { display: none }',
      });
      await tab.evaluate(axe.source);
      expect(verdictOf((await tab.evaluate('axe.run()')) as AxeResults)).toEqual(flawless);
      await tab.emulateMedia({ colorScheme: 'dark' });
      const contrast = await tab.evaluate(`axe.run({ runOnly: ['color-contrast'] })`);
      expect(verdictOf(contrast as AxeResults)).toEqual(flawless);
      await tab.close();
    },
  );

  test('every button and link is a target of 24 px or more', async () => {
    const tab = await open(pages.consent(consent), { javaScriptEnabled: true });
    const sizes = (await tab.evaluate(`
      [...document.querySelectorAll('button, a, input:not([type=hidden])')].map((element) => {
        const { width, height } = element.getBoundingClientRect();
        return Math.min(width, height);
      })`)) as number[];
    expect(sizes.length).toBeGreaterThan(5);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(24);
    await tab.close();
  });

  test('a refused sign-in puts the focus on what is wrong', async () => {
    const tab = await open(pages.signIn({ ...signIn, error: { message: 'Try again.' } }));
    expect(await tab.locator(':focus').getAttribute('role')).toBe('alert');
    await tab.close();
  });

  // Chromium holds form-action against the redirect too: only the named client is reached.
  test.each([
    ['sign-in', 'Sign in'],
    ['sign-in', 'Cancel'],
    ['consent', 'Allow'],
    ['sign-out', 'Sign out'],
  ])('%s: “%s” leads to the client, without script', async (name, button) => {
    const redirectOrigin = redirectOriginOf(`${clientOrigin}/cb`);
    const page = {
      'sign-in': pages.signIn({ ...signIn, redirectOrigin }),
      consent: pages.consent({ ...consent, redirectOrigin }),
      'sign-out': pages.signOut({ ...signOut, redirectOrigin }),
    }[name] as Page;
    const tab = await open(page);
    if (button === 'Sign in') await tab.getByLabel('Password').fill('secret');
    await tab.getByRole('button', { name: button }).click();
    await tab.waitForURL(`${clientOrigin}/cb`);
    expect(await tab.textContent('body')).toBe('client /cb');
    await tab.close();
  });

  test('another origin is not reached', async () => {
    const tab = await open(pages.consent({ ...consent, redirectOrigin: 'https://notes.example' }));
    const refused = tab.waitForEvent('console');
    await tab.getByRole('button', { name: 'Allow' }).click({ noWaitAfter: true });
    expect((await refused).text()).toContain('form-action');
    expect(await tab.title()).toBe('Harbour Notes asks for access · Muniment');
    await tab.close();
  });
});

const flawless = { violations: [], contrast: 'measured' };

function verdictOf({ violations, incomplete }: AxeResults) {
  const unmeasured = incomplete.find(({ id }) => id === 'color-contrast');
  return {
    violations: violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]),
    contrast: unmeasured?.nodes.map(({ html }) => html) ?? 'measured',
  };
}
