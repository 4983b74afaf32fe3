import { test } from '@jest/globals';
import { type CookieKey, cookieKey } from '../../src/domain/cookie-key.ts';
import { given } from '../support/decider-spec.ts';

const key: CookieKey = { keyId: 'k1', secret: 'sealed' };
const now = '2026-01-01T00:00:00.000Z';
const generate = { type: 'GenerateCookieKey', data: key } as const;
const generated = { type: 'CookieKeyGenerated', data: key } as const;
const activate = { type: 'ActivateCookieKey', data: { now } } as const;
const activated = { type: 'CookieKeyActivated', data: { at: now } } as const;
const reason = 'leaked';
const retire = { type: 'RetireCookieKey', data: { now, reason } } as const;
const retired = { type: 'CookieKeyRetired', data: { at: now, reason } } as const;

test('a key is generated once, whatever became of it', () => {
  given(cookieKey).when(generate).then(generated);
  for (const life of [[generated], [generated, activated], [generated, retired]]) {
    given(cookieKey, ...life)
      .when(generate)
      .thenRefused('already_exists', { field: 'keyId' });
  }
});

test('a key that is ready is activated once', () => {
  given(cookieKey, generated).when(activate).then(activated);
  given(cookieKey, generated, activated).when(activate).thenNothing();
});

test('a retired key never signs again', () => {
  given(cookieKey, generated, activated, retired).when(activate).thenRefused('conflict');
});

test('a key is retired once, ready or active', () => {
  given(cookieKey, generated).when(retire).then(retired);
  given(cookieKey, generated, activated).when(retire).then(retired);
  given(cookieKey, generated, retired).when(retire).thenNothing();
});

test('what was never generated is neither activated nor retired', () => {
  given(cookieKey).when(activate).thenRefused('not_found', { field: 'keyId' });
  given(cookieKey).when(retire).thenRefused('not_found', { field: 'keyId' });
});
