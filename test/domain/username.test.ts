import { expect, test } from '@jest/globals';
import { fold } from '../../src/domain/decider.ts';
import { username } from '../../src/domain/username.ts';
import { given } from '../support/decider-spec.ts';

const claim = (sub: string) => ({ type: 'ClaimUsername', data: { sub } }) as const;
const claimed = (sub: string) => ({ type: 'UsernameClaimed', data: { sub } }) as const;
const release = (sub: string) => ({ type: 'ReleaseUsername', data: { sub } }) as const;
const released = { type: 'UsernameReleased', data: {} } as const;

test('a free name is claimed once', () => {
  given(username).when(claim('ada')).then(claimed('ada'));
  given(username, claimed('ada')).when(claim('ada')).thenNothing();
});

test('a name that somebody holds is refused to everybody else', () => {
  given(username, claimed('ada'))
    .when(claim('bob'))
    .thenRefused('already_exists', { field: 'username' });
});

test('its holder releases it once, and then it is free', () => {
  given(username, claimed('ada')).when(release('ada')).then(released);
  given(username, claimed('ada'), released).when(release('ada')).thenNothing();
  given(username, claimed('ada'), released).when(claim('bob')).then(claimed('bob'));
});

test('a release that comes late does not take the name from who holds it now', () => {
  given(username, claimed('ada'), released, claimed('bob')).when(release('ada')).thenNothing();
  given(username).when(release('ada')).thenNothing();
});

test('the state says whose it is', () => {
  expect(fold(username, [claimed('ada')])).toEqual({ sub: 'ada' });
});
