import { describe, expect, test } from '@jest/globals';
import type { Logger } from 'pino';
import { createLogger } from '../../src/platform/log.ts';

/** What a logger writes when it is used like this, as text and as the last line read. */
function written(use: (log: Logger) => void, level = 'info') {
  let text = '';
  use(
    createLogger(level, {
      write: (line) => {
        text += line;
      },
    }),
  );
  const lines = text.trim().split('\n');
  return { text, line: lines[0] ? JSON.parse(lines.at(-1) as string) : undefined };
}

const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';

describe('a log line', () => {
  test('is JSON with a moment, a level by its name, the fields and the message', () => {
    const { line } = written((log) =>
      log.child({ node: 'a' }).info({ requestId: 'r-1' }, 'served'),
    );
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      node: 'a',
      requestId: 'r-1',
      msg: 'served',
    });
  });

  test('is not written below the level', () => {
    expect(written((log) => log.info('quiet'), 'warn').text).toBe('');
  });

  test.each([
    'authorization',
    'Authorization',
    'cookie',
    'set-cookie',
    'Set-Cookie',
    'client_secret',
    'clientSecret',
    'password',
    'code',
    'refresh_token',
    'access_token',
    'token',
    'id_token',
    'code_verifier',
    'client_assertion',
    'user_code',
    'id_token_hint',
    'email',
    'query',
  ])('hides %s, however deep it lies', (name) => {
    const { text } = written((log) => {
      log.info({ [name]: 'canary' });
      log.info({ request: { headers: { [name]: ['canary'] } } });
      log.info({ a: { b: [{ c: { [name]: { d: 'canary' } } }] } });
      log.info({ headers: new Map([[name, 'canary']]) });
      log.child({ [name]: 'canary' }).info('child');
    });
    expect(text.trim().split('\n')).toHaveLength(5);
    expect(text).toContain('[hidden]');
    expect(text).not.toContain('canary');
  });

  test('survives what contains itself, and hides what it cannot read', () => {
    const circle: Record<string, unknown> = { bytes: Buffer.from('canary') };
    circle.self = circle;
    const { text, line } = written((log) => log.info({ circle }));
    expect(line.circle.bytes).toBe('[hidden]');
    expect(text).not.toContain(JSON.stringify([...Buffer.from('canary')]).slice(1, -1));
  });

  test.each([
    [
      'GET /connect/authorize?client_id=demo&state=canary failed',
      'GET /connect/authorize?[hidden] failed',
    ],
    ['to https://app.example/callback?code=canary', 'to https://app.example/callback?[hidden]'],
    ['to https://app.example/#access_token=canary', 'to https://app.example/?[hidden]'],
    ['sent Authorization: Bearer canary-1~2', 'sent Authorization: Bearer [hidden]'],
    ['sent Basic Y2FuYXJ5', 'sent Basic [hidden]'],
    [`jwt ${JWT} expired`, 'jwt [hidden] expired'],
    ['no route to postgres://u:canary@db/x', 'no route to postgres://[hidden]@db/x'],
  ])('hides in texts: %s', (message, shown) => {
    expect(written((log) => log.info(message)).line.msg).toBe(shown);
    expect(written((log) => log.info({ note: message })).line.note).toBe(shown);
    expect(written((log) => log.info('said %s', message)).line.msg).toBe(`said ${shown}`);
  });
});

describe('a logged error', () => {
  const error = Object.assign(
    new Error('at /token?code=canary', { cause: new Error('Bearer canary') }),
    {
      code: 'ECONNRESET',
      detail: 'Key (email)=(canary) already exists.',
      parameters: ['canary'],
    },
  );

  test.each<[string, (log: Logger) => void]>([
    ['alone', (log) => log.error(error)],
    ['with a message', (log) => log.error(error, 'failed')],
    ['as err', (log) => log.error({ err: error }, 'failed')],
    ['under another name', (log) => log.error({ reason: error }, 'failed')],
  ])('%s shows what every error has, and no more', (_, use) => {
    const { text, line } = written(use);
    expect(text).not.toContain('canary');
    const shown = line.err ?? line.reason;
    expect(shown).toMatchObject({
      type: 'Error',
      code: 'ECONNRESET',
      message: 'at /token?[hidden]',
    });
    expect(shown.stack).toContain('log.test.ts');
    expect(shown.cause).toMatchObject({ message: 'Bearer [hidden]' });
    expect(shown).not.toHaveProperty('detail');
    expect(line.msg).toMatch(/^(failed|at \/token\?\[hidden\])$/);
  });
});
