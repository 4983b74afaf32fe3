import type { RequestListener } from 'node:http';
import type { Middleware } from 'koa';

/** Why the server should not be asked; and what an operator should know although it may be. */
export interface Readiness {
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
}

/** Liveness: the process answers. Readiness: it can do what it is there for, or says why not. */
export function health(readiness: () => Promise<Readiness>): Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/health/live') ctx.body = { status: 'live' };
    else if (ctx.path === '/health/ready') {
      const { reasons, notes } = await readiness();
      const ready = reasons.length === 0;
      ctx.status = ready ? 200 : 503;
      ctx.body = {
        status: ready ? 'ready' : 'not ready',
        ...(ready ? {} : { reasons }),
        ...(notes.length > 0 ? { notes } : {}),
      };
    } else await next();
  };
}

/** What is answered, whatever is asked, by a server that is alive and cannot serve yet. */
export function startingHealth(reasons: () => readonly string[]): RequestListener {
  return ({ url }, response) => {
    const live = url === '/health/live';
    response.writeHead(live ? 200 : 503, { 'content-type': 'application/json; charset=utf-8' });
    response.end(
      JSON.stringify(live ? { status: 'live' } : { status: 'not ready', reasons: reasons() }),
    );
  };
}
