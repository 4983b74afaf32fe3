import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { LRUCache } from 'lru-cache';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Milliseconds in which the same text may be sealed to the same. */
const ALIKE_MS = 60_000;
const ALIKE = 1_000;

/** SHA-256 in lower-case hex: all that is stored of a token, code or session cookie. */
export function digest(value: string): string {
  return hash('sha256', value, 'hex');
}

/** A new secret value: `bytes` random bytes (default 32, 256 bits) in base64url. */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}

/** Compares in constant time; strings of different length are unequal. */
export function equals(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** AES-256-GCM, bound to `context`: what was sealed for one purpose cannot be opened for another. */
export function sealWith(key: KeyObject, context: string, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([
    nonce,
    cipher.update(text, 'utf8'),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return sealed.toString('base64url');
}

/** @throws Error when the key or context is another, or the text was tampered with */
export function openWith(key: KeyObject, context: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64url');
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  return Buffer.concat([opened, decipher.final()]).toString('utf8');
}

/** A 256-bit key that only the holder of `secret` can derive (HKDF-SHA-256, RFC 5869). */
export function keyFrom(secret: string | Buffer, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `muniment:${purpose}`, 32)));
}

/** What the master key can do. Each purpose has a key of its own, derived and never stored. */
export class Secrets {
  readonly #keys = new Map<string, KeyObject>();
  readonly #masterKey: Buffer;
  readonly #alike = new LRUCache<string, string>({ max: ALIKE, ttl: ALIKE_MS });

  /** @param masterKey 32 bytes */
  constructor(masterKey: Buffer) {
    if (masterKey.length !== 32) throw new RangeError('the master key has 32 bytes');
    this.#masterKey = masterKey;
  }

  /** The 256-bit key for one purpose. */
  key(purpose: string): KeyObject {
    const known = this.#keys.get(purpose);
    if (known) return known;
    const key = keyFrom(this.#masterKey, purpose);
    this.#keys.set(purpose, key);
    return key;
  }

  seal(purpose: string, text: string): string {
    return sealWith(this.key(purpose), purpose, text);
  }

  /**
   * As {@link seal}, but for a minute the same text is the same when sealed: for what is said with
   * every request, where it may be seen that two are alike.
   */
  sealAlike(purpose: string, text: string): string {
    const name = `${purpose} ${text}`;
    const known = this.#alike.get(name);
    if (known) return known;
    const sealed = this.seal(purpose, text);
    this.#alike.set(name, sealed);
    return sealed;
  }

  /** @throws Error when it was sealed for another purpose, under another master key, or tampered with */
  open(purpose: string, sealed: string): string {
    return openWith(this.key(purpose), purpose, sealed);
  }

  /** HMAC-SHA-256 in hex: finds a value again without storing it, and cannot be guessed offline. */
  keyedDigest(purpose: string, value: string): string {
    return createHmac('sha256', this.key(purpose)).update(value).digest('hex');
  }
}
