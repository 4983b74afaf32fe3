import { basicAuthorization } from './conditions.js';

/**
 * A form post of a client that must succeed.
 *
 * @param {string} url
 * @param {import('./conditions.js').Credentials} client
 * @param {Record<string, string>} form
 * @returns {Promise<Record<string, any>>} the JSON of the answer
 */
export async function post(url, client, form) {
  const { status, body } = await tryPost(url, client, form);
  if (status !== 200) {
    throw new Error(`${status} from ${url} for ${form.grant_type}: ${JSON.stringify(body)}`);
  }
  return body;
}

/**
 * @param {string} url
 * @param {import('./conditions.js').Credentials} client
 * @param {Record<string, string>} form
 * @returns {Promise<{ status: number, body: Record<string, any> }>}
 */
export async function tryPost(url, client, form) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: basicAuthorization(client) },
    body: new URLSearchParams(form),
  });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    throw new Error(`${response.status} from ${url}: ${text.slice(0, 500)}`);
  }
}

/**
 * `make(0)` to `make(count - 1)`, a few at a time.
 *
 * @template T
 * @param {number} count
 * @param {(index: number) => Promise<T>} make
 * @param {number} [workers]
 * @returns {Promise<T[]>} in order
 */
export async function inParallel(count, make, workers = 16) {
  /** @type {T[]} */
  const made = new Array(count);
  let next = 0;
  const work = async () => {
    while (next < count) {
      const index = next++;
      made[index] = await make(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, count) }, work));
  return made;
}
