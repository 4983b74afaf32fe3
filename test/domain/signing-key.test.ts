import { test } from '@jest/globals';
import { type SigningKey, signingKey } from '../../src/domain/signing-key.ts';
import { given } from '../support/decider-spec.ts';

const key: SigningKey = {
  kid: 'k1',
  alg: 'ES256',
  publicJwk: { kty: 'EC', crv: 'P-256' },
  privateJwk: 'sealed',
};
const now = '2026-01-01T00:00:00.000Z';
const generate = { type: 'GenerateSigningKey', data: key } as const;
const generated = { type: 'SigningKeyGenerated', data: key } as const;
const activate = { type: 'ActivateSigningKey', data: { now } } as const;
const activated = { type: 'SigningKeyActivated', data: { at: now } } as const;
const reason = 'leaked';
const retire = { type: 'RetireSigningKey', data: { now, reason } } as const;
const retired = { type: 'SigningKeyRetired', data: { at: now, reason } } as const;

test('a key is generated once, whatever became of it', () => {
  given(signingKey).when(generate).then(generated);
  for (const life of [[generated], [generated, activated], [generated, retired]]) {
    given(signingKey, ...life)
      .when(generate)
      .thenRefused('already_exists', { field: 'kid' });
  }
});

test('an announced key is activated once', () => {
  given(signingKey, generated).when(activate).then(activated);
  given(signingKey, generated, activated).when(activate).thenNothing();
});

test('a retired key never signs again', () => {
  given(signingKey, generated, activated, retired).when(activate).thenRefused('conflict');
});

test('a key is retired once, announced or active', () => {
  given(signingKey, generated).when(retire).then(retired);
  given(signingKey, generated, activated).when(retire).then(retired);
  given(signingKey, generated, retired).when(retire).thenNothing();
});

test('what was never generated is neither activated nor retired', () => {
  given(signingKey).when(activate).thenRefused('not_found', { field: 'kid' });
  given(signingKey).when(retire).thenRefused('not_found', { field: 'kid' });
});
