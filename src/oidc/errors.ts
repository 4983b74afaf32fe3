import type { Context } from 'koa';
import { DomainError } from '../domain/errors.ts';
import { LogUnavailable } from '../eventstore/event-store.ts';
import { RETRY_AFTER } from '../platform/http.ts';
import { isTransient } from '../platform/postgres.ts';
import { USER_CODE } from './adapter/device-code.ts';
import { POLL } from './adapter/polling.ts';
import { PUSHED_REQUEST_USE } from './adapter/pushed-requests.ts';
import { ASSERTION_USE } from './grants/jwt-bearer.ts';
import { EXCHANGE_USE } from './grants/token-exchange.ts';

/** An OAuth error response (RFC 6749 §5.2) with its HTTP status. */
export interface OAuthError {
  readonly status: number;
  readonly error: string;
  readonly error_description: string;
}

/** What a client is told while the database cannot be asked. */
export const AWAY: OAuthError = unavailable('the database is away; try again');

/** Whether this went wrong because the log or the database could not be asked. */
export function isAway(error: unknown): boolean {
  return error instanceof LogUnavailable || isTransient(error);
}

/** What a refused commit means to the client whose request it was. */
export function oauthError(error: unknown, usesDpop: boolean): OAuthError {
  if (error instanceof LogUnavailable) {
    return unavailable('the server cannot record this request at the moment');
  }
  if (!(error instanceof DomainError)) throw error;
  switch (error.code) {
    case 'already_used':
      if (error.detail.model === 'ReplayDetection') {
        return usesDpop
          ? {
              status: 400,
              error: 'invalid_dpop_proof',
              error_description: 'DPoP proof JWT was used before',
            }
          : {
              status: 401,
              error: 'invalid_client',
              error_description: 'client assertion was used before',
            };
      }
      if (error.detail.model === PUSHED_REQUEST_USE) {
        return invalid(
          'invalid_request_uri',
          'request_uri is invalid, expired, or was already used',
        );
      }
      if (error.detail.model === ASSERTION_USE) {
        return invalid('invalid_grant', 'the assertion was used before');
      }
      if (error.detail.model === EXCHANGE_USE) {
        return invalid('invalid_request', 'this client has exchanged the subject token before');
      }
      if (error.detail.model === POLL) {
        return invalid('slow_down', 'the client polls faster than it was told to');
      }
      if (error.detail.model === USER_CODE) return unavailable('try again for another user code');
      return invalid('invalid_request', error.message);
    case 'conflict':
    case 'unavailable':
      return unavailable(error.message);
    case 'code_replayed':
    case 'refresh_token_reused':
    case 'refresh_token_rotated':
    case 'grant_revoked':
    case 'not_found':
    case 'removed':
    case 'disabled':
      return invalid('invalid_grant', 'grant request is invalid');
    case 'already_exists':
    case 'invalid':
    case 'stale_version':
    case 'idempotency_key_mismatch':
      return invalid('invalid_request', error.message);
  }
}

/** Puts an error in the place of a response that was built but must not be sent. */
export function replaceResponse(ctx: Context, { status, ...body }: OAuthError): void {
  withdrawResponse(ctx);
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  if (status === 503) ctx.set('Retry-After', String(RETRY_AFTER));
  ctx.type = 'json';
  ctx.body = body;
}

/** Takes back what a response says that must not be sent. */
export function withdrawResponse(ctx: Context): void {
  for (const header of ['set-cookie', 'location', 'refresh', 'content-security-policy'])
    ctx.remove(header);
}

function invalid(error: string, error_description: string): OAuthError {
  return { status: 400, error, error_description };
}

function unavailable(error_description: string): OAuthError {
  return { status: 503, error: 'temporarily_unavailable', error_description };
}
