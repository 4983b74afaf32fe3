import { expect, test } from '@jest/globals';
import { signInsStream } from '../../src/domain/sign-ins.ts';

test('failed sign-ins of a day share a stream', () => {
  expect(signInsStream('2026-11-21')).toBe('sign-ins-2026-11-21');
});
