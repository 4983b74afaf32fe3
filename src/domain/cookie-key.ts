import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Instant, Sealed } from './ids.ts';

/** A secret under which cookies are signed, so that nobody makes up one of their own. */
export interface CookieKey {
  readonly keyId: string;
  readonly secret: Sealed;
}

export type CookieKeyFacts = {
  /** From here on a cookie that it signs is believed. */
  CookieKeyGenerated: CookieKey;
  /** From here on it signs. */
  CookieKeyActivated: { readonly at: Instant };
  /** From here on no cookie that it signed is believed. */
  CookieKeyRetired: { readonly at: Instant; readonly reason: string };
};

export type CookieKeyWishes = {
  GenerateCookieKey: CookieKey;
  ActivateCookieKey: { readonly now: Instant };
  RetireCookieKey: { readonly now: Instant; readonly reason: string };
};

export interface CookieKeyState {
  readonly status: 'none' | 'ready' | 'active' | 'retired';
}

/** Ready before it signs: by then every node believes it, and no session is lost on the way. */
export const cookieKey: Decider<CookieKeyState, CookieKeyWishes, CookieKeyFacts> = {
  category: 'cookiekey',
  initial: { status: 'none' },

  evolve: {
    CookieKeyGenerated: () => ({ status: 'ready' }),
    CookieKeyActivated: () => ({ status: 'active' }),
    CookieKeyRetired: () => ({ status: 'retired' }),
  },

  decide: {
    GenerateCookieKey(key, { status }) {
      if (status !== 'none')
        throw new DomainError('already_exists', 'the key exists already', { field: 'keyId' });
      return [{ type: 'CookieKeyGenerated', data: key }];
    },
    ActivateCookieKey({ now }, { status }) {
      if (status === 'active') return [];
      if (status === 'none') throw new DomainError('not_found', 'no such key', { field: 'keyId' });
      if (status !== 'ready')
        throw new DomainError('conflict', 'a retired key cannot be activated');
      return [{ type: 'CookieKeyActivated', data: { at: now } }];
    },
    RetireCookieKey({ now, reason }, { status }) {
      if (status === 'retired') return [];
      if (status === 'none') throw new DomainError('not_found', 'no such key', { field: 'keyId' });
      return [{ type: 'CookieKeyRetired', data: { at: now, reason } }];
    },
  },
};
