import { describe, test } from '@jest/globals';
import { type UserRegistration, user } from '../../src/domain/user.ts';
import { given } from '../support/decider-spec.ts';

const ada: UserRegistration = {
  sub: 'u1',
  usernameDigest: 'digest of ada',
  personal: 'sealed claims',
  roles: ['auditor'],
};
const register = { type: 'RegisterUser', data: ada } as const;
const registered = { type: 'UserRegistered', data: ada } as const;
const changeClaims = { type: 'ChangeUserClaims', data: { personal: 'sealed again' } } as const;
const claimsChanged = { type: 'UserClaimsChanged', data: { personal: 'sealed again' } } as const;
const changeRoles = { type: 'ChangeUserRoles', data: { roles: ['operator'] } } as const;
const rolesChanged = { type: 'UserRolesChanged', data: { roles: ['operator'] } } as const;
const setPassword = { type: 'SetPassword', data: { verifier: 'sealed argon2id' } } as const;
const passwordSet = { type: 'PasswordSet', data: { verifier: 'sealed argon2id' } } as const;
const disable = { type: 'DisableUser', data: { reason: 'left' } } as const;
const disabled = { type: 'UserDisabled', data: { reason: 'left' } } as const;
const enable = { type: 'EnableUser', data: {} } as const;
const enabled = { type: 'UserEnabled', data: {} } as const;
const erase = { type: 'EraseUser', data: {} } as const;
const erased = { type: 'UserErased', data: {} } as const;

describe('registering', () => {
  test('a person is recorded once', () => {
    given(user).when(register).then(registered);
    given(user, registered).when(register).thenRefused('already_exists', { field: 'sub' });
  });

  test('the subject of an erased person is never given again', () => {
    given(user, registered, erased).when(register).thenRefused('already_exists', { field: 'sub' });
  });
});

describe('changing', () => {
  test('roles is recorded once', () => {
    given(user, registered).when(changeRoles).then(rolesChanged);
    given(user, registered, rolesChanged).when(changeRoles).thenNothing();
    given(user, registered)
      .when({ type: 'ChangeUserRoles', data: { roles: ada.roles } })
      .thenNothing();
  });

  test('claims and password is recorded each time: sealed text does not show whether it is new', () => {
    given(user, registered).when(changeClaims).then(claimsChanged);
    given(user, registered, claimsChanged).when(changeClaims).then(claimsChanged);
    given(user, registered).when(setPassword).then(passwordSet);
    given(user, registered, passwordSet).when(setPassword).then(passwordSet);
  });

  test('a user code that is not there is not taken away', () => {
    const changed = (backchannelCode: string | null) =>
      ({ type: 'BackchannelCodeChanged', data: { backchannelCode } }) as const;
    const change = (backchannelCode: string | null) =>
      ({ type: 'ChangeBackchannelCode', data: { backchannelCode } }) as const;
    given(user, registered).when(change(null)).thenNothing();
    given(user, registered).when(change('sealed')).then(changed('sealed'));
    given(user, registered, changed('sealed')).when(change(null)).then(changed(null));
  });

  test('is allowed while the person is disabled, and keeps them so', () => {
    given(user, registered, disabled).when(changeRoles).then(rolesChanged);
    given(user, registered, disabled).when(setPassword).then(passwordSet);
    given(user, registered, disabled).when(changeClaims).then(claimsChanged);
    given(user, registered, disabled, rolesChanged, passwordSet, claimsChanged)
      .when(disable)
      .thenNothing();
  });
});

test('disabling and enabling are recorded once each', () => {
  given(user, registered).when(disable).then(disabled);
  given(user, registered, disabled).when(disable).thenNothing();
  given(user, registered, disabled).when(enable).then(enabled);
  given(user, registered, disabled, enabled).when(enable).thenNothing();
  given(user, registered).when(enable).thenNothing();
});

test('disabling keeps the roles', () => {
  given(user, registered, rolesChanged, disabled, enabled).when(changeRoles).thenNothing();
});

describe('erasing', () => {
  test('is recorded once, of a disabled person too', () => {
    given(user, registered).when(erase).then(erased);
    given(user, registered, disabled).when(erase).then(erased);
    given(user, registered, erased).when(erase).thenNothing();
  });

  test('needs a person', () => {
    given(user).when(erase).thenRefused('not_found', { field: 'sub' });
  });
});

test.each([changeClaims, changeRoles, setPassword, disable, enable])(
  '$type needs a person, and one who has not been erased',
  (wish) => {
    given(user).when(wish).thenRefused('not_found', { field: 'sub' });
    given(user, registered, erased).when(wish).thenRefused('removed', { field: 'sub' });
  },
);
