import { describe, expect, test } from '@jest/globals';
import { parse } from '../../src/commands/command.ts';
import {
  line,
  list,
  prose,
  redirectUri,
  resourceIdentifier,
  scopeToken,
  webUri,
} from '../../src/commands/fields.ts';
import { DomainError } from '../../src/domain/errors.ts';

type Schema = Parameters<typeof parse>[0];

function problem(schema: Schema, value: unknown): string | undefined {
  try {
    parse(schema, value);
    return undefined;
  } catch (error) {
    if (error instanceof DomainError && error.code === 'invalid') return error.message;
    throw error;
  }
}

describe('a redirect URI', () => {
  test.each([
    'https://app.example/callback',
    'https://app.example:8443/a/b?x=1&y=%20',
    'http://localhost/callback',
    'http://127.0.0.1:49152/callback',
    'http://[::1]:8080/',
    'com.example.app:/callback',
    'com.example.app://callback',
  ])('may be %s', (uri) => {
    expect(problem(redirectUri, uri)).toBeUndefined();
  });

  test.each([
    ['', 'must be an absolute URI'],
    ['/callback', 'must be an absolute URI'],
    ['app.example/callback', 'must be an absolute URI'],
    ['https:app.example', 'must be an absolute URI'],
    ['https://', 'must be an absolute URI'],
    ['https://app.example/a b', 'must be an absolute URI'],
    ['https://app.example\\@evil.example/', 'must be an absolute URI'],
    ['https://app.example/\u0000', 'must be an absolute URI'],
    ['https://käse.example/', 'must be an absolute URI'],
    ['https://app.example/#fragment', 'must not have a fragment'],
    ['https://user:secret@app.example/', 'must not carry a user name or password'],
    ['https://*.app.example/', 'must not have a wildcard'],
    ['https://app.example/*', 'must not have a wildcard'],
    ['http://app.example/callback', 'must be https, unless it points to the loopback'],
    ['http://localhost.evil.example/', 'must be https, unless it points to the loopback'],
    ['http://127.0.0.2.evil.example/', 'must be https, unless it points to the loopback'],
    ['myapp://callback', 'must be https, or have a scheme with a dot'],
    ['javascript:alert(1)', 'must be https, or have a scheme with a dot'],
    ['data:text/html,x', 'must be https, or have a scheme with a dot'],
    [`https://app.example/${'a'.repeat(2_000)}`, 'must not be longer than 2000 characters'],
  ])('must not be %s', (uri, why) => {
    expect(problem(redirectUri, uri)).toContain(why);
  });
});

test.each([
  ['https://app.example/logo.png', undefined],
  ['http://localhost:3000/logo.png', undefined],
  ['http://app.example/logo.png', 'must be https'],
  ['com.example.app:/logo', 'must be https'],
  ['javascript:alert(1)', 'must be https'],
])('a page at %s: %s', (uri, why) => {
  expect(problem(webUri, uri)).toBe(why);
});

test.each([
  ['https://api.example', undefined],
  ['urn:example:api', undefined],
  ['api', 'must be an absolute URI'],
  ['https://api.example#x', 'must not have a fragment'],
])('a resource indicator %s: %s', (uri, why) => {
  expect(problem(resourceIdentifier, uri)).toBe(why);
});

test.each([
  ['orders.read', undefined],
  ['https://api.example/orders', undefined],
  ['two words', 'must be'],
  ['quoted"', 'must be'],
  ['back\\slash', 'must be'],
  ['', 'must be'],
  ['ü', 'must be'],
])('a scope %s', (scope, why) => {
  const found = problem(scopeToken, scope);
  if (why) expect(found).toContain(why);
  else expect(found).toBeUndefined();
});

describe('text', () => {
  const bad = 'must not contain control characters';

  test.each(['\u0000', '\u0007', '\u007f', '\ud800', '\udc00a', '\u202e', '\u2066'])(
    'in a line or in prose must not hold %j',
    (character) => {
      expect(problem(line(10), `a${character}b`)).toBe(bad);
      expect(problem(prose(10), `a${character}b`)).toBe(bad);
    },
  );

  test('in prose may have lines, in a line not', () => {
    expect(problem(prose(10), 'a\r\n\tb')).toBeUndefined();
    expect(problem(line(10), 'a\nb')).toBe(bad);
  });

  test('may be in any script', () => {
    expect(parse(line(20), ' Łódź 東京 👩‍🚀 ')).toBe('Łódź 東京 👩‍🚀');
  });

  test('has a length', () => {
    expect(problem(line(3), 'abcd')).toBe('must not be longer than 3 characters');
    expect(problem(prose(3), 'abcd')).toBe('must not be longer than 3 characters');
  });
});

test('a list has every entry once, and a length', () => {
  expect(parse(list(line(1)), ['a', 'b', 'a'])).toEqual(['a', 'b']);
  expect(problem(list(line(1), 2), ['a', 'b', 'c'])).toBe('must not have more than 2 entries');
});
