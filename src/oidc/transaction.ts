import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { DomainError } from '../domain/errors.ts';
import { session } from '../domain/session.ts';
import type { StateChange } from '../eventstore/event-store.ts';
import { type Act, act, type Execute } from '../eventstore/execute.ts';
import { keyFrom, openWith, type Secrets, sealWith } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import type { ProtocolReads } from '../projections/protocol-reads.ts';
import { instantIn } from './adapter/model-adapter.ts';
import { envelopeOf } from './envelope.ts';
import {
  AWAY,
  isAway,
  type OAuthError,
  oauthError,
  replaceResponse,
  withdrawResponse,
} from './errors.ts';
import { negotiateLocale } from './pages/locale.ts';
import { type Pages, send } from './pages/pages.ts';
import { UnitOfWork, withUnitOfWork } from './unit-of-work.ts';

export interface TransactionContext {
  readonly execute: Execute;
  readonly reads: ProtocolReads;
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  /** Seconds. */
  readonly refreshTokenLeeway: number;
  readonly pages: Pages;
}

/** The answer to a rotation, kept for the leeway: readable only with the token that was rotated. */
const ANSWER = 'RotationAnswer';

/**
 * One HTTP request is one commit: what the protocol engine wished while it built the response is
 * written here, before a byte of it is sent. A commit that is refused replaces the response; a
 * response that is a server error commits nothing.
 */
export function transaction(context: TransactionContext): Middleware {
  return async (ctx, next) => {
    const unit = new UnitOfWork();
    await withUnitOfWork(unit, next).catch((error) => {
      if (!isAway(error)) throw error;
      ctx.state.failure = error;
    });
    if (isAway(ctx.state.failure)) return refuse(context, ctx, AWAY);
    if (ctx.status >= 500) return;
    try {
      await commit(context, ctx, unit);
    } catch (error) {
      const answer = await rotationAnswer(context, unit, error);
      const page = error instanceof DomainError ? unit.whenRefused?.(error) : undefined;
      if (answer) {
        ctx.status = 200;
        ctx.body = answer;
      } else if (page) {
        withdrawResponse(ctx);
        send(ctx, page);
      } else {
        refuse(context, ctx, oauthError(error, ctx.get('DPoP') !== ''));
      }
    }
  };
}

/** What cannot be done at the moment is told on a page where a browser asks; all else is for clients. */
function refuse({ pages }: TransactionContext, ctx: Context, answer: OAuthError): void {
  replaceResponse(ctx, answer);
  if (answer.status !== 503 || ctx.accepts('json', 'html') !== 'html') return;
  const { status, error, error_description: message } = answer;
  const locale = negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
  send(ctx, pages.error({ locale, status, error, message, requestId: ctx.state.requestId }));
}

async function commit(context: TransactionContext, ctx: Context, unit: UnitOfWork): Promise<void> {
  const signedOut = (ctx as KoaContextWithOIDC).oidc?.route === 'end_session_confirm';
  const reason = signedOut ? 'signed_out' : 'replaced';
  const ended = [...unit.droppedSessions].map(
    (uid): Act => act(session, uid, [{ type: 'EndSession', data: { reason } }]),
  );
  const acts = merged([...unit.acts(), ...ended]);
  const state = [...unit.state(), ...keptAnswer(context, ctx, unit)];
  if (acts.length === 0 && state.length === 0) return;
  await context.execute(acts, await envelopeOf(context, ctx, unit), state);
}

/** A session that ended takes no more wishes: its end is the last of them. */
function merged(acts: readonly Act[]): Act[] {
  return [...new Map(acts.map((each) => [each.stream, each])).values()];
}

function keptAnswer(
  { refreshTokenLeeway }: TransactionContext,
  ctx: Context,
  { rotation }: UnitOfWork,
): StateChange[] {
  if (!rotation?.successor || ctx.status !== 200) return [];
  const sealed = sealWith(keyFrom(rotation.value, ANSWER), ANSWER, JSON.stringify(ctx.body));
  return [
    {
      op: 'put',
      model: ANSWER,
      id: rotation.successor,
      lookup: null,
      payload: sealed,
      expiresAt: instantIn(refreshTokenLeeway + 1),
    },
  ];
}

/** The answer that the same rotation was given a moment ago; undefined when there was none. */
async function rotationAnswer(
  { reads }: TransactionContext,
  { rotation }: UnitOfWork,
  error: unknown,
): Promise<object | undefined> {
  if (!rotation || !(error instanceof DomainError) || error.code !== 'refresh_token_rotated') {
    return undefined;
  }
  const successor = error.detail.successor;
  const entry = typeof successor === 'string' ? await reads.entry(ANSWER, successor) : undefined;
  if (!entry?.payload) return undefined;
  return JSON.parse(openWith(keyFrom(rotation.value, ANSWER), ANSWER, entry.payload));
}
