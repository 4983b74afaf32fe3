import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  addClientSecret,
  type ClientRegistrationInput,
  changeClientKeys,
  registerClient,
} from '../../src/commands/clients.ts';
import type { CommandContext } from '../../src/commands/command.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import type { Act } from '../../src/eventstore/execute.ts';
import { digest, Secrets } from '../../src/platform/secrets.ts';

/** Decides on a fresh client, and keeps what was decided. */
function context(): CommandContext & { facts: { type: string; data: object }[] } {
  const facts: { type: string; data: object }[] = [];
  const nothing = () => Promise.reject(new Error('not used here'));
  return {
    facts,
    async execute(acts: readonly Act[]) {
      for (const act of acts) {
        const decided = act.decide(act.fold(facts, act.initial));
        if (decided.refused) throw decided.refused;
        facts.push(...decided.facts);
      }
      return { position: null, writes: [] };
    },
    store: { read: nothing },
    secrets: new Secrets(Buffer.alloc(32)),
    subjectKeys: { seal: nothing, open: nothing, destroy: nothing },
    signingAlgorithms: ['RS256', 'ES256'],
  };
}

const register = (input: Partial<ClientRegistrationInput> & { secret?: string }) => {
  const on = context();
  const given = { displayName: 'x', clientType: 'confidential' as const, ...input };
  return registerClient(on, given, systemEnvelope()).then((result) => ({ ...result, ...on }));
};

test('a secret is 256 random bits, and only its digest is recorded', async () => {
  const [one, two] = [await register({}), await register({})];
  expect(one.secret).toMatch(/^mun_[\w-]{43}$/);
  expect(one.secret).not.toBe(two.secret);
  expect(one.facts.at(-1)?.data).toMatchObject({ digest: digest(one.secret as string) });
  expect(JSON.stringify(one.facts)).not.toContain(one.secret);
});

test('an operator may bring the first secret along, if it is hard to guess', async () => {
  const secret = 'brought-along-by-the-operator-0123456789';
  expect((await register({ secret })).facts.at(-1)?.data).toMatchObject({ digest: digest(secret) });
  await expect(register({ secret: 'short' })).rejects.toMatchObject({
    code: 'invalid',
    detail: { field: 'secret' },
  });
});

test.each(['usr_abc', 'with space', 'a/b', '', 'ä', 'x'.repeat(101)])(
  'a client cannot be called %j',
  async (clientId) => {
    await expect(register({ clientId })).rejects.toMatchObject({ detail: { field: 'clientId' } });
  },
);

test('a client with public keys authenticates with them', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }) }] };
  const { facts, secret } = await register({ jwks });
  expect(secret).toBeNull();
  expect(facts).toMatchObject([{ data: { authenticationMethod: 'private_key_jwt', jwks } }]);
});

describe('a key is refused', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });

  test.each([
    ['when it is private', { ...privateKey.export({ format: 'jwk' }) }, 'must be a public key'],
    ['when it is a shared secret', { kty: 'oct', k: 'c2VjcmV0' }, 'must be a public key'],
    ['when it is weak', { ...weak.publicKey.export({ format: 'jwk' }) }, 'must have a modulus'],
    ['when it is none', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, 'must be an RSA, EC or OKP'],
    ['when it is too long', { kty: 'EC', note: 'x'.repeat(8_000) }, 'is too long'],
  ])('%s', async (_, key, why) => {
    const input = { clientId: 'x', jwks: { keys: [key] } };
    await expect(changeClientKeys(context(), input, systemEnvelope())).rejects.toMatchObject({
      message: expect.stringContaining(why),
      detail: { field: 'jwks.keys.0' },
    });
  });
});

test('every issue is told, not only the first', async () => {
  const input = { displayName: '', redirectUris: ['https://a.example', 'b'] };
  await expect(register(input)).rejects.toMatchObject({
    detail: {
      issues: [{ field: 'redirectUris.1' }, { field: 'displayName', message: 'must not be empty' }],
    },
  });
});

test('a further secret has an end in UTC, or none', async () => {
  const on = context();
  await registerClient(
    on,
    { clientId: 'x', displayName: 'x', clientType: 'confidential' },
    systemEnvelope(),
  );
  const add = (expiresAt?: string) =>
    addClientSecret(on, { clientId: 'x', expiresAt }, systemEnvelope());
  await add('2099-05-01T02:00:00+02:00');
  expect(on.facts.at(-1)?.data).toMatchObject({ expiresAt: '2099-05-01T00:00:00.000Z' });
  await add();
  expect(on.facts.at(-1)?.data).toMatchObject({ expiresAt: null });
  await expect(add('yesterday')).rejects.toMatchObject({ detail: { field: 'expiresAt' } });
});

test('what a client of FAPI 2.0 leaves out is as FAPI 2.0 wants it, as if it were null', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const fapi = (input: Partial<ClientRegistrationInput>) =>
    register({
      profile: 'fapi2',
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }) }] },
      ...input,
    });
  expect((await fapi({})).facts[0]?.data).toMatchObject({
    authenticationMethod: 'private_key_jwt',
    requirements: { pkce: true, pushedAuthorizationRequests: true, dpop: true },
    tokenPolicy: { refreshTokenUsage: 'reuse' },
  });
  const bound = await fapi({
    requirements: { pushedAuthorizationRequests: null, dpop: null, certificateBoundTokens: true },
    tokenPolicy: { refreshTokenUsage: null, accessTokenLifetime: 60 },
  });
  expect(bound.facts[0]?.data).toMatchObject({
    requirements: { pushedAuthorizationRequests: true, dpop: false, certificateBoundTokens: true },
    tokenPolicy: { refreshTokenUsage: 'reuse', accessTokenLifetime: 60 },
  });
  await expect(fapi({ tokenPolicy: { refreshTokenUsage: 'one_time' } })).rejects.toMatchObject({
    detail: { field: 'tokenPolicy.refreshTokenUsage' },
  });
});

test.each([
  ['subject_dn', 'shop'],
  ['san_dns', '*.shop.example'],
  ['san_uri', 'shop'],
  ['san_ip', '10.1.2'],
  ['san_email', 'shop'],
] as const)('a name in a certificate, of the kind %s, cannot be %j', async (type, value) => {
  await expect(register({ certificateSubject: { type, value } })).rejects.toMatchObject({
    code: 'invalid',
    detail: { field: 'certificateSubject.value' },
  });
});
