/**
 * A web application that lets people sign in with Muniment: openid-client for the protocol,
 * node:http for the rest. Start it with `npm run demo`.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { errorPage, homePage, signedInPage } from './pages.js';
import { Sessions } from './sessions.js';
import { explain, OpenIdClient } from './sign-in.js';

const issuer = process.env.ISSUER || 'http://localhost:3000';
const clientId = process.env.CLIENT_ID || 'demo';
/** Where browsers find this application; `/callback` under it is the registered redirect URI. */
const appUrl = new URL(process.env.APP_URL || 'http://localhost:8080');

const client = new OpenIdClient({ issuer, clientId, appUrl });
const sessions = new Sessions();
const style = readFileSync(new URL('style.css', import.meta.url));

/** Everything the application answers: a method and a path, and what happens then. */
const routes = {
  'GET /': ({ response, session }) =>
    show(response, 200, session.user ? signedInPage(session) : homePage({ issuer })),

  'GET /sign-in': async ({ response, session }) => redirect(response, await client.begin(session)),

  'GET /callback': async ({ request, response, session }) => {
    const user = await client.finish(session, new URL(request.url, appUrl));
    // A new session id: one that was known before the sign-in is worth nothing after it.
    sessions.start(response, { user });
    redirect(response, '/');
  },

  'POST /userinfo': async ({ response, session }) => {
    session.userinfo = await client.userinfo(session.user);
    redirect(response, '/#userinfo');
  },

  'POST /refresh': async ({ response, session }) => {
    session.user = await client.refresh(session.user);
    redirect(response, '/#tokens');
  },

  'POST /sign-out': async ({ request, response, session }) => {
    const leave = await client.endSessionUrl(session.user);
    sessions.end(request, response);
    redirect(response, leave);
  },

  'GET /style.css': ({ response }) => {
    response.writeHead(200, { 'Content-Type': 'text/css; charset=utf-8' }).end(style);
  },
};

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, appUrl);
  try {
    const route = routes[`${request.method} ${pathname}`];
    const isPost = request.method === 'POST';
    if (!route) return show(response, 404, errorPage({ title: 'There is no such page' }));
    // A form on another site must not act for the person who is signed in here.
    if (isPost && request.headers.origin !== appUrl.origin) {
      return show(response, 403, errorPage({ title: 'That form is not from this page' }));
    }
    const session = sessions.of(request, response);
    if (isPost && !session.user) return redirect(response, '/');
    await route({ request, response, session });
  } catch (error) {
    const { status, ...text } = explain(error, issuer);
    if (status === 500) console.error(error);
    if (status === 401) sessions.end(request, response);
    show(response, status, errorPage(text));
  }
});

function show(response, status, page) {
  response
    .writeHead(status, {
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-store',
      // Not no-referrer: browsers would then send forms with the origin `null`.
      'Referrer-Policy': 'same-origin',
      'Content-Security-Policy': [
        "default-src 'none'",
        "style-src 'self'",
        'img-src data:',
        // Signing out is a form whose answer leads to the authorization server.
        `form-action 'self' ${new URL(issuer).origin}`,
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ].join('; '),
    })
    .end(page);
}

function redirect(response, location) {
  response.writeHead(303, { Location: String(location), 'Cache-Control': 'no-store' }).end();
}

server.on('error', (error) => {
  const taken = error.code === 'EADDRINUSE' ? `port ${appUrl.port} is in use; set APP_URL` : error;
  console.error(`The demo could not start: ${taken}`);
  process.exitCode = 1;
});

server.listen(Number(appUrl.port) || 80, appUrl.hostname, async () => {
  console.log(`The demo is at ${appUrl.origin}, and signs people in at ${issuer}`);
  await client.reach().catch((error) => console.log(explain(error, issuer).message));
});
