import { describe, expect, test } from '@jest/globals';
import { parseDistinguishedName, sameName } from '../../src/platform/distinguished-name.ts';

const name = (text: string, separator?: string) => {
  const parsed = parseDistinguishedName(text, separator);
  if (!parsed) throw new Error(`not a name: ${text}`);
  return parsed;
};

describe('a distinguished name (RFC 4514)', () => {
  test.each([
    ['CN=shop,O=Example', 'cn=shop, o=Example'],
    ['CN=shop+OU=web,C=DE', 'OU=web+CN=shop,C=DE'],
    ['CN=Before\\, after', 'CN=Before\\2C after'],
    ['CN=Lučić', 'CN=Lu\\C4\\8Di\\C4\\87'],
    ['CN=end\\ ,O=x', 'CN=end\\20,O=x'],
  ])('%s is %s', (a, b) => {
    expect(sameName(name(a), name(b))).toBe(true);
  });

  test.each([
    ['CN=shop,O=Example', 'O=Example,CN=shop'],
    ['CN=shop', 'CN=Shop'],
    ['CN=shop', 'CN=shop,O=Example'],
    ['CN=a\\,O=b', 'CN=a,O=b'],
    ['CN=a\\+O=b', 'CN=a+O=b'],
  ])('%s is not %s', (a, b) => {
    expect(sameName(name(a), name(b))).toBe(false);
  });

  test('may have each part on a line of its own', () => {
    const lines = [...name('C=DE\nO=Before\\, after\nCN=shop', '\n')].reverse();
    expect(sameName(lines, name('CN=shop,O=Before\\, after,C=DE'))).toBe(true);
  });

  test.each(['', 'shop', 'CN=', 'CN=a,,O=b', 'CN=a;b', 'CN=#0c0161', 'CN="a"', 'CN=a\\'])(
    'is not %j',
    (text) => {
      expect(parseDistinguishedName(text)).toBeNull();
    },
  );
});
