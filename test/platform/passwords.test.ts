import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { parseOptions } from '@node-rs/argon2';
import { hashPassword, passwordProblem, verifyPassword } from '../../src/platform/passwords.ts';

const PASSWORD = 'correct horse battery staple';

describe('a password', () => {
  test('is kept as argon2id at the cost OWASP recommends, with a salt of its own', async () => {
    const [one, two] = await Promise.all([hashPassword(PASSWORD), hashPassword(PASSWORD)]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(parseOptions(one)).toMatchObject({ memoryCost: 19_456, timeCost: 2, saltLen: 16 });
    expect(one).not.toBe(two);
  });

  test('is verified', async () => {
    const verifier = await hashPassword(PASSWORD);
    expect(await verifyPassword(verifier, PASSWORD)).toBe(true);
    expect(await verifyPassword(verifier, `${PASSWORD}!`)).toBe(false);
    expect(await verifyPassword(verifier, '')).toBe(false);
  });

  test('that could never have been set is not even tried', async () => {
    const endless = PASSWORD.padEnd(1_025, PASSWORD);
    expect(await verifyPassword(await hashPassword(endless), endless)).toBe(false);
  });

  test('is the same however its letters are composed', async () => {
    const verifier = await hashPassword('Gr\u00fc\u00dfe aus Wien \u2460');
    expect(await verifyPassword(verifier, 'Gru\u0308\u00dfe aus Wien 1')).toBe(true);
  });

  test('of nobody never matches, and takes as long as a wrong one', async () => {
    const verifier = await hashPassword(PASSWORD);
    expect(await verifyPassword(null, PASSWORD)).toBe(false);

    const known = await fastest(() => verifyPassword(verifier, 'wrong'));
    const unknown = await fastest(() => verifyPassword(null, 'wrong'));
    expect(unknown).toBeGreaterThan(known / 3);
    expect(unknown).toBeLessThan(known * 3);
  });

  test('does not keep others from using the threads of the process', async () => {
    let hashed = 0;
    const hashes = Array.from({ length: 12 }, async () => {
      await hashPassword(PASSWORD);
      hashed++;
    });
    await readFile('package.json');
    expect(hashed).toBeLessThan(6);
    await Promise.all(hashes);
  });
});

describe('passwordProblem', () => {
  test.each([
    ['seven77', /at least 8 characters/],
    ['\u{1f511}'.repeat(7), /at least 8 characters/],
    ['Kx9'.repeat(400), /at most 1024 characters/],
    ['aaaaaaaaaaaa', /most common/],
    ['password123', /most common/],
    ['PassWord123', /most common/],
    ['lone surrogate \ud800', /valid Unicode/],
  ])('%j is refused', (password, problem) => {
    expect(passwordProblem(password)).toMatch(problem);
  });

  test('the name of its owner is refused', () => {
    expect(passwordProblem('Alice.Example', ['bob', 'alice.example'])).toMatch(/its owner/);
    expect(passwordProblem('Alice.Example', ['bob'])).toBeNull();
  });

  test.each([PASSWORD, 'vier8ten', '\u{1f511}\u{1f98a}\u{1f335}\u{1f41d}'.repeat(2)])(
    '%j is accepted',
    (password) => {
      expect(passwordProblem(password)).toBeNull();
    },
  );
});

async function fastest(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}
