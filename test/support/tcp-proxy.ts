import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Socket,
} from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { TestDatabase } from './postgres.ts';

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Milliseconds that each piece of what is sent is held back, in either direction. */
  delay: number;
  /** Lets nothing through, as if a cable were out: nobody is told. */
  hold(): void;
  /** Likewise, but only for connections that there are: those made later find their way. */
  holdOpen(): void;
  /** Lets through what was held, and what comes. */
  release(): void;
  /** Breaks all connections, refuses new ones for a moment, and is back on the same port. */
  interrupt(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Stands before a server that a test may not stop, so that it can seem to go away.
 * @param host the address it listens at
 */
export async function startTcpProxy(target: NetConnectOpts, host = '127.0.0.1'): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let held: PromiseWithResolvers<void> | undefined;
  /** How many connections, of those made, are held. */
  let holding = 0;
  let made = 0;
  const passable = (nth: number) => (nth < holding ? held?.promise : undefined);
  const passage = (nth: number) =>
    new Transform({
      async transform(chunk, _, done) {
        if (proxy.delay > 0) await sleep(proxy.delay);
        await passable(nth);
        done(null, chunk);
      },
    });
  const server = createServer((incoming) => {
    const outgoing = connect(target);
    const nth = made++;
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', async () => {
        sockets.delete(socket);
        await passable(nth);
        // What was sent before the end arrives before it.
        await sleep(10);
        incoming.destroy();
        outgoing.destroy();
      });
    }
    incoming.pipe(passage(nth)).pipe(outgoing).pipe(passage(nth)).pipe(incoming);
  });
  const listen = async (port: number) => {
    server.listen(port, host);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const stop = async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    proxy.release();
    await closed;
  };
  const port = await listen(0);
  const proxy: TcpProxy = {
    host,
    port,
    delay: 0,
    hold() {
      held ??= Promise.withResolvers();
      holding = Number.POSITIVE_INFINITY;
    },
    holdOpen() {
      held ??= Promise.withResolvers();
      holding = made;
    },
    release() {
      held?.resolve();
      held = undefined;
      holding = 0;
    },
    stop,
    async interrupt() {
      await stop();
      await listen(port);
    },
  };
  return proxy;
}

/** Where a database's server listens, for a proxy before it. */
export function addressOf({ connection }: TestDatabase): NetConnectOpts {
  const { host, port } = new pg.Client(connection);
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
}

/** The way to a database through a proxy. @param name what those who take it call themselves */
export function through(
  { host, port }: TcpProxy,
  { connection }: TestDatabase,
  name?: string,
): string {
  const { user = '', password, database = '' } = new pg.Client(connection);
  const url = new URL(`postgresql://${host}:${port}/${database}`);
  url.username = user;
  if (password) url.password = String(password);
  if (name) url.searchParams.set('application_name', name);
  return url.href;
}
