import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});

afterAll(() => api.close());

test('it can be seen how what is over goes, and when; and done at once', async () => {
  await api.token({ expiresAt: '2020-01-01T01:00:00.000Z' });

  const query = `{ housekeeping { enabled period tokens authorizations minimumTokenLifespan
    minimumAuthorizationLifespan ranAt tokensBefore pruned { table rows } } }`;
  const before = await api.call(query);
  expect(before.data.housekeeping).toEqual({
    enabled: true,
    period: 3600,
    tokens: true,
    authorizations: true,
    minimumTokenLifespan: 600,
    minimumAuthorizationLifespan: 600,
    ranAt: null,
    tokensBefore: null,
    pruned: [],
  });

  const run = await api.call('mutation { housekeepingRun { ran pruned { table rows } } }');
  const pruned = [{ table: 'tokens', rows: 1 }];
  expect(run.data.housekeepingRun).toEqual({ ran: true, pruned });
  const after = await api.call(query);
  expect(after.data.housekeeping).toMatchObject({ pruned });
  const { ranAt, tokensBefore } = after.data.housekeeping;
  expect(Date.parse(ranAt) - Date.parse(tokensBefore)).toBe(600_000);
});

test('it takes the scope for it', async () => {
  for (const [query, scope] of [
    ['{ housekeeping { enabled } }', 'admin:housekeeping:read'],
    ['mutation { housekeepingRun { ran } }', 'admin:housekeeping:write'],
  ] as const) {
    const { errors } = await api.call(query, {}, ['admin:clients:read']);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', requiredScopes: [scope] });
  }
});
