import type { Locale } from './locale.ts';

/** What every page is told. Strings in view models are shown as text, whatever they hold. */
export interface PageModel {
  readonly locale: Locale;
}

/** A client as people see it (RFC 7591 §2). Links that are not http(s) are left out of the page. */
export interface ClientModel {
  readonly clientName: string;
  /** What it is for, in its own words. */
  readonly clientDescription?: string | null;
  /** An https URL, a path on this server, or a `data:image/…` URL; others are left out. */
  readonly clientLogoUri?: string | null;
  readonly clientUri?: string | null;
  readonly policyUri?: string | null;
  readonly tosUri?: string | null;
}

/** What a page needs whose form ends in a redirect back to the client. */
export interface FormModel {
  /** Where the form is posted: a path on this server, or a URL at the issuer. */
  readonly action: string;
  /** Posted as `csrf`. */
  readonly csrf: string;
  /** Made with `redirectOriginOf` from the validated redirect_uri. */
  readonly redirectOrigin?: string | null;
}

export interface SignInError {
  /** The field at fault; without it the message speaks of the whole attempt. */
  readonly field?: 'username' | 'password';
  /** In the page's language, say from `Pages.text('signIn.error.…')`. */
  readonly message: string;
}

/** Posts `username`, `password`, `csrf`, and `_action` = `sign-in`. */
export interface SignInModel extends PageModel, ClientModel, FormModel {
  /** Posted `_action` = `cancel` and `csrf`. */
  readonly cancelAction: string;
  /** Where one without an account makes one; null where nobody may. */
  readonly registerPath?: string | null;
  /** What was typed before, or login_hint (OpenID Connect Core §3.1.2.1). */
  readonly username?: string;
  readonly error?: SignInError | null;
}

export type RegisterField = 'username' | 'password' | 'repeated' | 'email';

/** Posts the fields, `csrf`, and `_action` = `register`. */
export interface RegisterModel extends PageModel, ClientModel, FormModel {
  /** Where one who has an account signs in. */
  readonly signInPath: string;
  readonly username?: string;
  readonly email?: string;
  readonly error?: { readonly field?: RegisterField; readonly message: string } | null;
}

/** Posts `csrf` and `_action` = `continue`. */
export interface SelectAccountModel extends PageModel, ClientModel, FormModel {
  /** The signed-in person, as they know themselves. */
  readonly account: string;
  /** Where one signs in with another account. */
  readonly signInPath: string;
}

export interface ConsentScope {
  readonly name: string;
  readonly displayName: string;
  readonly description?: string | null;
  /** Comes with the consent, whatever is ticked. */
  readonly required: boolean;
}

/** The scopes of one API. */
export interface ConsentResource {
  readonly displayName: string;
  readonly scopes: readonly ConsentScope[];
}

/** One of the authorization details (RFC 9396): what exactly is to be allowed, this once. */
export interface ConsentDetail {
  /** What the box posts as `detail`. */
  readonly id: string;
  /** What details of its type are called. */
  readonly displayName: string;
  /** The API at which it counts. */
  readonly resource: string;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
}

/**
 * Posts `csrf`, `_action` = `allow` or `deny`, one `detail` for each of the details left ticked, and one `scope` for each optional scope left ticked.
 * Required scopes are not posted.
 */
export interface ConsentModel extends PageModel, ClientModel, FormModel {
  /** The signed-in person, as they know themselves. */
  readonly account: string;
  /** Scopes of the person's own account, such as `profile`. */
  readonly scopes: readonly ConsentScope[];
  readonly resources: readonly ConsentResource[];
  readonly details: readonly ConsentDetail[];
  /** Access goes on while the person is away (offline_access, OpenID Connect Core §11). */
  readonly offline: boolean;
}

/** Posts oidc-provider's own form, with `logout` = `yes` when the person says so. */
export interface SignOutModel extends PageModel {
  /** HTML, used as it is: the form that oidc-provider hands to logoutSource, id `op.logoutForm`. */
  readonly form: string;
  readonly clientName?: string | null;
  /** Made with `redirectOriginOf` from the validated post_logout_redirect_uri. */
  readonly redirectOrigin?: string | null;
}

export interface SignedOutModel extends PageModel {
  readonly clientName?: string | null;
  readonly clientUri?: string | null;
  /** Pages of clients by which they end their part of the session (Front-Channel Logout §3). */
  readonly frames?: readonly string[];
  /** Where the browser goes once those had time to load: a validated post_logout_redirect_uri. */
  readonly continueTo?: string | null;
}

/** Posts `user_code` and `xsrf` (RFC 8628 §3.3). */
export interface DeviceCodeModel extends PageModel {
  readonly action: string;
  /** Posted as `xsrf`. */
  readonly csrf: string;
  /** What was typed before, or what a link brought along (RFC 8628 §3.3.1). */
  readonly userCode?: string;
  /** In the page's language. */
  readonly error?: string | null;
}

/** Posts `user_code`, `xsrf`, and `confirm` or `abort` = `yes`. */
export interface DeviceConfirmModel extends PageModel, ClientModel {
  readonly action: string;
  /** Posted as `xsrf`. */
  readonly csrf: string;
  /** As the device shows it. */
  readonly userCode: string;
  readonly scopes: readonly Pick<ConsentScope, 'displayName' | 'description'>[];
}

export interface DeviceDoneModel extends PageModel {
  /** Whether the device gets what it asked for. */
  readonly approved: boolean;
  readonly clientName?: string | null;
}

/** What a client waits for. */
export interface WaitingRequest {
  readonly id: string;
  readonly clientName: string;
  /** What the client shows as well (OpenID Connect CIBA §7.1). */
  readonly bindingMessage: string | null;
  readonly scopes: readonly Pick<ConsentScope, 'displayName' | 'description'>[];
  readonly details: readonly Omit<ConsentDetail, 'id'>[];
}

/** Posts `csrf`, and `approve` or `deny` = the id of a request. */
export interface RequestsModel extends PageModel {
  readonly action: string;
  readonly csrf: string;
  /** The signed-in person, as they know themselves. */
  readonly account: string;
  readonly requests: readonly WaitingRequest[];
  /** What became of the one they have just decided. */
  readonly outcome: 'approved' | 'denied' | 'gone' | null;
}

/** What a person allows one application. */
export interface AllowedApplication {
  readonly clientId: string;
  readonly clientName: string;
  /** A date, in the page's language. */
  readonly since: string;
  readonly scopes: readonly Pick<ConsentScope, 'displayName' | 'description'>[];
}

/** Posts `csrf`, and `withdraw` = the client_id of the application that shall have no access any more. */
export interface ApplicationsModel extends PageModel {
  readonly action: string;
  readonly csrf: string;
  /** The signed-in person, as they know themselves. */
  readonly account: string;
  readonly applications: readonly AllowedApplication[];
}

export interface ErrorModel extends PageModel {
  /** HTTP status. */
  readonly status: number;
  /** An OAuth error code; those known get a sentence a person can act on. */
  readonly error: string;
  /** For whoever looks into it, such as error_description; never a secret. */
  readonly message?: string | null;
  readonly requestId?: string | null;
  /** In the page's language; a general one by default. */
  readonly title?: string;
}

export interface HomeModel extends PageModel {
  readonly issuer: string;
  /** URL of the admin console, when people here may know it. */
  readonly adminConsole?: string | null;
}
