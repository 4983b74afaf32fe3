import { describe, test } from '@jest/globals';
import {
  type BackchannelApproval,
  type BackchannelRequest,
  backchannelRequest,
} from '../../src/domain/backchannel-request.ts';
import { given } from '../support/decider-spec.ts';

const now = '2026-01-01T00:05:00.000Z';
const late = '2026-01-01T00:10:00.000Z';
const request: BackchannelRequest = {
  digest: 'r1',
  clientId: 'till',
  sub: 'ada',
  scopes: ['openid'],
  allowance: { scopes: ['openid'], claims: [], resources: {} },
  bindingMessage: null,
  requestedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: late,
  interval: 5,
  parameters: {},
};
const approval: BackchannelApproval = {
  grantId: 'g1',
  authTime: '2026-01-01T00:04:00.000Z',
  acr: null,
  amr: ['pwd'],
  by: 'user',
  at: now,
};
const denial = { by: 'user', at: now } as const;

const requested = { type: 'BackchannelAuthenticationRequested', data: request } as const;
const approved = { type: 'BackchannelAuthenticationApproved', data: approval } as const;
const denied = { type: 'BackchannelAuthenticationDenied', data: denial } as const;
const redeemed = { type: 'BackchannelRequestRedeemed', data: { at: now } } as const;

const ask = { type: 'RequestBackchannelAuthentication', data: request } as const;
const approve = { type: 'ApproveBackchannelAuthentication', data: approval } as const;
const deny = { type: 'DenyBackchannelAuthentication', data: denial } as const;
const redeem = { type: 'RedeemBackchannelRequest', data: { now } } as const;

const ofTheRequest = { field: 'requestId' };

test('a client asks once', () => {
  given(backchannelRequest).when(ask).then(requested);
  given(backchannelRequest, requested).when(ask).thenRefused('already_exists');
});

describe('a person', () => {
  test('says yes or no, once', () => {
    given(backchannelRequest, requested).when(approve).then(approved);
    given(backchannelRequest, requested).when(deny).then(denied);
    for (const decided of [approved, denied]) {
      given(backchannelRequest, requested, decided)
        .when(approve)
        .thenRefused('already_used', ofTheRequest);
    }
    given(backchannelRequest, requested, approved)
      .when(deny)
      .thenRefused('already_used', ofTheRequest);
    given(backchannelRequest, requested, denied).when(deny).thenNothing();
  });

  test('decides nothing that nobody asked, or that has run out', () => {
    const tooLate = { ...approve, data: { ...approval, at: late } };
    given(backchannelRequest).when(approve).thenRefused('not_found', ofTheRequest);
    given(backchannelRequest).when(deny).thenRefused('not_found', ofTheRequest);
    given(backchannelRequest, requested).when(tooLate).thenRefused('not_found', ofTheRequest);
    given(backchannelRequest, requested)
      .when({ ...deny, data: { ...denial, at: late } })
      .thenRefused('not_found', ofTheRequest);
  });
});

describe('the auth_req_id', () => {
  test('is redeemed once', () => {
    given(backchannelRequest, requested, approved).when(redeem).then(redeemed);
    given(backchannelRequest, requested, approved, redeemed)
      .when(redeem)
      .thenRefused('code_replayed', { field: 'auth_req_id' });
  });

  test('is worth nothing before the person has said yes, nor when it has run out', () => {
    given(backchannelRequest).when(redeem).thenRefused('not_found', ofTheRequest);
    given(backchannelRequest, requested).when(redeem).thenRefused('not_found', ofTheRequest);
    given(backchannelRequest, requested, denied)
      .when(redeem)
      .thenRefused('not_found', ofTheRequest);
    given(backchannelRequest, requested, approved)
      .when({ ...redeem, data: { now: late } })
      .thenRefused('not_found', ofTheRequest);
  });
});
