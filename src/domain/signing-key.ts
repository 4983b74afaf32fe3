import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';
import type { Instant, Sealed } from './ids.ts';

/** JWS algorithms this server can sign with (RFC 7518, RFC 8037, RFC 9864, RFC 9964). */
export const SIGNING_ALGORITHMS = [
  'RS256',
  'PS256',
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
  'EdDSA',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
] as const;

export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

export interface SigningKey {
  readonly kid: string;
  /** JWS algorithm (RFC 7518 §3.1). */
  readonly alg: string;
  /** As published in the JWK Set (RFC 7517). */
  readonly publicJwk: Readonly<Record<string, unknown>>;
  readonly privateJwk: Sealed;
}

export type SigningKeyFacts = {
  /** From here on the key is announced in the JWK Set. */
  SigningKeyGenerated: SigningKey;
  /** From here on the key signs. */
  SigningKeyActivated: { readonly at: Instant };
  /** From here on the key neither signs nor verifies. */
  SigningKeyRetired: { readonly at: Instant; readonly reason: string };
};

export type SigningKeyWishes = {
  GenerateSigningKey: SigningKey;
  ActivateSigningKey: { readonly now: Instant };
  RetireSigningKey: { readonly now: Instant; readonly reason: string };
};

export interface SigningKeyState {
  readonly status: 'none' | 'announced' | 'active' | 'retired';
}

export const signingKey: Decider<SigningKeyState, SigningKeyWishes, SigningKeyFacts> = {
  category: 'key',
  initial: { status: 'none' },

  evolve: {
    SigningKeyGenerated: () => ({ status: 'announced' }),
    SigningKeyActivated: () => ({ status: 'active' }),
    SigningKeyRetired: () => ({ status: 'retired' }),
  },

  decide: {
    GenerateSigningKey(key, { status }) {
      if (status !== 'none')
        throw new DomainError('already_exists', 'the key exists already', { field: 'kid' });
      return [{ type: 'SigningKeyGenerated', data: key }];
    },
    ActivateSigningKey({ now }, { status }) {
      if (status === 'active') return [];
      if (status === 'none') throw new DomainError('not_found', 'no such key', { field: 'kid' });
      if (status !== 'announced')
        throw new DomainError('conflict', 'only an announced key can be activated');
      return [{ type: 'SigningKeyActivated', data: { at: now } }];
    },
    RetireSigningKey({ now, reason }, { status }) {
      if (status === 'retired') return [];
      if (status === 'none') throw new DomainError('not_found', 'no such key', { field: 'kid' });
      return [{ type: 'SigningKeyRetired', data: { at: now, reason } }];
    },
  },
};
