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
