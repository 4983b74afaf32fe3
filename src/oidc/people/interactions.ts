import type { Context, Middleware } from 'koa';
import type Provider from 'oidc-provider';
import { errors, type Interaction } from 'oidc-provider';
import { type Allowance, consent } from '../../domain/consent.ts';
import { equals } from '../../platform/secrets.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import { agreedDetails, presentedDetails } from '../authorization-details.ts';
import { clientTexts } from '../clients/client-texts.ts';
import { allow, isOver } from '../grant-loader.ts';
import { redirectOriginOf } from '../pages/csp.ts';
import { type Locale, negotiateLocale } from '../pages/locale.ts';
import type { ClientModel, ConsentResource, ConsentScope, FormModel } from '../pages/models.ts';
import { type Page, type Pages, send } from '../pages/pages.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { accountName } from './account.ts';
import { PASSWORD_ACR } from './acr.ts';
import { type CredentialContext, checkCredentials } from './credentials.ts';
import { readForm } from './form.ts';
import { scopeTexts } from './scope-texts.ts';
import {
  type RegistrationProblem,
  registerPerson,
  type SelfRegistrationContext,
  TAKEN,
} from './self-registration.ts';

export interface InteractionContext extends CredentialContext, SelfRegistrationContext {
  readonly provider: Provider;
  readonly catalogue: Catalogue;
  readonly pages: Pages;
  /** Whether people may register themselves. */
  readonly selfRegistration: boolean;
}

/** The path of an interaction's page; its cookie is sent there and below only. */
export const interactionPath = (uid: string) => `/interaction/${uid}`;
const PATH = /^\/interaction\/([\w-]{20,64})(?:\/(sign-in|register))?$/;

type View = 'select-account' | 'sign-in' | 'register' | 'consent';

/** Scopes that come with any consent: without them the answer would not be OpenID Connect. */
const INDISPENSABLE = ['openid'];

/** The pages on which a person signs in and consents. Works without JavaScript: GET shows, POST acts. */
export function interactions(context: InteractionContext): Middleware {
  return async (ctx, next) => {
    const [, uid, wanted] = PATH.exec(ctx.path) ?? [];
    if (!uid) return next();
    try {
      await interact(context, ctx, uid, wanted as 'sign-in' | 'register' | undefined);
    } catch (error) {
      showError(context, ctx, error);
    }
  };
}

async function interact(
  context: InteractionContext,
  ctx: Context,
  uid: string,
  wanted: 'sign-in' | 'register' | undefined,
): Promise<void> {
  const details = await context.provider.interactionDetails(ctx.req, ctx.res);
  if (details.uid !== uid) throw new errors.SessionNotFound('this is the page of another sign-in');
  const view = viewOf(details, wanted);
  if (wanted && view !== wanted) ctx.throw(404, 'there is nothing to do here');
  if (view === 'register' && !context.selfRegistration) ctx.throw(404, 'nobody registers here');
  const page = await interactionPage(context, ctx, details);

  if (ctx.method === 'GET' || ctx.method === 'HEAD') {
    await page.show[view]();
  } else if (ctx.method === 'POST') {
    const form = await readForm(ctx);
    if (!equals(form.get('csrf') ?? '', page.csrf))
      ctx.throw(403, 'the form is not from this page');
    const action = form.get('_action');
    if (action === 'cancel' || action === 'deny') {
      await page.finish({
        error: 'access_denied',
        error_description: 'End-User aborted interaction',
      });
    } else await page.act[view](form);
  } else {
    ctx.set('Allow', 'GET, HEAD, POST');
    ctx.throw(405);
  }
}

/** What to show: where it is about who somebody is, they may choose between signing in and registering. */
function viewOf({ prompt, session }: Interaction, wanted?: 'sign-in' | 'register'): View {
  if (prompt.name === 'consent') return 'consent';
  if (wanted) return wanted;
  if (prompt.name === 'create') return 'register';
  return prompt.name === 'select_account' && session?.accountId ? 'select-account' : 'sign-in';
}

/** @throws what is no mistake of the caller's */
function showError({ pages }: InteractionContext, ctx: Context, thrown: unknown): void {
  const { status = 500, expose, message } = thrown as Error & { status?: number; expose?: boolean };
  if (!expose || status >= 500) throw thrown;
  const error = thrown instanceof errors.SessionNotFound ? 'session_not_found' : 'invalid_request';
  const locale = negotiateLocale({ acceptLanguage: ctx.get('Accept-Language') });
  const requestId = ctx.state.requestId as string;
  send(ctx, pages.error({ locale, status, error, message, requestId }));
}

async function interactionPage(context: InteractionContext, ctx: Context, details: Interaction) {
  const { provider, reads, catalogue, secrets, subjectKeys, pages } = context;
  const params = details.params as Record<string, string | undefined>;
  const client = await reads.client(params.client_id ?? '');
  if (!client) ctx.throw(400, 'the client is gone');
  const csrf = secrets.keyedDigest('csrf', details.uid);
  const signInPath = `${interactionPath(details.uid)}/sign-in`;
  const locale = negotiateLocale({
    uiLocales: params.ui_locales,
    acceptLanguage: ctx.get('Accept-Language'),
  });
  const shared: FormModel & ClientModel & { locale: Locale } = {
    action: ctx.path,
    csrf,
    locale,
    redirectOrigin: params.redirect_uri ? redirectOriginOf(params.redirect_uri) : null,
    ...(await clientTexts(reads, locale, client)),
  };

  async function finish(result: Parameters<Provider['interactionResult']>[2]): Promise<void> {
    const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, {
      mergeWithLastSubmission: !('error' in result),
    });
    ctx.status = 303;
    ctx.redirect(returnTo);
  }

  /** Whoever proves who they are has chosen an account, and has no need of a new one. */
  function finishAs(accountId: string): Promise<void> {
    const login = { accountId, amr: ['pwd'], acr: PASSWORD_ACR };
    return finish({ login, select_account: {}, create: {} });
  }

  async function showAccount(): Promise<void> {
    const account = await accountName(reads, subjectKeys, details.session?.accountId ?? '');
    send(ctx, pages.selectAccount({ ...shared, account, signInPath }));
  }

  function registerPage(form?: URLSearchParams, problem?: RegistrationProblem): Page {
    return pages.register({
      ...shared,
      signInPath,
      username: form?.get('username') ?? params.login_hint,
      email: form?.get('email') ?? undefined,
      error: problem && { field: problem.field, message: pages.text(locale, problem.text) },
    });
  }

  async function register(form: URLSearchParams): Promise<void> {
    const registered = await registerPerson(context, form, ctx.ip);
    if ('problem' in registered) return send(ctx, registerPage(form, registered.problem));
    // Somebody else may have been quicker with this name by a moment.
    currentUnitOfWork().whenRefused = ({ code }) =>
      code === 'already_exists' ? registerPage(form, TAKEN) : undefined;
    await finishAs(registered.sub);
  }

  function showSignIn(username = params.login_hint, error?: string): void {
    const message = error && pages.text(locale, error);
    send(
      ctx,
      pages.signIn({
        ...shared,
        cancelAction: shared.action,
        registerPath: context.selfRegistration ? `${interactionPath(details.uid)}/register` : null,
        username,
        error: message ? { message } : null,
      }),
    );
  }

  async function signIn(form: URLSearchParams): Promise<void> {
    const username = form.get('username') ?? '';
    const checked = await checkCredentials(context, username, form.get('password') ?? '', ctx.ip);
    if ('refused' in checked) {
      const limited = checked.refused === 'rate_limited';
      const text = limited ? 'signIn.error.tooManyAttempts' : 'signIn.error.invalidCredentials';
      return showSignIn(username, text);
    }
    await finishAs(checked.sub);
  }

  async function showConsent(): Promise<void> {
    const { scopes, resources } = askedFor();
    const offline = scopes.some(({ name }) => name === 'offline_access');
    send(
      ctx,
      pages.consent({
        ...shared,
        account: await accountName(reads, subjectKeys, details.session?.accountId ?? ''),
        scopes: scopes.filter(({ name }) => name !== 'offline_access'),
        resources,
        details: presentedDetails(catalogue, details.params),
        offline,
      }),
    );
  }

  async function allowed(form: URLSearchParams): Promise<void> {
    const sub = details.session?.accountId;
    if (!sub) ctx.throw(400, 'nobody is signed in');
    const missing = missingFrom(details, catalogue);
    const chosen = new Set(form.getAll('scope'));
    const agreed = (scope: string) =>
      INDISPENSABLE.includes(scope) || scope === 'offline_access' || chosen.has(scope);
    const agreedClaim = (claim: string) => {
      const scope = scopeOf(claim, missing.scopes, catalogue);
      return scope ? agreed(scope) : chosen.has(claimChoice(claim));
    };
    const given = {
      scopes: missing.scopes.filter(agreed),
      claims: missing.claims.filter(agreedClaim),
      resources: filterValues(missing.resources, agreed),
    };

    const unit = currentUnitOfWork();
    unit.subject = sub;
    unit.sessionUid = details.session?.uid;
    unit.grantBasis = 'consent';
    const grant =
      (await grantWithoutRefusals(details.grantId)) ??
      new provider.Grant({ accountId: sub, clientId: client?.client_id });
    allow(grant, given);
    const declined = missing.scopes.filter((scope) => !agreed(scope));
    if (declined.length > 0) grant.rejectOIDCScope(declined.join(' '));
    const withheld = missing.claims.filter((claim) => !agreedClaim(claim));
    if (withheld.length > 0) grant.rejectOIDCClaims(withheld);
    for (const [resource, scopes] of Object.entries(missing.resources)) {
      const refused = scopes.filter((scope) => !agreed(scope));
      if (refused.length > 0) grant.rejectResourceScope(resource, refused.join(' '));
    }
    const grantId = await grant.save();
    const consentId = `${sub}.${params.client_id}`;
    const over = isOver(await reads.consent(consentId), client?.consent_lifetime ?? null);
    const terms = { sub, clientId: client?.client_id ?? '', ...given };
    unit.wish(
      consent,
      consentId,
      over
        ? { type: 'RenewConsent', data: { ...terms, at: new Date().toISOString() } }
        : { type: 'GrantConsent', data: terms },
    );
    await finish({ consent: { grantId, ...agreedDetails(details.params, form) } });
  }

  /** What was declined once stays declined under a grant: who decides anew begins with a new one. */
  async function grantWithoutRefusals(grantId: string | undefined) {
    const row = grantId ? await reads.grant(grantId) : undefined;
    if (!row) return undefined;
    const { scopes, claims, resources } = row.declined;
    if ([scopes, claims, Object.keys(resources)].some(({ length }) => length > 0)) return undefined;
    return provider.Grant.find(row.grant_id);
  }

  function askedFor(): { scopes: ConsentScope[]; resources: ConsentResource[] } {
    const missing = missingFrom(details, catalogue);
    const described = (name: string): ConsentScope => ({
      name,
      ...scopeTexts(catalogue, locale, name),
      required: INDISPENSABLE.includes(name),
    });
    const claims = missing.claims
      .filter((claim) => !scopeOf(claim, missing.scopes, catalogue))
      .map((claim): ConsentScope => {
        const scope = scopeOf(claim, [...catalogue.scopes.keys()], catalogue);
        const text = scope ? `${described(scope).displayName}: ${claim}` : claim;
        return { name: claimChoice(claim), displayName: text, required: false };
      });
    return {
      scopes: [...missing.scopes.map(described), ...claims],
      resources: Object.entries(missing.resources).map(([identifier, scopes]) => ({
        displayName: catalogue.resources.get(identifier)?.display_name ?? identifier,
        scopes: scopes.map(described),
      })),
    };
  }

  return {
    csrf,
    finish,
    show: {
      'select-account': showAccount,
      'sign-in': async () => showSignIn(),
      register: async () => send(ctx, registerPage()),
      consent: showConsent,
    } satisfies Record<View, () => Promise<void>>,
    act: {
      'select-account': () => finish({ select_account: {} }),
      'sign-in': signIn,
      register,
      consent: allowed,
    } satisfies Record<View, (form: URLSearchParams) => Promise<void>>,
  };
}

/** What the consent prompt found not granted yet; all that is asked for when it was requested anew. */
function missingFrom({ prompt, params }: Interaction, catalogue: Catalogue): Allowance {
  const details = prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  const { missingOIDCScope, missingOIDCClaims: claims = [], missingResourceScopes } = details;
  if (missingOIDCScope || claims.length > 0 || missingResourceScopes) {
    return { scopes: missingOIDCScope ?? [], claims, resources: missingResourceScopes ?? {} };
  }
  const scopes: string[] = [];
  const resources: Record<string, string[]> = {};
  const indicated = [params.resource ?? []].flat() as string[];
  for (const name of String(params.scope ?? '')
    .split(' ')
    .filter(Boolean)) {
    const on = catalogue.scopes.get(name)?.resources ?? [];
    if (on.length === 0) scopes.push(name);
    for (const resource of on.filter((each) => indicated.includes(each))) {
      resources[resource] = [...(resources[resource] ?? []), name];
    }
  }
  return { scopes, claims, resources };
}

/** The scope among these that a claim comes with. */
function scopeOf(
  claim: string,
  among: readonly string[],
  { scopes }: Catalogue,
): string | undefined {
  return among.find((name) => scopes.get(name)?.claims.includes(claim));
}

/** What the box of a single claim posts: never the name of a scope, which has no space. */
const claimChoice = (claim: string) => `claim ${claim}`;

function filterValues(
  lists: Readonly<Record<string, readonly string[]>>,
  keep: (value: string) => boolean,
): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(lists).map(([key, values]) => [key, values.filter(keep)]),
  );
}
