import type Koa from 'koa';
import type pg from 'pg';

/** Liveness, and readiness: whether the log and the read models can be reached. */
export function health(pool: pg.Pool): Koa.Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/health/live') ctx.body = { status: 'live' };
    else if (ctx.path === '/health/ready') {
      try {
        await pool.query('select 1');
        ctx.body = { status: 'ready' };
      } catch {
        ctx.status = 503;
        ctx.body = { status: 'not ready', reasons: ['Postgres does not answer'] };
      }
    } else await next();
  };
}
