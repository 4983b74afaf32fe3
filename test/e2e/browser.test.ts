import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { type Person, REDIRECT_URI } from '../support/admin.ts';
import { ClientApp } from '../support/client-app.ts';
import { freePort, startTestServer, type TestServer } from '../support/server.ts';

const DEMO = fileURLToPath(new URL('../../examples/web-app/server.js', import.meta.url));
const ARTEFACTS = fileURLToPath(new URL('../../test-artefacts/browser', import.meta.url));
const MAX_TABS = 40;

// A browser and two servers: on a busy machine each step takes its time.
jest.setTimeout(120_000);

const executablePath = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));

if (!executablePath) {
  console.warn(
    'Signing in with a browser was not tried: no Chromium found. Install one ' +
      '(apt-get install chromium), or set CHROMIUM_PATH.',
  );
}

(executablePath ? describe : describe.skip)('the demo application in Chromium', () => {
  let browser: Browser;
  let server: TestServer;
  let demo: Demo;

  beforeAll(async () => {
    mkdirSync(ARTEFACTS, { recursive: true });
    server = await startTestServer({ engine: 'postgres' });
    demo = await startDemo(server.issuer);
    await server.admin.client({
      clientId: demo.clientId,
      displayName: 'Demo application',
      clientType: 'public',
      redirectUris: [`${demo.url}callback`],
      postLogoutRedirectUris: [demo.url],
    });
    browser = await chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });

  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
    await server?.stop();
  });

  /** A browser that nobody has used, and what it complains about: console, CSP, failed requests. */
  async function freshBrowser(options: { javaScriptEnabled: boolean }) {
    const context = await browser.newContext({ ...options, locale: 'en-GB' });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
    page.on('response', (response) => {
      if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
    });
    return { context, page, complaints };
  }

  /** As far as the consent page. */
  async function signIn(page: Page, { username, password }: Person): Promise<void> {
    await page.goto(demo.url);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Demo application asks for access' }).waitFor();
  }

  test('a person signs in with the mouse, allows, looks around and signs out', async () => {
    const person = await server.admin.person({ name: 'Ada Byron' });
    const { context, page, complaints } = await freshBrowser({ javaScriptEnabled: true });
    await signIn(page, person);
    expect(page.url()).toContain(`${server.issuer}/interaction/`);
    expect(await page.getByText('Ada Byron').count()).toBe(1);
    await page.getByRole('button', { name: 'Allow' }).click();

    await page.waitForURL(demo.url);
    expect(await page.locator('#claims').textContent()).toContain(person.sub);
    const accessToken = await page.getByText('Access token').locator('+ dd').textContent();
    expect(accessToken).toMatch(/^a reference of 43 characters/);

    await page.getByRole('button', { name: 'Call userinfo' }).click();
    await page.getByRole('heading', { name: 'Hello, Ada Byron' }).waitFor();
    await page.getByRole('button', { name: 'Refresh the tokens' }).click();
    await page.getByText('refreshed once').waitFor();
    expect(await page.getByText('Access token').locator('+ dd').textContent()).not.toBe(
      accessToken,
    );
    // No token is in the page, and no script could reach the session.
    expect(await page.content()).not.toContain('eyJ');
    expect(await page.locator('#tokens').innerHTML()).not.toMatch(/[\w-]{43}/);
    const cookies = await context.cookies(demo.url);
    expect(cookies.find(({ name }) => name === 'demo_session')).toMatchObject({
      httpOnly: true,
      sameSite: 'Lax',
    });

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign out?' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(demo.url);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('Password').waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('the same without JavaScript and with the keyboard alone', async () => {
    const person = await server.admin.person();
    const { context, page, complaints } = await freshBrowser({ javaScriptEnabled: false });
    await page.goto(demo.url);
    await tabTo(page, page.getByRole('link', { name: 'Sign in' }));
    await page.keyboard.press('Enter');

    await tabTo(page, page.getByLabel('Username'));
    await page.keyboard.type(person.username);
    await tabTo(page, page.getByLabel('Password'));
    await page.keyboard.type(person.password);
    await page.screenshot({ path: `${ARTEFACTS}/sign-in.png` });
    await page.keyboard.press('Enter');

    await tabTo(page, page.getByRole('button', { name: 'Allow' }));
    await page.screenshot({ path: `${ARTEFACTS}/consent.png` });
    await page.keyboard.press('Enter');

    await page.getByRole('heading', { name: 'You are signed in' }).waitFor();
    expect(await page.locator('#claims').textContent()).toContain(person.sub);
    await tabTo(page, page.getByRole('button', { name: 'Sign out' }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sign out?' }).waitFor();
    await tabTo(page, page.getByRole('button', { name: 'Sign out' }));
    await page.keyboard.press('Enter');
    await page.waitForURL(demo.url);
    expect(await page.getByRole('link', { name: 'Sign in' }).count()).toBe(1);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('an answer by form_post posts itself, as its policy lets it', async () => {
    const { username, password } = await server.admin.person();
    const { context, page, complaints } = await freshBrowser({ javaScriptEnabled: true });
    let posted: string | null = null;
    await page.route(REDIRECT_URI, (route) => {
      posted = route.request().postData();
      return route.fulfill({ contentType: 'text/html', body: '<h1>Arrived</h1>' });
    });
    const app = await ClientApp.connect(server, await server.admin.client());
    const { url, checks } = await app.request({ response_mode: 'form_post' });
    await page.goto(url.href);
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByRole('heading', { name: 'Arrived' }).waitFor();
    const answer = new URLSearchParams(posted ?? '');
    expect(answer.get('state')).toBe(checks.expectedState);
    expect(answer.get('code')).toMatch(/^[\w-]{43}$/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person who denies is back at the application, not signed in', async () => {
    const { context, page } = await freshBrowser({ javaScriptEnabled: true });
    await signIn(page, await server.admin.person());
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.getByRole('heading', { name: 'You did not allow the sign-in' }).waitFor();
    await page.getByRole('link', { name: 'Back to the start' }).click();
    await page.getByRole('link', { name: 'Sign in' }).waitFor();
    await context.close();
  });

  test('the answer to a sign-in counts once, and only where it was begun', async () => {
    const { context, page } = await freshBrowser({ javaScriptEnabled: true });
    await signIn(page, await server.admin.person());
    const answer = page.waitForRequest((request) => request.url().includes('/callback?'));
    await page.getByRole('button', { name: 'Allow' }).click();
    const callback = (await answer).url();
    await page.waitForURL(demo.url);

    expect((await page.goto(callback))?.status()).toBe(400);
    expect(await page.getByRole('heading').textContent()).toBe('This sign-in was not begun here');
    const stranger = await freshBrowser({ javaScriptEnabled: true });
    expect((await stranger.page.goto(callback))?.status()).toBe(400);
    await stranger.context.close();
    await context.close();
  });

  test('a form from elsewhere does nothing for the person who is signed in', async () => {
    const { context, page } = await freshBrowser({ javaScriptEnabled: true });
    await signIn(page, await server.admin.person());
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(demo.url);
    await page.goto('about:blank');
    await page.setContent(
      `<form method="post" action="${demo.url}sign-out"><button>Win a prize</button></form>`,
    );
    await page.getByRole('button').click();
    await page.getByRole('heading', { name: 'That form is not from this page' }).waitFor();
    await page.goto(demo.url);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('You are signed in');
    await context.close();
  });

  test('without a server the application says so, and what to do', async () => {
    const alone = await startDemo(`http://localhost:${await freePort()}`);
    try {
      const { context, page } = await freshBrowser({ javaScriptEnabled: true });
      await page.goto(alone.url);
      await page.getByRole('link', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Muniment does not answer' }).waitFor();
      expect(await page.getByRole('alert').textContent()).toContain('npm start');
      expect(alone.output()).toContain('npm start');
      await context.close();
    } finally {
      await alone.stop();
    }
  });
});

/** Presses Tab until the focus is on an element, as people do who use no mouse. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  const focused = target.and(page.locator(':focus'));
  for (let presses = 0; (await focused.count()) === 0; presses++) {
    if (presses === MAX_TABS) throw new Error(`${target} cannot be reached with Tab`);
    await page.keyboard.press('Tab');
  }
}

interface Demo {
  /** Its home page. */
  readonly url: string;
  readonly clientId: string;
  output(): string;
  stop(): Promise<void>;
}

/** The application of `npm run demo`, in a process of its own, at a port that is free. */
async function startDemo(issuer: string): Promise<Demo> {
  const url = `http://localhost:${await freePort()}/`;
  const clientId = 'demo';
  const child = spawn(process.execPath, [DEMO], {
    env: { ISSUER: issuer, APP_URL: url, CLIENT_ID: clientId },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const hear = (chunk: string) => {
    output += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
  if (!output.includes('The demo is at')) throw new Error(`the demo did not start:\n${output}`);
  return { url, clientId, output: () => output, stop: () => ended(child) };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'close');
  child.kill();
  await gone;
}
