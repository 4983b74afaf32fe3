import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { digest, equals, keyFrom, randomToken, Secrets } from '../../src/platform/secrets.ts';

const masterKey = randomBytes(32);
const secrets = new Secrets(masterKey);

describe('what is sealed', () => {
  test('is opened for the same purpose, under the same master key', () => {
    const sealed = secrets.seal('signing-key', 'Zürich \u{1f511}');
    expect(new Secrets(masterKey).open('signing-key', sealed)).toBe('Zürich \u{1f511}');
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(secrets.open('signing-key', secrets.seal('signing-key', ''))).toBe('');
  });

  test('never looks the same twice', () => {
    expect(secrets.seal('x', 'same')).not.toBe(secrets.seal('x', 'same'));
  });

  test('looks the same for a while where it may be seen that two are alike, for one purpose', () => {
    const sealed = secrets.sealAlike('x', 'same');
    expect(secrets.sealAlike('x', 'same')).toBe(sealed);
    expect(secrets.open('x', sealed)).toBe('same');
    expect(secrets.sealAlike('x', 'other')).not.toBe(sealed);
    expect(secrets.open('y', secrets.sealAlike('y', 'same'))).toBe('same');
  });

  test('is opened for no other purpose, and under no other key', () => {
    const sealed = secrets.seal('signing-key', 'text');
    expect(() => secrets.open('subject-key', sealed)).toThrow();
    expect(() => new Secrets(randomBytes(32)).open('signing-key', sealed)).toThrow();
  });

  test('is not opened when any of its bytes was changed, or some are missing', () => {
    const bytes = Buffer.from(secrets.seal('x', 'text'), 'base64url');
    for (const index of bytes.keys()) {
      const tampered = Buffer.from(bytes);
      tampered[index] = (tampered[index] ?? 0) ^ 1;
      expect(() => secrets.open('x', tampered.toString('base64url'))).toThrow();
    }
    expect(() => secrets.open('x', bytes.subarray(0, -1).toString('base64url'))).toThrow();
    expect(() => secrets.open('x', '')).toThrow();
  });
});

test('a keyed digest is the same for the same value, and for nobody without the key', () => {
  const value = secrets.keyedDigest('username', 'ada');
  expect(value).toMatch(/^[0-9a-f]{64}$/);
  expect(new Secrets(masterKey).keyedDigest('username', 'ada')).toBe(value);
  expect(secrets.keyedDigest('address', 'ada')).not.toBe(value);
  expect(new Secrets(randomBytes(32)).keyedDigest('username', 'ada')).not.toBe(value);
});

test('a digest is SHA-256 in hex', () => {
  expect(digest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('a token has 256 random bits unless told otherwise', () => {
  expect(Buffer.from(randomToken(), 'base64url')).toHaveLength(32);
  expect(Buffer.from(randomToken(16), 'base64url')).toHaveLength(16);
  expect(randomToken()).not.toBe(randomToken());
});

test('texts are compared whole', () => {
  expect(equals('secret', 'secret')).toBe(true);
  expect(equals('secret', 'Secret')).toBe(false);
  expect(equals('secret', 'secret ')).toBe(false);
  expect(equals('', '')).toBe(true);
});

test('a derived key depends on secret and purpose', () => {
  const bytes = (secret: string, purpose: string) => keyFrom(secret, purpose).export();
  expect(bytes('secret', 'one')).toHaveLength(32);
  expect(bytes('secret', 'one')).toEqual(bytes('secret', 'one'));
  expect(bytes('secret', 'one')).not.toEqual(bytes('secret', 'two'));
  expect(bytes('secret', 'one')).not.toEqual(bytes('Secret', 'one'));
});

test('a master key has 32 bytes', () => {
  expect(() => new Secrets(randomBytes(31))).toThrow(RangeError);
});
