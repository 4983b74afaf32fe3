import { describe, test } from '@jest/globals';
import {
  type DeviceApproval,
  type DeviceRequest,
  deviceAuthorization,
} from '../../src/domain/device-authorization.ts';
import { given } from '../support/decider-spec.ts';

const now = '2026-01-01T00:05:00.000Z';
const late = '2026-01-01T00:10:00.000Z';
const request: DeviceRequest = {
  digest: 'd1',
  clientId: 'television',
  scopes: ['openid'],
  requestedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: late,
  interval: 5,
  parameters: {},
};
const approval: DeviceApproval = {
  sub: 'ada',
  grantId: 'g1',
  sessionUid: 's1',
  scopes: ['openid'],
  parameters: {},
  at: now,
};
const denial = { error: 'access_denied', description: null, at: now };

const requested = { type: 'DeviceAuthorizationRequested', data: request } as const;
const entered = { type: 'DeviceUserCodeEntered', data: { at: now } } as const;
const approved = { type: 'DeviceAuthorizationApproved', data: approval } as const;
const denied = { type: 'DeviceAuthorizationDenied', data: denial } as const;
const redeemed = { type: 'DeviceCodeRedeemed', data: { at: now } } as const;

const ask = { type: 'RequestDeviceAuthorization', data: request } as const;
const enter = { type: 'EnterDeviceUserCode', data: { now } } as const;
const approve = { type: 'ApproveDeviceAuthorization', data: approval } as const;
const deny = { type: 'DenyDeviceAuthorization', data: denial } as const;
const redeem = { type: 'RedeemDeviceCode', data: { now } } as const;

const ofTheDeviceCode = { field: 'device_code' };
const ofTheUserCode = { field: 'user_code' };

test('a device asks once', () => {
  given(deviceAuthorization).when(ask).then(requested);
  given(deviceAuthorization, requested).when(ask).thenRefused('already_exists');
});

describe('the user code', () => {
  test('is entered once, by whoever is first', () => {
    given(deviceAuthorization, requested).when(enter).then(entered);
    given(deviceAuthorization, requested, entered)
      .when(enter)
      .thenRefused('already_used', ofTheUserCode);
  });

  test('is worth nothing where nobody asked, or too late', () => {
    given(deviceAuthorization).when(enter).thenRefused('not_found', ofTheDeviceCode);
    given(deviceAuthorization, requested)
      .when({ type: 'EnterDeviceUserCode', data: { now: late } })
      .thenRefused('not_found', ofTheDeviceCode);
  });
});

describe('the person', () => {
  test('approves what they entered', () => {
    given(deviceAuthorization, requested, entered).when(approve).then(approved);
    given(deviceAuthorization, requested).when(approve).thenRefused('already_used', ofTheUserCode);
  });

  test('may say no before and after entering, and that is all they say', () => {
    given(deviceAuthorization, requested).when(deny).then(denied);
    given(deviceAuthorization, requested, entered).when(deny).then(denied);
    given(deviceAuthorization, requested, denied).when(deny).thenNothing();
    given(deviceAuthorization, requested, entered, denied)
      .when(approve)
      .thenRefused('already_used', ofTheUserCode);
  });

  test('does not take back what they approved by saying no', () => {
    given(deviceAuthorization, requested, entered, approved)
      .when(deny)
      .thenRefused('already_used', ofTheUserCode);
  });

  test('cannot approve what has run out', () => {
    given(deviceAuthorization, requested, entered)
      .when({ type: 'ApproveDeviceAuthorization', data: { ...approval, at: late } })
      .thenRefused('not_found', ofTheDeviceCode);
  });
});

describe('the device code', () => {
  test('is redeemed once it is approved, and only once', () => {
    given(deviceAuthorization, requested, entered, approved).when(redeem).then(redeemed);
    given(deviceAuthorization, requested, entered, approved, redeemed)
      .when(redeem)
      .thenRefused('code_replayed', ofTheDeviceCode);
  });

  test('is not redeemed before, nor when the person said no', () => {
    for (const past of [[], [requested], [requested, entered], [requested, denied]]) {
      given(deviceAuthorization, ...past)
        .when(redeem)
        .thenRefused('not_found', ofTheDeviceCode);
    }
  });

  test('is not redeemed when it has run out', () => {
    given(deviceAuthorization, requested, entered, approved)
      .when({ type: 'RedeemDeviceCode', data: { now: late } })
      .thenRefused('not_found', ofTheDeviceCode);
  });
});
