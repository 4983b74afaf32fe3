import { beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { type JtiOf, jwtReader } from '../../../src/oidc/tokens/jwt-access-tokens.ts';

const ISSUER = 'https://issuer.example';

describe('a JWT access token of this server', () => {
  type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  let ours: Key;
  let foreign: Key;
  let jtiOf: JtiOf;

  beforeAll(async () => {
    const [known, unknown] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
    ours = known.privateKey;
    foreign = unknown.privateKey;
    const row = {
      kid: 'k1',
      alg: 'ES256',
      public_jwk: { ...(await exportJWK(known.publicKey)) },
      private_jwk: '',
      generated_at: '',
      activated_at: null,
      retired_at: null,
    };
    jtiOf = jwtReader(ISSUER, [row]);
  });

  const sign = (
    { key = ours, typ = 'at+jwt', kid = 'k1' },
    { exp = soon(), ...claims }: JWTPayload = {},
  ) =>
    new SignJWT({ iss: ISSUER, jti: 'id', exp, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ, kid })
      .sign(key);
  const soon = () => Math.floor(Date.now() / 1000) + 60;

  test('is recognised, also in the form in which the library lets it pass', async () => {
    const jwt = await sign({});
    expect(await jtiOf(jwt)).toBe('id');
    expect(await jtiOf(jwt.replaceAll('.', '~'))).toBe('id');
  });

  test('is signed by one of its keys', async () => {
    expect(await jtiOf(await sign({ key: foreign }))).toBeUndefined();
    expect(await jtiOf(await sign({ kid: 'k2' }))).toBeUndefined();
    const claims = { iss: ISSUER, jti: 'id', exp: soon() };
    expect(await jtiOf(new UnsecuredJWT(claims).encode())).toBeUndefined();
    const [header, , signature] = (await sign({})).split('.');
    const forged = Buffer.from(JSON.stringify({ ...claims, jti: 'other' })).toString('base64url');
    expect(await jtiOf(`${header}.${forged}.${signature}`)).toBeUndefined();
  });

  test('is an access token, names this issuer, and has not expired', async () => {
    expect(await jtiOf(await sign({ typ: 'JWT' }))).toBeUndefined();
    expect(await jtiOf(await sign({}, { iss: 'https://other.example' }))).toBeUndefined();
    expect(await jtiOf(await sign({}, { exp: soon() - 120 }))).toBeUndefined();
  });

  test('is nothing else', async () => {
    for (const other of ['', 'id', 'a.b.c', 'a~b.c', 'a.b', `${await sign({})}.x`, '~~', '..']) {
      expect(await jtiOf(other)).toBeUndefined();
    }
  });
});
