import { existsSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta/core';
import type Koa from 'koa';
import { contentSecurityPolicy, type PagePolicy, sourceOf } from './csp.ts';
import { escapeHtml, formTarget, imageSource, linkTarget, redirectTarget } from './html.ts';
import { type Catalogue, htmlOf, LOCALES, type Locale, textOf, type Values } from './locale.ts';
import type {
  ApplicationsModel,
  ClientModel,
  ConsentModel,
  DeviceCodeModel,
  DeviceConfirmModel,
  DeviceDoneModel,
  ErrorModel,
  HomeModel,
  PageModel,
  RegisterModel,
  RequestsModel,
  SelectAccountModel,
  SignedOutModel,
  SignInModel,
  SignOutModel,
} from './models.ts';

/** A page to be sent with {@link send}. */
export interface Page {
  readonly html: string;
  /** The Content-Security-Policy that belongs to it. */
  readonly csp: string;
  /** HTTP status; absent leaves the response's own. */
  readonly status?: number;
}

export interface PagesOptions {
  /**
   * A folder whose files take the place of those here: templates and `style.css` by name, single
   * messages by `locales/<locale>.json`. Templates are code: the folder is trusted like the program.
   */
  readonly overrides?: string;
  /** What people call this server. */
  readonly serverName?: string;
}

/** The hosted pages. Each works without script, and its policy allows none. */
export interface Pages {
  /** Status 422 when it shows an error. */
  signIn(model: SignInModel): Page;
  /** Status 422 when it shows an error. */
  register(model: RegisterModel): Page;
  selectAccount(model: SelectAccountModel): Page;
  consent(model: ConsentModel): Page;
  signOut(model: SignOutModel): Page;
  signedOut(model: SignedOutModel): Page;
  /** Status 422 when it shows an error. */
  deviceCode(model: DeviceCodeModel): Page;
  deviceConfirm(model: DeviceConfirmModel): Page;
  deviceDone(model: DeviceDoneModel): Page;
  requests(model: RequestsModel): Page;
  applications(model: ApplicationsModel): Page;
  /** Has the model's status. */
  error(model: ErrorModel): Page;
  home(model: HomeModel): Page;
  /**
   * A message of the catalogue as plain text, for view models.
   * @throws RangeError when there is no such message
   */
  text(locale: Locale, key: string, values?: Values): string;
}

const TEMPLATES = [
  'layout',
  'client',
  'client-links',
  'scopes',
  'detail',
  'seal',
  'sign-in',
  'register',
  'select-account',
  'consent',
  'sign-out',
  'signed-out',
  'device-code',
  'device-confirm',
  'device-done',
  'requests',
  'applications',
  'error',
  'home',
] as const;
type Template = (typeof TEMPLATES)[number];

/** The source folder, also when this module runs from dist/: the compiler copies no templates. */
const OWN_FILES = fileURLToPath(new URL('../../../src/oidc/pages/', import.meta.url));

/**
 * Reads and compiles all templates, so that a broken one is found at the start and rendering reads
 * no file.
 * @throws Error when `overrides` is no folder or a file in it cannot be used
 */
export function createPages(options: PagesOptions = {}): Pages {
  const { overrides, serverName = 'Muniment' } = options;
  if (overrides !== undefined && !statSync(overrides, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error(`the folder of overriding pages does not exist: ${overrides}`);
  }
  const eta = new Eta({ escapeFunction: escapeHtml });
  for (const name of TEMPLATES) eta.loadTemplate(`@${name}`, readFirst(`${name}.eta`, overrides));
  const style = readFirst('style.css', overrides);
  if (/<\/style/i.test(style)) throw new Error('style.css must not end its style element');
  const styleSource = sourceOf(style);
  const catalogues = readCatalogues(overrides);

  function render<Model extends PageModel>(
    template: Template,
    model: Model,
    policy: Omit<PagePolicy, 'style'>,
    status?: number,
  ): Page {
    const catalogue = catalogues[model.locale];
    const html = eta.render(`@${template}`, {
      ...model,
      template,
      serverName,
      style,
      text: (key: string, values?: Values) => textOf(catalogue, key, values),
      rich: (key: string, values?: Values) => htmlOf(catalogue, key, values),
    });
    return { html, csp: contentSecurityPolicy({ style: styleSource, ...policy }), status };
  }

  return {
    signIn(model) {
      const client = clientOf(model);
      return render(
        'sign-in',
        {
          ...model,
          ...client,
          action: formTarget(model.action),
          cancelAction: formTarget(model.cancelAction),
          registerPath: model.registerPath ? formTarget(model.registerPath) : null,
        },
        policyFor(client, model.redirectOrigin),
        model.error ? 422 : undefined,
      );
    },
    register(model) {
      const client = clientOf(model);
      return render(
        'register',
        {
          ...model,
          ...client,
          action: formTarget(model.action),
          signInPath: formTarget(model.signInPath),
        },
        policyFor(client, model.redirectOrigin),
        model.error ? 422 : undefined,
      );
    },
    selectAccount(model) {
      const client = clientOf(model);
      return render(
        'select-account',
        {
          ...model,
          ...client,
          action: formTarget(model.action),
          signInPath: formTarget(model.signInPath),
        },
        policyFor(client, model.redirectOrigin),
      );
    },
    consent(model) {
      const client = clientOf(model);
      return render(
        'consent',
        { ...model, ...client, action: formTarget(model.action) },
        policyFor(client, model.redirectOrigin),
      );
    },
    signOut: (model) =>
      render('sign-out', model, { forms: 'self', redirectOrigin: model.redirectOrigin }),
    signedOut: (model) =>
      render(
        'signed-out',
        {
          ...model,
          clientUri: linkTarget(model.clientUri),
          continueTo: redirectTarget(model.continueTo),
        },
        { forms: 'none', frames: model.frames },
      ),
    deviceCode: (model) =>
      render(
        'device-code',
        { ...model, action: formTarget(model.action) },
        { forms: 'self' },
        model.error ? 422 : undefined,
      ),
    deviceConfirm(model) {
      const client = clientOf(model);
      return render(
        'device-confirm',
        { ...model, ...client, action: formTarget(model.action) },
        policyFor(client, null),
      );
    },
    deviceDone: (model) => render('device-done', model, { forms: 'none' }),
    requests: (model) =>
      render('requests', { ...model, action: formTarget(model.action) }, { forms: 'self' }),
    applications: (model) =>
      render('applications', { ...model, action: formTarget(model.action) }, { forms: 'self' }),
    error(model) {
      const known = `error.code.${model.error}`;
      const explanation = Object.hasOwn(catalogues[model.locale], known)
        ? known
        : 'error.code.other';
      return render('error', { ...model, explanation }, { forms: 'none' }, model.status);
    },
    home: (model) =>
      render(
        'home',
        {
          ...model,
          discovery: linkTarget(`${model.issuer}/.well-known/openid-configuration`),
          adminConsole: linkTarget(model.adminConsole),
        },
        { forms: 'none' },
      ),
    text: (locale, key, values) => textOf(catalogues[locale], key, values),
  };
}

/** Answers with a page, under its own policy; nobody may frame, cache or learn the way to it. */
export function send(ctx: Koa.Context, page: Page): void {
  if (page.status !== undefined) ctx.status = page.status;
  ctx.set({
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': page.csp,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
  });
  ctx.body = page.html;
}

/** The client with only such links as a page may hold. */
function clientOf(model: ClientModel): Required<ClientModel> {
  return {
    clientName: model.clientName,
    clientDescription: model.clientDescription || null,
    clientLogoUri: imageSource(model.clientLogoUri),
    clientUri: linkTarget(model.clientUri),
    policyUri: linkTarget(model.policyUri),
    tosUri: linkTarget(model.tosUri),
  };
}

/** The policy of a page whose form may end at the client. */
function policyFor(client: ClientModel, redirectOrigin: string | null | undefined) {
  const remoteImages = client.clientLogoUri?.startsWith('https:');
  return { forms: 'self', redirectOrigin, remoteImages } as const;
}

function readFirst(name: string, overrides: string | undefined): string {
  const other = overrides === undefined ? undefined : resolve(overrides, name);
  return readFileSync(other && existsSync(other) ? other : resolve(OWN_FILES, name), 'utf8');
}

function readCatalogues(overrides: string | undefined): Readonly<Record<Locale, Catalogue>> {
  const read = (locale: Locale): Catalogue => ({
    ...JSON.parse(readFileSync(resolve(OWN_FILES, 'locales', `${locale}.json`), 'utf8')),
    ...JSON.parse(readFirst(`locales/${locale}.json`, overrides)),
  });
  return Object.fromEntries(LOCALES.map((locale) => [locale, read(locale)])) as Record<
    Locale,
    Catalogue
  >;
}
