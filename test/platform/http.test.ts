import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import Koa from 'koa';
import {
  accessLog,
  answerErrors,
  type GracefulServer,
  gracefulServer,
  limitBody,
  notFound,
  requestIds,
  securityHeaders,
} from '../../src/platform/http.ts';
import { createLogger } from '../../src/platform/log.ts';

const open = new Set<GracefulServer>();
afterEach(async () => {
  await Promise.all([...open].map((server) => server.close()));
  open.clear();
});

async function serve(
  handler: http.RequestListener,
  shutdownTimeout = 300,
): Promise<GracefulServer & { url: string }> {
  const server = await gracefulServer(http.createServer(handler), {
    host: '127.0.0.1',
    port: 0,
    shutdownTimeout,
  });
  open.add(server);
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

function serveKoa(...middleware: Koa.Middleware[]) {
  const app = new Koa();
  app.silent = true;
  for (const each of middleware) app.use(each);
  return serve(app.callback());
}

/** A promise and the function that fulfils it. */
function promise<T = void>() {
  let resolve: (value: T) => void = () => {};
  const fulfilled = new Promise<T>((done) => {
    resolve = done;
  });
  return { fulfilled, resolve };
}

describe('requestIds', () => {
  const echo: Koa.Middleware = (ctx) => {
    ctx.body = ctx.state.requestId;
  };

  test('keeps a sane id of the caller', async () => {
    const { url } = await serveKoa(requestIds(), echo);
    const response = await fetch(url, { headers: { 'X-Request-Id': 'trace-7f3a.01' } });
    expect(response.headers.get('x-request-id')).toBe('trace-7f3a.01');
    expect(await response.text()).toBe('trace-7f3a.01');
  });

  test.each([
    undefined,
    'short',
    'x'.repeat(65),
    'with space in',
    '<script>x</script>',
    '..........',
  ])('makes one in place of %j', async (offered) => {
    const { url } = await serveKoa(requestIds(), echo);
    const headers = offered === undefined ? {} : { 'X-Request-Id': offered };
    const ids = await Promise.all([1, 2].map(async () => (await fetch(url, { headers })).text()));
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(ids[0]).not.toBe(ids[1]);
  });
});

describe('accessLog', () => {
  async function linesOf(
    level: string,
    requests: (url: string) => Promise<unknown>,
    count: number,
  ) {
    const lines: Record<string, unknown>[] = [];
    const done = promise();
    const log = createLogger(level, {
      write(line) {
        lines.push(JSON.parse(line));
        if (lines.length === count) done.resolve();
      },
    });
    const { url } = await serveKoa(requestIds(), accessLog(log), (ctx) => {
      if (ctx.path === '/broken') ctx.status = 503;
      else ctx.body = 'fine';
    });
    await requests(url);
    await done.fulfilled;
    return lines;
  }

  test('writes one line for a request, without query, body or address', async () => {
    const [line] = await linesOf(
      'info',
      (url) => fetch(`${url}/connect/token?code=canary`, { method: 'POST', body: 'canary' }),
      1,
    );
    expect(line).toEqual({
      level: 'info',
      time: expect.any(String),
      requestId: expect.any(String),
      method: 'POST',
      path: '/connect/token',
      status: 200,
      milliseconds: expect.any(Number),
      msg: 'request',
    });
  });

  test('leaves out what may be a key in the path, and keeps our own words', async () => {
    const paths = async (url: string) => {
      await fetch(`${url}/interaction/V1StGXR8_Z5jdHi6B-myT/sign-in`);
      await fetch(`${url}/.well-known/openid-configuration`);
    };
    const lines = await linesOf('info', paths, 2);
    expect(lines.map(({ path }) => path)).toEqual([
      '/interaction/:id/sign-in',
      '/.well-known/openid-configuration',
    ]);
  });

  test('warns of failures, and is quiet about health', async () => {
    const both = async (url: string) => {
      await fetch(`${url}/health/live`);
      await fetch(`${url}/broken`);
    };
    const [live, broken] = await linesOf('debug', both, 2);
    expect(live).toMatchObject({ level: 'debug', path: '/health/live' });
    expect(broken).toMatchObject({ level: 'warn', status: 503 });
  });

  test('says when the caller went away', async () => {
    const lines: Record<string, unknown>[] = [];
    const logged = promise();
    const log = createLogger('info', {
      write(line) {
        lines.push(JSON.parse(line));
        logged.resolve();
      },
    });
    const never = new Promise<void>(() => {});
    const arrived = promise();
    const { url } = await serveKoa(accessLog(log), () => {
      arrived.resolve();
      return never;
    });
    const caller = new AbortController();
    const request = fetch(url, { signal: caller.signal }).catch(() => 'aborted');
    await arrived.fulfilled;
    caller.abort();
    expect(await request).toBe('aborted');
    await logged.fulfilled;
    expect(lines[0]).toMatchObject({ aborted: true });
  });
});

describe('answers', () => {
  test('that are data allow nothing to be loaded, framed or sniffed', async () => {
    const { url } = await serveKoa(securityHeaders({ https: true }), (ctx) => {
      ctx.body = {};
    });
    const { headers } = await fetch(url);
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none';script-src 'self';base-uri 'none';frame-ancestors 'none'",
    );
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=31536000$/);
    expect(headers.get('cross-origin-opener-policy')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
  });

  test('insist on https only where the issuer has it', async () => {
    const { url } = await serveKoa(securityHeaders({ https: false }));
    expect((await fetch(url)).headers.get('strict-transport-security')).toBeNull();
  });

  test('where nobody has one are 404 in JSON', async () => {
    const { url } = await serveKoa(notFound(), (ctx, next) => {
      if (ctx.path === '/own') {
        ctx.status = 404;
        ctx.body = 'mine';
      }
      return next();
    });
    const response = await fetch(`${url}/nowhere`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      error: 'not_found',
      error_description: 'there is nothing at this address',
    });
    expect(await (await fetch(`${url}/own`)).text()).toBe('mine');
  });

  test('to what went wrong say what the caller may know, and the log the rest', async () => {
    let text = '';
    const log = createLogger('info', {
      write: (line) => {
        text += line;
      },
    });
    const { url } = await serveKoa(requestIds(), answerErrors(log), (ctx) => {
      if (ctx.path === '/theirs') ctx.throw(422, 'that is no number');
      throw new Error('the innards');
    });
    const ours = await fetch(`${url}/ours`, { headers: { 'X-Request-Id': 'request-17' } });
    expect(ours.status).toBe(500);
    expect(await ours.json()).toEqual({
      error: 'server_error',
      error_description: 'the server could not answer; the log says why',
    });
    expect(JSON.parse(text)).toMatchObject({
      level: 'error',
      requestId: 'request-17',
      err: { message: 'the innards' },
    });
    text = '';
    const theirs = await fetch(`${url}/theirs`);
    expect(theirs.status).toBe(422);
    expect(await theirs.json()).toMatchObject({ error_description: 'that is no number' });
    expect(text).toBe('');
  });

  test('say when to ask again where the database was away', async () => {
    const { url } = await serveKoa(answerErrors(createLogger('silent')), (ctx) => {
      ctx.cookies.set('session', 'of nobody');
      throw new Error('Connection terminated unexpectedly');
    });
    const answer = await fetch(url);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' });
  });

  test('hears of what goes wrong after the body was read', async () => {
    const { url } = await serveKoa(answerErrors(createLogger('silent')), async (ctx) => {
      for await (const _ of ctx.req);
      ctx.throw(403, 'not with these words');
    });
    const { status } = await fetch(url, { method: 'POST', body: 'words' });
    expect(status).toBe(403);
  });
});

describe('limitBody', () => {
  const LIMIT = 1_000;

  async function post(body: string, announced: boolean) {
    let seen = '';
    const { url } = await serveKoa(limitBody(LIMIT), async (ctx) => {
      await setImmediate(); // as a reader does that looks something up first
      let received = '';
      for await (const chunk of ctx.req) received += chunk;
      seen = received;
      ctx.body = 'read';
    });
    const headers = announced ? { 'Content-Length': String(body.length) } : {};
    const request = http.request(url, { method: 'POST', headers });
    request.write(body.slice(0, 10));
    request.end(body.slice(10));
    const status = await once(request, 'response').then(
      ([response]) => response.resume().statusCode as number,
      () => 'cut off',
    );
    return { status, seen };
  }

  test.each([true, false])('lets a body of its size through (announced: %j)', async (announced) => {
    const body = 'x'.repeat(LIMIT);
    expect(await post(body, announced)).toEqual({ status: 200, seen: body });
  });

  test('refuses a larger one before it is read', async () => {
    expect(await post('x'.repeat(LIMIT + 1), true)).toEqual({ status: 413, seen: '' });
  });

  test('cuts off a larger one that did not announce itself', async () => {
    expect(await post('x'.repeat(LIMIT + 1), false)).toEqual({ status: 'cut off', seen: '' });
  });
});

describe('gracefulServer', () => {
  test('names the address that is taken', async () => {
    const { port } = await serve(() => {});
    const second = gracefulServer(http.createServer(), {
      host: '127.0.0.1',
      port,
      shutdownTimeout: 1,
    });
    await expect(second).rejects.toThrow(`cannot listen on 127.0.0.1, port ${port}: EADDRINUSE`);
  });

  test('finishes the request under way, closes idle connections, and takes no more', async () => {
    const arrived = promise();
    const finish = promise();
    const server = await serve(async (request, response) => {
      if (request.url === '/slow') {
        arrived.resolve();
        await finish.fulfilled;
      }
      response.end('whole');
    });
    const agent = new http.Agent({ keepAlive: true });
    const get = (path: string) =>
      new Promise<string>((resolve, reject) => {
        http
          .get(server.url + path, { agent }, async (response) => {
            let text = '';
            for await (const chunk of response) text += chunk;
            resolve(text);
          })
          .on('error', reject);
      });
    // Idle, and kept alive by its caller; another has not even asked yet.
    expect(await get('/quick')).toBe('whole');
    const silent = connect(server.port, '127.0.0.1');
    await once(silent, 'connect');
    const gone = once(silent, 'close');

    const slow = get('/slow');
    await arrived.fulfilled;
    const closing = server.close();
    expect(server.closing.aborted).toBe(true);
    await gone;
    await expect(fetch(server.url)).rejects.toThrow();

    finish.resolve();
    expect(await slow).toBe('whole');
    await closing;
    await server.close();
    agent.destroy();
  });

  test('cuts off what does not end in time', async () => {
    const arrived = promise();
    const server = await serve((_, response) => {
      response.write('never');
      arrived.resolve();
    }, 0.05);
    const request = fetch(server.url).then((response) => response.text());
    await arrived.fulfilled;
    await Promise.all([server.close(), expect(request).rejects.toThrow()]);
  });

  test('tells answers without an end that it closes', async () => {
    const server = await serve((_, response) => {
      response.write('event\n');
      server.closing.addEventListener('abort', () => response.end('bye\n'));
    });
    const response = await fetch(server.url);
    const closed = server.close();
    expect(await response.text()).toBe('event\nbye\n');
    await closed;
  });
});
