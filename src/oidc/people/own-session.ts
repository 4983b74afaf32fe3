import type { Context } from 'koa';
import type Provider from 'oidc-provider';
import type { Secrets } from '../../platform/secrets.ts';
import { instantOf } from '../adapter/model-adapter.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { PASSWORD_ACR } from './acr.ts';

/** Seconds: of a person's session, and of one that only holds what a form has to bring back. */
export const SESSION_LIFETIME = 14 * 24 * 60 * 60;
export const FORM_LIFETIME = 60 * 60;

export interface OwnSession {
  /** Who is signed in; undefined: nobody. */
  readonly sub: string | undefined;
  /** Posted by the forms of the page. */
  readonly csrf: string;
  readonly authentication: { authTime: string; acr: string | null; amr: readonly string[] };
  /** Gives the browser a cookie to which the form belongs, where it has none. */
  keep(): Promise<void>;
  /** Signs a person in by their password: at this server, and with that for every client. */
  signIn(sub: string): Promise<void>;
}

/** The session of whoever looks at a page that no client has sent them to. */
export async function ownSession(
  { provider, secrets }: { provider: Provider; secrets: Secrets },
  ctx: Context,
  page: string,
): Promise<OwnSession> {
  const session = await provider.Session.get(ctx);
  const { accountId: sub, acr, amr, loginTs } = session;
  if (sub) currentUnitOfWork().subject = sub;

  async function save(lifetime: number): Promise<void> {
    await session.save(lifetime);
    ctx.cookies.set(provider.cookieName('session'), session.jti, {
      signed: true,
      httpOnly: true,
      sameSite: 'lax',
      path: '/',
      expires: new Date(session.exp * 1000),
    });
  }

  return {
    sub,
    csrf: secrets.keyedDigest('csrf', `${page} ${session.uid}`),
    authentication: {
      authTime: instantOf(loginTs ?? 0),
      acr: acr ?? null,
      amr: amr ?? [],
    },
    keep: async () => {
      if (!session.exp) await save(FORM_LIFETIME);
    },
    async signIn(accountId) {
      // The value of the cookie was known before, perhaps to somebody else.
      session.resetIdentifier();
      session.loginAccount({ accountId, amr: ['pwd'], acr: PASSWORD_ACR });
      currentUnitOfWork().subject = accountId;
      await save(SESSION_LIFETIME);
    },
  };
}
