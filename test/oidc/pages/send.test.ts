import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import Koa from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { createPages, type Page, send } from '../../../src/oidc/pages/pages.ts';
import { error, home } from './samples.ts';

const pages = createPages();

async function answer(handle: (ctx: Koa.Context) => void): Promise<Response> {
  const server = new Koa().use(handle).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    return await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.close();
  }
}

test('a page is sent under its policy, and kept from caches, frames and other sites', async () => {
  const page = pages.error(error);
  const response = await answer((ctx) => send(ctx, page));
  expect(response.status).toBe(400);
  expect(await response.text()).toBe(page.html);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': page.csp,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  });
});

test('a page without a status leaves that of the response', async () => {
  expect((await answer((ctx) => send(ctx, pages.home(home)))).status).toBe(200);
  const missing = await answer((ctx) => {
    ctx.status = 404;
    send(ctx, pages.home(home));
  });
  expect(missing.status).toBe(404);
});

test('the contexts of oidc-provider will do', () => {
  const sender: (ctx: KoaContextWithOIDC, page: Page) => void = send;
  expect(sender).toBe(send);
});
