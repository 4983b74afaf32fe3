import { rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';

export interface Claim {
  /** Resolves once somebody else can have it. */
  release(): Promise<void>;
}

/**
 * A claim on a folder that ends with the process that made it, even by kill -9: a Unix socket at
 * `path` that its owner listens on. Unlike a file with a process id in it, it cannot be mistaken for
 * another process's, nor across containers that share a volume.
 * @returns what gives the claim back; or the owner, as far as it says who it is
 */
export async function lock(path: string): Promise<Claim | { heldBy: string }> {
  const server = await listen(path);
  if (server) return claimOf(server);
  const owner = await ask(path);
  if (owner !== undefined) return { heldBy: owner };
  rmSync(path, { force: true });
  const second = await listen(path);
  return second ? claimOf(second) : { heldBy: 'another process' };
}

function claimOf(server: Server): Claim {
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** null when something is there already. */
function listen(path: string): Promise<Server | null> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`process ${process.pid}`);
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen(path, () => resolve(server));
  });
}

/** What the owner says; undefined when nobody listens any more. */
function ask(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path).setEncoding('utf8').setTimeout(1000);
    let connected = false;
    let answer = '';
    socket.on('connect', () => {
      connected = true;
    });
    socket.on('data', (text) => {
      answer += text;
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve(connected ? answer || 'another process' : undefined));
  });
}
