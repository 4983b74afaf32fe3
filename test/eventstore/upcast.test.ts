import { describe, expect, test } from '@jest/globals';
import type { RecordedEvent } from '../../src/eventstore/event-store.ts';
import { filledIn, upcast } from '../../src/eventstore/upcast.ts';

test('a client registered before endpoints were permitted may come to all of them', () => {
  const permissions = { grantTypes: [], responseTypes: [], scopes: ['openid'] };
  for (const type of ['ClientRegistered', 'ClientPermissionsChanged']) {
    const before = { type, data: { permissions }, metadata: { schema: 1 } };
    expect(upcast(before as unknown as RecordedEvent).data).toMatchObject({
      permissions: { ...permissions, endpoints: ['*'] },
    });
  }
});

describe('a fact written before it had all its fields', () => {
  test('is given what held before there was the field', () => {
    expect(filledIn({ name: 'a' }, { colour: null })).toEqual({ name: 'a', colour: null });
  });

  test('keeps what it says, null and false as well', () => {
    const said = { name: null, on: false, list: [] };
    expect(filledIn(said, { name: 'x', on: true, list: [1] })).toEqual(said);
  });

  test('is filled in within its objects, and never within its lists', () => {
    const before = { requirements: { pkce: false }, list: [{}] };
    expect(
      filledIn(before, { requirements: { pkce: true, dpop: false }, list: [{ a: 1 }] }),
    ).toEqual({
      requirements: { pkce: false, dpop: false },
      list: [{}],
    });
  });
});
