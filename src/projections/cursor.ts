import { DomainError } from '../domain/errors.ts';
import { equals, type Secrets } from '../platform/secrets.ts';

/** A place in an ordered list: the values of the columns it is ordered by. */
export type Place = readonly (string | number)[];

/**
 * Cursors handed to callers. Each is authenticated and bound to its list, so that nothing but a place
 * we gave out ever comes back: a forged or borrowed one is refused before any SQL is made of it.
 */
export class Cursors {
  constructor(private readonly secrets: Secrets) {}

  /** @param list names the list and its order: a cursor of one is none of another */
  seal(list: string, place: Place): string {
    const body = Buffer.from(JSON.stringify(place)).toString('base64url');
    return `${body}.${this.#mac(list, body)}`;
  }

  /** @throws DomainError `invalid` when it was not sealed here, for this list */
  open(list: string, cursor: string): Place {
    const [body = '', mac = ''] = cursor.split('.');
    if (cursor.length > 2_000 || !equals(mac, this.#mac(list, body))) {
      throw new DomainError('invalid', 'the cursor is not one of this list');
    }
    return JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Place;
  }

  #mac(list: string, body: string): string {
    return this.secrets.keyedDigest('cursor', `${list}\n${body}`).slice(0, 32);
  }
}
