import { describe, expect, test } from '@jest/globals';
import type { ClientRegistration } from '../../src/domain/client.ts';
import {
  assertPermitted,
  governed,
  isHostAmong,
  openPolicy,
} from '../../src/domain/registration-policy.ts';

const policy = { ...openPolicy(['openid', 'email']), redirectHosts: ['*.shop.example'] };

function registration(part: {
  grantTypes?: string[];
  scopes?: string[];
  redirectUris?: string[];
}): ClientRegistration {
  const { grantTypes = ['authorization_code'], scopes = ['openid'], redirectUris = [] } = part;
  return {
    permissions: { grantTypes, scopes, responseTypes: ['code'], endpoints: ['*'] },
    redirectUris,
  } as unknown as ClientRegistration;
}

describe('a policy of registrations', () => {
  test.each([
    ['permissions.grantTypes', { grantTypes: ['authorization_code', 'password'] }],
    ['permissions.scopes', { scopes: ['openid', 'profile'] }],
    ['redirectUris', { redirectUris: ['https://a.shop.example/', 'https://shop.example/'] }],
    ['redirectUris', { redirectUris: ['com.example.app:/callback'] }],
  ])('does not permit %s of %j', (field, part) => {
    expect(() => assertPermitted(registration(part), policy)).toThrow(
      expect.objectContaining({ code: 'invalid', detail: { field } }),
    );
  });

  test('permits what is within it', () => {
    const redirectUris = ['https://a.shop.example/', 'https://a.b.shop.example:8443/'];
    assertPermitted(registration({ redirectUris, scopes: ['email'] }), policy);
    assertPermitted(registration({ redirectUris: ['com.example.app:/'] }), openPolicy(['openid']));
  });

  test('has the last word on what is required and on who agrees', () => {
    const required = { ...policy.requirements, pkce: false, dpop: true };
    const said = {
      consentType: 'implicit',
      requirements: { ...required, dpop: false, pkce: true },
    };
    expect(
      governed(said as ClientRegistration, { ...policy, requirements: required }),
    ).toMatchObject({ consentType: 'explicit', requirements: { pkce: true, dpop: true } });
  });
});

test.each([
  ['shop.example', true],
  ['a.shop.example', false],
  ['a.inn.example', true],
  ['inn.example', false],
  ['evilinn.example', false],
  ['', false],
])('%s is among the hosts: %s', (host, expected) => {
  expect(isHostAmong(['shop.example', '*.inn.example'], host)).toBe(expected);
});
