import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Harness, openHarness } from './harness.ts';

let api: Harness;

beforeAll(async () => {
  api = await openHarness();
});
afterAll(() => api?.close());

test('settings are told, and of secrets only that there are any', async () => {
  const { data } = await api.call('{ settings { variable default value description } }', {}, [
    'admin:settings:read',
  ]);
  const of = (variable: string) =>
    data.settings.find((each: { variable: string }) => each.variable === variable);
  expect(of('LOG_LEVEL')).toMatchObject({ default: 'info', value: 'debug' });
  expect(of('PORT')).toMatchObject({ default: '3000', value: '3000' });
  expect(of('MASTER_KEY')).toMatchObject({ value: '[set]' });
  expect(of('DATABASE_URL')).toMatchObject({ value: null });
  expect(JSON.stringify(data)).not.toContain('a secret');
});

test('roles are told with what they allow', async () => {
  const { data } = await api.call('{ roles { name scopes } }');
  expect(data.roles).toContainEqual({ name: 'owner', scopes: ['admin:*'] });
  expect(data.roles.map(({ name }: { name: string }) => name)).toContain('auditor');
});
