import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Context, Middleware } from 'koa';
import helmet from 'koa-helmet';
import type { Logger } from 'pino';
import { isTransient } from './postgres.ts';

/** What a caller may call its own request: nothing that could forge a log line or a header. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/;

/**
 * Gives every request an id, in `ctx.state.requestId` and the `X-Request-Id` of the response: the
 * caller's own where it is sane, otherwise a random one.
 */
export function requestIds(): Middleware {
  return (ctx, next) => {
    const offered = ctx.get('X-Request-Id');
    const id = REQUEST_ID.test(offered) ? offered : randomUUID();
    ctx.state.requestId = id;
    ctx.set('X-Request-Id', id);
    return next();
  };
}

/**
 * One line for each request, once its response is out. Neither query nor address are in it, nor
 * segments of the path that may be keys to something.
 */
export function accessLog(log: Logger): Middleware {
  return (ctx, next) => {
    const started = performance.now();
    ctx.res.once('close', () => {
      const line = {
        requestId: ctx.state.requestId,
        traceId: ctx.state.traceId,
        method: ctx.method,
        path: withoutKeys(ctx.path),
        status: ctx.res.statusCode,
        milliseconds: Math.round(performance.now() - started),
        ...(ctx.res.writableFinished ? {} : { aborted: true }),
      };
      if (ctx.res.statusCode >= 500) log.warn(line, 'request');
      else if (/^\/(health\/|metrics$)/.test(ctx.path)) log.debug(line, 'request');
      else log.info(line, 'request');
    });
    return next();
  };
}

/** Ids of interactions and clients have 16 letters and more, the words of our own paths fewer. */
function withoutKeys(path: string): string {
  return path.replace(/[^/]{16,}/g, (segment) =>
    segment.startsWith('openid-') || segment.startsWith('oauth-') ? segment : ':id',
  );
}

/**
 * Headers for answers that are data: nothing may be loaded, framed or sniffed. Pages set a policy of
 * their own over it.
 * @param options.https whether the issuer is reached by https, and browsers shall insist on it
 */
export function securityHeaders(options: { https: boolean }): Middleware {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        // The protocol engine adds the hash of its one script, which posts a form, where this is set.
        scriptSrc: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: options.https && { maxAge: 31_536_000, includeSubDomains: false },
    xFrameOptions: { action: 'deny' },
    // Applications open sign-in in a window of theirs and wait for its answer.
    crossOriginOpenerPolicy: false,
  });
}

/**
 * Refuses a request body of more than so many bytes: with 413 where it announces its length, and
 * otherwise by cutting the connection, so that whoever reads it never sees its end.
 */
export function limitBody(bytes: number): Middleware {
  return (ctx, next) => {
    if (Number(ctx.get('Content-Length')) > bytes) {
      ctx.set('Connection', 'close');
      refuse(ctx, 413, 'payload_too_large', `the request body is larger than ${bytes} bytes`);
      return;
    }
    let received = 0;
    // Readable's own `on` would set the stream flowing before its reader is there.
    EventEmitter.prototype.on.call(ctx.req, 'data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > bytes) ctx.req.destroy(new Error('the request body is too large'));
    });
    return next();
  };
}

/** The answer where nobody has one: JSON. */
export function notFound(): Middleware {
  return async (ctx, next) => {
    await next();
    if (ctx.status === 404 && ctx.body === undefined) {
      refuse(ctx, 404, 'not_found', 'there is nothing at this address');
    }
  };
}

/** Seconds after which a client may try again what could not be done at the moment. */
export const RETRY_AFTER = 1;

/** The answer to what went wrong unforeseen: JSON that says no more than it must, and a log line. */
export function answerErrors(log: Logger): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const { status = 500, expose = false, message } = error as Error & Partial<HttpError>;
      // A request that was cut off: nobody is there to hear it. One read to its end is destroyed too.
      if (ctx.req.destroyed && !ctx.req.complete) return;
      if (expose) return refuse(ctx, status, 'invalid_request', message);
      log.error({ err: error, requestId: ctx.state.requestId }, 'a request failed');
      if (isTransient(error)) {
        ctx.remove('Set-Cookie');
        ctx.set('Retry-After', String(RETRY_AFTER));
        return refuse(ctx, 503, 'temporarily_unavailable', 'the database is away; try again');
      }
      refuse(ctx, 500, 'server_error', 'the server could not answer; the log says why');
    }
  };
}

/** What Koa and its parsers throw (http-errors): `expose` where the client may read the message. */
interface HttpError {
  status: number;
  expose: boolean;
}

function refuse(ctx: Context, status: number, error: string, description: string): void {
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  ctx.body = { error, error_description: description };
}

export interface GracefulServer {
  /** The one asked for, or the free one that was found when 0 was asked for. */
  readonly port: number;
  /** Aborted when closing begins: for answers that would otherwise never end. */
  readonly closing: AbortSignal;
  /**
   * Takes no more connections, finishes the requests under way and closes what is idle. What is not
   * done in `shutdownTimeout` seconds is cut off.
   */
  close(): Promise<void>;
}

/**
 * Whether this process is a worker with a socket of its own on the port it shares. The kernel then
 * gives it its connections, and cuts them off when it dies; those that Node hands on from the first
 * process would be left hanging.
 */
const SOCKET_OF_ITS_OWN = cluster.isWorker && process.platform === 'linux';

/**
 * Opens a listener that can be closed without harm.
 * @throws Error naming the address when it is taken
 */
export async function gracefulServer(
  server: Server | HttpsServer,
  options: { host: string; port: number; shutdownTimeout: number },
): Promise<GracefulServer> {
  const { host, port, shutdownTimeout } = options;
  const closing = new AbortController();

  // Longer than proxies keep theirs (60 s): the one that closes first must be the one that asks.
  server.keepAliveTimeout = 65_000;
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  // Node counts a connection that has not asked for anything yet as busy; browsers open such ahead.
  const underWay = new Map<Socket, number>();
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => underWay.delete(socket));
  });
  const answer = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    const { socket } = request;
    // Sent before it was heard that this connection has ended: no answer would go out.
    if (closing.signal.aborted && socket.writableEnded) return void socket.destroy();
    for (const each of answer) each(request, response);
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (underWay.get(socket) ?? 1) - 1;
      if (!socket.destroyed) underWay.set(socket, left);
      if (closing.signal.aborted && left === 0) socket.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`cannot listen on ${host}, port ${port}: ${error.code}`, { cause: error })),
    );
    server.listen({ port, host, reusePort: SOCKET_OF_ITS_OWN }, resolve);
  });

  let closed: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    closing: closing.signal,
    close() {
      closed ??= new Promise((resolve) => {
        const cutOff = setTimeout(() => server.closeAllConnections(), shutdownTimeout * 1_000);
        server.close(() => {
          clearTimeout(cutOff);
          resolve();
        });
        closing.abort();
        for (const [socket, requests] of underWay) if (requests === 0) socket.destroy();
      });
      return closed;
    },
  };
}
