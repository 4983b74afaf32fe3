import { describe, expect, test } from '@jest/globals';
import { HtmlValidate } from 'html-validate/node';
import { createPages } from '../../../src/oidc/pages/pages.ts';
import {
  consent,
  deviceCode,
  deviceConfirm,
  deviceDone,
  error,
  home,
  models,
  requests,
  signedOut,
  signIn,
  signOut,
  variants,
} from './samples.ts';

const pages = createPages();

describe.each(variants(pages))('%s', (_name, { html }) => {
  test('is valid HTML whose fields have labels', async () => {
    const report = await new HtmlValidate({
      root: true,
      extends: ['html-validate:standard', 'html-validate:a11y'],
      rules: { 'input-missing-label': 'error' },
    }).validateString(html);
    expect(report.results.flatMap(({ messages }) => messages)).toEqual([]);
  });

  test('has one h1, a language, a title, and no script', () => {
    expect(html.match(/<h1[ >]/g)).toHaveLength(1);
    expect(html).toMatch(/^<!doctype html>\s*<html lang="en" dir="ltr">/);
    expect(html).toMatch(/<title>.+ · Muniment<\/title>/);
    expect(html).not.toMatch(/<script|\son\w+=|\sstyle=/i);
  });

  test('loads nothing from elsewhere but the logo', () => {
    const loaded = [...html.matchAll(/(?<!<iframe)\ssrc="([^"]*)"|<link[^>]*href="([^"]{0,10})/g)];
    for (const [, source, link] of loaded) {
      expect(source ?? link).toMatch(/^(?:https:\/\/notes\.example\/logo\.png|data:image)/);
    }
    expect(html).not.toMatch(/@import|url\("?(?!"?data:)/);
  });
});

describe('what a page is told is text, whatever it holds', () => {
  const attack = `"'><script>alert(1)</script><!--{client}`;
  const escaped = '&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!--{client}';
  // Trusted HTML, values of a closed set, names of required scopes, which no page shows, and what is
  // refused rather than escaped.
  const others =
    /^(?:locale|outcome|form|action|cancelAction|signInPath|registerPath|redirectOrigin|adminConsole)$|Uri$|scopes\.0\.name$/;
  const attacks = Object.entries(models).flatMap(([name, model]) =>
    pathsOf({ ...model, ...(name === 'signIn' && { error: { message: '' } }) })
      .filter((path) => !others.test(path))
      .map((path): [string, string] => [name, path]),
  );

  test.each(attacks)('%s: %s', (name, path) => {
    const model: Record<string, unknown> = structuredClone({
      ...models[name as keyof typeof models],
    });
    put(model, path.split('.'), attack);
    const render = pages[name as keyof typeof models] as (model: object) => { html: string };
    const { html } = render(model);
    expect(html).toContain(escaped);
    expect(html).not.toContain('<script');
    expect(html).not.toContain('<!--');
  });

  test.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    attack,
  ])('%j is no link and no image', (uri) => {
    const links = { clientLogoUri: uri, clientUri: uri, policyUri: uri, tosUri: uri };
    const shown = [
      pages.signIn({ ...signIn, ...links }),
      pages.consent({ ...consent, ...links }),
      pages.deviceConfirm({ ...deviceConfirm, ...links }),
      pages.signedOut({ ...signedOut, clientUri: uri }),
      pages.home({ ...home, adminConsole: uri }),
      pages.home({ ...home, issuer: uri }),
    ];
    for (const { html } of shown) {
      expect(html).not.toMatch(/(?:href|src)="(?:javascript|vbscript|data:text)/);
      expect(html).not.toContain('<script');
      expect(html).not.toContain('<img');
    }
  });

  test('a quote in a web address cannot leave its attribute', () => {
    const uri = `https://notes.example/"onload="alert(1)`;
    const { html } = pages.signIn({ ...signIn, clientLogoUri: uri, clientUri: uri });
    expect(html).toContain('src="https://notes.example/%22onload=%22alert(1)"');
    expect(html).not.toContain('"onload');
  });

  test.each(['javascript:alert(1)', '//evil.example/', '/\\evil.example/', 'data:,x', ''])(
    'a form does not post to %j',
    (action) => {
      expect(() => pages.signIn({ ...signIn, action })).toThrow(TypeError);
      expect(() => pages.signIn({ ...signIn, cancelAction: action })).toThrow(TypeError);
      expect(() => pages.consent({ ...consent, action })).toThrow(TypeError);
      expect(() => pages.deviceCode({ ...deviceCode, action })).toThrow(TypeError);
      expect(() => pages.deviceConfirm({ ...deviceConfirm, action })).toThrow(TypeError);
      expect(() => pages.requests({ ...requests, action })).toThrow(TypeError);
    },
  );
});

describe('sign-in', () => {
  test('asks for what password managers know', () => {
    const { html, status } = pages.signIn(signIn);
    expect(inputOf(html, 'username')).toMatch(/autocomplete="username".* value="ada"/s);
    expect(inputOf(html, 'password')).toMatch(/type="password".* autocomplete="current-password"/s);
    expect(status).toBeUndefined();
  });

  test('posts to its actions, with the CSRF value', () => {
    const [main, cancel] = formsOf(pages.signIn(signIn).html);
    expect(main).toContain('<form id="sign-in" method="post" action="/interaction/i1/sign-in">');
    expect(main).toContain('<input type="hidden" name="csrf" value="csrf-value">');
    expect(main).toContain('name="_action" value="sign-in">Sign in</button>');
    expect(main).toContain('name="_action" value="cancel" form="cancel">Cancel</button>');
    expect(cancel).toContain('<form id="cancel" method="post" action="/interaction/i1/cancel">');
    expect(cancel).toContain('<input type="hidden" name="csrf" value="csrf-value">');
  });

  test('starts at the field to be filled', () => {
    expect(inputOf(pages.signIn(signIn).html, 'password')).toContain('autofocus');
    const { html } = pages.signIn({ ...signIn, username: undefined });
    expect(inputOf(html, 'username')).toContain('autofocus');
  });

  test('says what is wrong with a field, there and on top', () => {
    const { html, status } = pages.signIn({
      ...signIn,
      error: { field: 'password', message: 'Enter your password.' },
    });
    expect(html).toMatch(/<div class="alarm" id="error" role="alert" tabindex="-1" autofocus>/);
    expect(html).toContain('<a href="#password">Enter your password.</a>');
    expect(html).toContain('id="password-error">Enter your password.</p>');
    expect(inputOf(html, 'password')).toContain('aria-describedby="password-error"');
    expect(inputOf(html, 'password')).toContain('aria-invalid="true"');
    expect(inputOf(html, 'username')).not.toContain('aria-');
    expect(html.match(/autofocus/g)).toHaveLength(1);
    expect(status).toBe(422);
  });

  test('does not say which of the two is wrong', () => {
    const { html } = pages.signIn({ ...signIn, error: { message: 'Try again.' } });
    for (const field of ['username', 'password']) {
      expect(inputOf(html, field)).toContain('aria-invalid="true" aria-describedby="error"');
    }
    expect(inputOf(html, 'password')).not.toContain('value=');
  });
});

describe('consent', () => {
  const { html } = pages.consent(consent);

  test('lets optional scopes be left out, and required ones not', () => {
    const boxes = [...html.matchAll(/<input type="checkbox"[^>]*>/g)].map(([box]) => box);
    expect(boxes).toHaveLength(3);
    expect(boxes[0]).toMatch(/name="scope" value="email" checked/);
    expect(boxes[1]).toMatch(/name="scope" value="archive:write" checked/);
    expect(boxes[2]).toMatch(/name="detail" value="0" checked/);
    expect(html).toContain('<bdi>Who you are</bdi> <small>required</small>');
    expect(html).toContain('<bdi>Read</bdi> <small>required</small>');
  });

  test('groups the scopes of an API', () => {
    const [own, archive] = html.split('<fieldset>').slice(1);
    expect(own).toContain('<legend>About you</legend>');
    expect(own).not.toContain('archive:write');
    expect(archive).toContain('<legend>At <bdi>Archive</bdi></legend>');
    expect(archive).toContain('archive:write');
  });

  test('refuses when someone merely presses Enter', () => {
    const buttons = [...html.matchAll(/<button[^>]*value="(\w+)"/g)].map(([, value]) => value);
    expect(buttons).toEqual(['deny', 'allow']);
  });

  test('names who is signed in, where they return, and access while away', () => {
    expect(html).toContain('You are signed in as <bdi>ada@example.com</bdi>');
    expect(html).toContain('you return to <bdi>https://notes.example</bdi>');
    expect(html).toContain('while you are away');
    expect(pages.consent({ ...consent, offline: false }).html).not.toContain('while you are away');
  });
});

test('sign-out answers the form of the provider', () => {
  const { html } = pages.signOut(signOut);
  expect(html).toContain(signOut.form);
  expect(html).toContain('form="op.logoutForm" name="logout" value="yes">Sign out</button>');
  expect(html).toContain('form="op.logoutForm">Stay signed in</button>');
});

test('signed-out leads back to the client', () => {
  expect(pages.signedOut(signedOut).html).toContain(
    'href="https://notes.example/">Back to <bdi>Harbour Notes</bdi></a>',
  );
});

describe('a device', () => {
  test('has its code typed, or brought along by a link', () => {
    const { html, status } = pages.deviceCode({ ...deviceCode, error: null });
    expect(formsOf(html)[0]).toContain('name="xsrf" value="csrf-value"');
    expect(inputOf(html, 'user_code')).toContain('value="BCDF-GHJK"');
    expect(inputOf(html, 'user_code')).not.toContain('autofocus');
    expect(status).toBeUndefined();
    const { html: empty } = pages.deviceCode({ ...deviceCode, userCode: undefined, error: null });
    expect(inputOf(empty, 'user_code')).toContain('autofocus');
  });

  test('says what is wrong with a code', () => {
    const { html, status } = pages.deviceCode(deviceCode);
    expect(html).toContain('<a href="#user_code">There is no such code.</a>');
    expect(inputOf(html, 'user_code')).toContain('aria-invalid="true" aria-describedby="error"');
    expect(status).toBe(422);
  });

  test('is told apart by client, code and scopes; merely pressing Enter refuses it', () => {
    const { html } = pages.deviceConfirm(deviceConfirm);
    expect(html).toContain('<bdi>Harbour Notes</bdi> asks for access to your account.');
    expect(html).toContain('<strong class="user-code">BCDF-GHJK</strong>');
    expect(html).toContain('<bdi>Your e-mail address</bdi>');
    expect(html).toContain('Continue only if you have the device in front of you');
    const buttons = [...html.matchAll(/<button[^>]*name="(\w+)"/g)].map(([, name]) => name);
    expect(buttons).toEqual(['abort', 'confirm']);
  });

  test('is connected, or not', () => {
    expect(pages.deviceDone(deviceDone).html).toContain('Your device is connected</h1>');
    const { html } = pages.deviceDone({ ...deviceDone, approved: false });
    expect(html).toContain('Your device is not connected</h1>');
  });
});

describe('error', () => {
  test('explains known codes, and has the status', () => {
    const page = pages.error({ ...error, title: undefined });
    expect(page.status).toBe(400);
    expect(page.html).toContain('<h1>This did not work</h1>');
    expect(page.html).toContain('an address that is not registered for it');
    expect(page.html).toContain('<code>invalid_redirect_uri</code>');
    expect(page.html).toContain('redirect_uri did not match');
    expect(page.html).toContain('<code>request-1</code>');
  });

  test.each(['novel_error', 'title', '__proto__', 'constructor'])(
    'has a general sentence for %s',
    (code) => {
      const { html } = pages.error({ ...error, error: code });
      expect(html).toContain('The request could not be carried out.');
    },
  );
});

test('home names the server and leads to discovery and console', () => {
  const { html } = createPages({ serverName: 'Town <Hall>' }).home(home);
  expect(html).toContain('<h1>Town &lt;Hall&gt;</h1>');
  expect(html).toContain('href="https://id.example/.well-known/openid-configuration"');
  expect(html).toContain('href="https://admin.example/"');
  expect(pages.home({ ...home, adminConsole: null }).html).not.toContain('Admin console');
});

function inputOf(html: string, name: string): string {
  return new RegExp(`<input id="${name}"[^>]*>`).exec(html)?.[0].replace(/\s+/g, ' ') ?? '';
}

function formsOf(html: string): string[] {
  return html.match(/<form[\s\S]*?<\/form>/g) ?? [];
}

/** The paths of all strings in a model, such as `scopes.0.name`. */
function pathsOf(value: unknown, path: string[] = []): string[] {
  if (typeof value === 'string') return [path.join('.')];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]));
}

function put(target: Record<string, unknown>, path: string[], value: string): void {
  const [key = '', ...rest] = path;
  if (rest.length > 0) {
    target[key] ??= {};
    put(target[key] as Record<string, unknown>, rest, value);
  } else target[key] = value;
}
