import { describe, test } from '@jest/globals';
import { type NoticeFacts, notice } from '../../src/domain/notice.ts';
import { given } from '../support/decider-spec.ts';

const told = { kind: 'backchannel_logout', clientId: 'shop', about: 'session-1' } as const;
const later = '2026-01-01T08:00:02.000Z';

const failure = (attempts: number, retryAt: string | null = later) => {
  const data: NoticeFacts['NoticeFailed'] = { ...told, attempts, error: 'busy', retryAt };
  return [
    { type: 'FailNotice', data },
    { type: 'NoticeFailed', data },
  ] as const;
};
const delivery = (attempts: number) =>
  [
    { type: 'DeliverNotice', data: { ...told, attempts } },
    { type: 'NoticeDelivered', data: { ...told, attempts } },
  ] as const;
const dropping = { ...told, attempts: 0, reason: 'the client is gone' };
const drop = { type: 'DropNotice', data: dropping } as const;
const dropped = { type: 'NoticeDropped', data: dropping } as const;

describe('a notice', () => {
  test('is delivered once', () => {
    const [deliver, delivered] = delivery(1);
    given(notice).when(deliver).then(delivered);
    given(notice, delivered).when(deliver).thenNothing();
  });

  test('may fail before, each attempt once', () => {
    const [fail, failed] = failure(1);
    given(notice).when(fail).then(failed);
    given(notice, failed).when(fail).thenNothing();
    const [failAgain, failedAgain] = failure(2);
    given(notice, failed).when(failAgain).then(failedAgain);
    const [deliver, delivered] = delivery(3);
    given(notice, failed, failedAgain).when(deliver).then(delivered);
  });

  test('that was delivered, dropped, or has failed for good is over', () => {
    const [, failed] = failure(12, null);
    const [deliver, delivered] = delivery(13);
    const [fail] = failure(13);
    for (const fact of [failed, delivered, dropped]) {
      for (const wish of [deliver, fail, drop]) given(notice, fact).when(wish).thenNothing();
    }
  });

  test('is dropped when there is nobody to be told', () => {
    given(notice).when(drop).then(dropped);
  });
});
