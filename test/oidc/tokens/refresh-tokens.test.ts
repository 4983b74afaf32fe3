import { describe, expect, test } from '@jest/globals';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { POLICY } from '../../../src/oidc/clients/clients.ts';
import {
  refreshTokenLifetime,
  rotateRefreshToken,
} from '../../../src/oidc/tokens/refresh-tokens.ts';

const DEFAULT = 1_000;
const BEGIN = 1_800_000_000;

describe('the lifetime of a refresh token', () => {
  const lifetime = (refreshTokenLifetime: number | null, absolute: number | null) => {
    const policy = { refreshTokenLifetime, refreshTokenAbsoluteLifetime: absolute };
    return (age: number) => lifetimeAt(policy, age);
  };
  const lifetimeAt = (policy: Parameters<typeof refreshTokenLifetime>[0], age: number) =>
    refreshTokenLifetime(policy, DEFAULT, BEGIN, BEGIN + age);

  test('is the server’s where the client has none of its own', () => {
    expect(lifetime(null, null)(0)).toBe(DEFAULT);
    expect(lifetime(300, null)(0)).toBe(300);
  });

  test('begins anew with each rotation', () => {
    expect(lifetime(300, null)(299)).toBe(300);
    expect(lifetime(300, 10_000)(9_700)).toBe(300);
  });

  test('does not reach past the end of the chain', () => {
    expect(lifetime(300, 500)(0)).toBe(300);
    expect(lifetime(300, 500)(201)).toBe(299);
    expect(lifetime(300, 500)(499)).toBe(1);
    expect(lifetime(null, 500)(0)).toBe(500);
  });
});

describe('whether a refresh token is replaced', () => {
  const decide = (options: {
    usage?: 'one_time' | 'reuse';
    absolute?: number | null;
    age?: number;
    method?: string;
    bound?: boolean;
  }) => {
    const { usage = 'reuse', absolute = null, age = 0, bound = false } = options;
    const iiat = Math.floor(Date.now() / 1000) - age;
    const tokenPolicy = { refreshTokenUsage: usage, refreshTokenAbsoluteLifetime: absolute };
    const client = {
      clientAuthMethod: options.method ?? 'client_secret_basic',
      [POLICY]: { tokenPolicy },
    };
    const RefreshToken = { iiat, isSenderConstrained: () => bound };
    const ctx = { oidc: { client, entities: { RefreshToken } } };
    return rotateRefreshToken(ctx as unknown as KoaContextWithOIDC);
  };

  test('is the client’s policy', () => {
    expect(decide({ usage: 'one_time' })).toBe(true);
    expect(decide({ usage: 'reuse' })).toBe(false);
  });

  test('is out of the question for a public client whose token anybody could use', () => {
    expect(decide({ method: 'none' })).toBe(true);
    expect(decide({ method: 'none', bound: true })).toBe(false);
  });

  test.each(['one_time', 'reuse'] as const)(
    'does not matter once a policy made shorter has ended the chain (%s)',
    (usage) => {
      expect(() => decide({ usage, absolute: 60, age: 30 })).not.toThrow();
      expect(() => decide({ usage, absolute: 60, age: 60 })).toThrow('invalid_grant');
    },
  );
});
