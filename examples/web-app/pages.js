import { createHash } from 'node:crypto';

/** Markup that needs no more escaping. */
class Html {
  constructor(text) {
    this.text = text;
  }
}

/** Joins markup and values; every value is escaped unless it is markup itself. */
function html(parts, ...values) {
  const text = parts.map((part, nth) => part + (nth < values.length ? markup(values[nth]) : ''));
  return new Html(text.join(''));
}

function markup(value) {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(markup).join('');
  return String(value ?? '').replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function page(title, body) {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title} · Muniment demo</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/style.css">
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      ${body}
    </main>
  </body>
</html>
`.text;
}

export function homePage({ issuer }) {
  return page(
    'Demo application',
    html`<p>An ordinary web application. It does not know who you are, and lets
        <b>${issuer}</b> tell it.</p>
      <p><a class="button" href="/sign-in">Sign in</a></p>
      <p class="note">The user name is <code>admin</code>; Muniment printed the password when it
        started for the first time.</p>`,
  );
}

export function signedInPage({ user, userinfo }) {
  const { claims, tokens } = user;
  return page(
    userinfo?.name ? `Hello, ${userinfo.name}` : 'You are signed in',
    html`<p>This is what the application was told.</p>
      <div class="actions">
        ${action('/userinfo', 'Call userinfo')}
        ${tokens.refresh_token ? action('/refresh', 'Refresh the tokens') : ''}
        ${action('/sign-out', 'Sign out')}
      </div>
      <section id="claims"><h2>Claims of the ID token</h2>${list(claims)}</section>
      ${userinfo ? html`<section id="userinfo"><h2>Answer of userinfo</h2>${list(userinfo)}</section>` : ''}
      <section id="tokens"><h2>Tokens</h2>
        <p class="note">Obtained ${time(user.obtainedAt)}; refreshed ${times(user.refreshes)}. The
          values stay in this application. All that Muniment keeps of the first two is the
          SHA-256.</p>
        ${list({
          'Access token': fingerprint(tokens.access_token),
          'Refresh token': fingerprint(tokens.refresh_token),
          'ID token': `a JWT of ${tokens.id_token.length} characters`,
          Scopes: tokens.scope,
          'Access ends': time(user.expiresAt),
        })}
      </section>`,
  );
}

export function errorPage({ title, message }) {
  return page(
    title,
    html`<p role="alert">${message}</p>
      <p><a class="button" href="/">Back to the start</a></p>`,
  );
}

function action(path, label) {
  return html`<form method="post" action="${path}"><button>${label}</button></form>`;
}

function list(entries) {
  const rows = Object.entries(entries).map(
    ([name, value]) => html`<dt>${name}</dt><dd>${shown(value)}</dd>`,
  );
  return html`<dl>${rows}</dl>`;
}

function shown(value) {
  return value instanceof Html || typeof value === 'string' ? value : JSON.stringify(value);
}

/** What can be said about a token without giving it away. */
function fingerprint(token) {
  if (!token) return 'none';
  const kind = token.split('.').length === 3 ? 'a JWT' : 'a reference';
  const digest = createHash('sha256').update(token).digest('hex');
  return html`${kind} of ${token.length} characters, SHA-256 <code>${digest.slice(0, 16)}…</code>`;
}

function time(date) {
  return html`<time datetime="${date.toISOString()}">${date.toTimeString().slice(0, 8)}</time>`;
}

function times(count) {
  return count === 1 ? 'once' : `${count} times`;
}
