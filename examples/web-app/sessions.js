import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

const COOKIE = 'demo_session';
/** Out of reach of scripts and of other sites' forms. Over https, add `Secure`. */
const ATTRIBUTES = 'HttpOnly; SameSite=Lax; Path=/';
const EIGHT_HOURS = 8 * 60 * 60 * 1000;

/**
 * Server-side sessions: the browser holds a random id and nothing else, tokens stay here. In memory
 * is enough for a demo; a real application keeps them where its other nodes find them too.
 */
export class Sessions {
  #sessions = new LRUCache({ max: 1_000, ttl: EIGHT_HOURS });

  /** The session of the browser that asks; a new one when it has none. */
  of(request, response) {
    return this.#sessions.get(idIn(request)) ?? this.start(response);
  }

  /** Starts a session under a new id, and tells the browser. */
  start(response, session = {}) {
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(id, session);
    response.setHeader('Set-Cookie', `${COOKIE}=${id}; ${ATTRIBUTES}`);
    return session;
  }

  end(request, response) {
    this.#sessions.delete(idIn(request));
    response.setHeader('Set-Cookie', `${COOKIE}=; Max-Age=0; ${ATTRIBUTES}`);
  }
}

function idIn(request) {
  const cookies = (request.headers.cookie ?? '').split('; ').map((each) => each.split('='));
  return cookies.find(([name]) => name === COOKIE)?.[1];
}
