import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isPublic, outbound } from '../../src/platform/outbound.ts';

let server: Server;
let host: string;
/** Requests that reached the server. */
let reached = 0;

const answers: Record<string, RequestListener> = {
  '/echo': async (request, response) => {
    const { method, headers } = request;
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({ method, type: headers['content-type'], body: await text(request) }),
    );
  },
  '/away': (_, response) => response.writeHead(302, { Location: '/echo' }).end(),
  '/nothing': (_, response) => response.writeHead(204).end(),
  '/large': (_, response) => response.end('x'.repeat(1_001)),
  '/slow': () => {},
  '/trickle': (_, response) => response.write('{'),
};

beforeAll(async () => {
  server = createServer((request, response) => {
    reached++;
    answers[request.url ?? '']?.(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  host = `localhost:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const call = (path: string, options: { init?: RequestInit; timeout?: number } = {}) =>
  outbound({ allowedPrivateHosts: [host], maxBytes: 1_000, ...options })(
    `http://${host}${path}`,
    options.init,
  );

describe('a call to an address that came from outside', () => {
  test('reaches a private host that is allowed, by http as well', async () => {
    const init = { method: 'POST', body: new URLSearchParams({ logout_token: 'a b' }) };
    const response = await call('/echo', { init });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      method: 'POST',
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      body: 'logout_token=a+b',
    });
    expect(await call('/nothing')).toMatchObject({ status: 204, body: null });
  });

  test.each([
    ['http, even to a public name', 'http://example.com/'],
    ['an address of this machine', 'https://127.0.0.1/'],
    ['one in the notation of IPv6', 'https://[::ffff:7f00:1]/'],
    ['one in another notation', 'https://2130706433/'],
    ['a name that leads to this machine', 'https://localhost/'],
    ['an address of the neighbourhood', 'https://169.254.169.254/'],
    ['a name with a password', 'https://user:password@localhost/'],
  ])('is not made to %s', async (_, url) => {
    await expect(outbound({ allowedPrivateHosts: [] })(url)).rejects.toThrow(
      /not https|not public|credentials/,
    );
  });

  test('is not made to another port of an allowed host', async () => {
    const before = reached;
    const elsewhere = outbound({ allowedPrivateHosts: ['localhost:1'] });
    await expect(elsewhere(`https://${host}/echo`)).rejects.toThrow(/not public/);
    expect(reached).toBe(before);
  });

  test('follows no redirect', async () => {
    const before = reached;
    const response = await call('/away', { init: { redirect: 'follow' } });
    expect(response.status).toBe(302);
    expect(reached).toBe(before + 1);
  });

  test('gives up an answer that is too large', async () => {
    await expect(call('/large')).rejects.toThrow('larger than 1000 bytes');
  });

  test.each(['/slow', '/trickle'])('gives up after its time: %s', async (path) => {
    await expect(call(path, { timeout: 50 })).rejects.toThrow(/abort/i);
  });

  test('ends with the signal it was given', async () => {
    const init = { signal: AbortSignal.timeout(50) };
    await expect(call('/slow', { init })).rejects.toThrow(/abort/i);
  });
});

test.each([
  ['8.8.8.8', true],
  ['172.15.255.255', true],
  ['172.16.0.1', false],
  ['100.64.0.1', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['2606:4700::1111', true],
  ['::1', false],
  ['fd00::1', false],
  ['fe80::1%eth0', false],
  ['64:ff9b::7f00:1', false],
  ['2002:7f00:1::', false],
  ['::ffff:8.8.8.8', false],
])('%s is public: %s', (address, expected) => {
  expect(isPublic(address)).toBe(expected);
});
