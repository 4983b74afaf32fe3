import type Koa from 'koa';
import { digest } from '../platform/secrets.ts';
import { readAdminToken } from '../projections/admin-token.ts';
import type { Dependencies } from './context.ts';
import { HttpError } from './http.ts';
import { bearerToken, challenge, type Principal, principalOf } from './principal.ts';

/** @throws HttpError, with a WWW-Authenticate header, for whoever has no business here */
export async function authenticated(
  ctx: Koa.Context,
  { pool, issuer }: Pick<Dependencies, 'pool' | 'issuer'>,
): Promise<Principal> {
  const token = bearerToken(ctx.get('Authorization'));
  const judged =
    typeof token === 'string'
      ? principalOf(await readAdminToken(pool, digest(token)), new Date().toISOString())
      : token;
  if ('actor' in judged) return judged;
  ctx.set('WWW-Authenticate', challenge(issuer, judged));
  const status = judged.error === 'invalid_request' ? 400 : 401;
  const message = judged.description ?? 'an access token is required';
  throw new HttpError(status, 'UNAUTHENTICATED', message);
}

/** Where a request comes from, as its events will tell. */
export function sourceOf(ctx: Koa.Context): { address: string; userAgent: string } {
  return { address: ctx.ip, userAgent: ctx.get('User-Agent').slice(0, 500) };
}
