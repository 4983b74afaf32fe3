import { test } from '@jest/globals';
import { leak } from '../../src/domain/leak.ts';
import { given } from '../support/decider-spec.ts';

const containment = {
  of: 'client',
  clientId: 'shop',
  secretId: null,
  kid: null,
  addressDigest: null,
  since: '2026-01-01T00:00:00.000Z',
  until: '2026-01-02T00:00:00.000Z',
  reason: 'found on a forum',
  grants: 2,
  sessions: 0,
  clientTokens: 0,
} as const;
const contain = { type: 'ContainLeak', data: containment } as const;
const contained = { type: 'LeakContained', data: containment } as const;

test('a leak is contained once', () => {
  given(leak).when(contain).then(contained);
  given(leak, contained).when(contain).thenNothing();
});

test('where nothing can be used any more, there is nothing to contain', () => {
  given(leak)
    .when({ ...contain, data: { ...containment, grants: 0 } })
    .thenNothing();
});
