import { test } from '@jest/globals';
import { signIns } from '../../src/domain/sign-ins.ts';
import { given } from '../support/decider-spec.ts';

const failure = { usernameDigest: 'd1', sub: 'ada', reason: 'wrong_password' } as const;
const record = { type: 'RecordSignInFailure', data: failure } as const;
const failed = { type: 'SignInFailed', data: failure } as const;

test('every failure is recorded, however many there were', () => {
  given(signIns).when(record).then(failed);
  given(signIns, failed, failed).when(record).then(failed);
});
