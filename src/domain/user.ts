import type { Decider } from './decider.ts';
import { same } from './decider.ts';
import { DomainError } from './errors.ts';
import type { BulkEnd, Digest, Sealed } from './ids.ts';

/**
 * A person. `sub` is random and carries no meaning; everything that identifies the person is sealed
 * under a key of their own, so that destroying the key forgets them (see docs/adr/0005).
 */
export interface UserRegistration {
  readonly sub: string;
  /** Keyed digest of the user name, for sign-in; the name itself is in `personal`. */
  readonly usernameDigest: Digest;
  /** Sealed OpenID Connect claims (Core §5.1), `preferred_username` among them. */
  readonly personal: Sealed;
  readonly roles: readonly string[];
}

export type UserFacts = {
  UserRegistered: UserRegistration;
  UserClaimsChanged: { readonly personal: Sealed };
  UserRolesChanged: { readonly roles: readonly string[] };
  /** `verifier` is the sealed argon2id string. */
  PasswordSet: { readonly verifier: Sealed };
  /** The sealed argon2id string of their user code (OpenID Connect CIBA §7.1); null: they have none. */
  BackchannelCodeChanged: { readonly backchannelCode: Sealed | null };
  UserDisabled: { readonly reason: string };
  UserEnabled: Record<string, never>;
  /** All sessions there were; how each ended is in its own stream. */
  UserSessionsEnded: BulkEnd;
  /** All grants there were, those with offline access as well. */
  UserGrantsRevoked: BulkEnd;
  /** The key is gone; what was sealed under it can never be read again. */
  UserErased: Record<string, never>;
};

export type UserWishes = {
  RegisterUser: UserRegistration;
  ChangeUserClaims: { readonly personal: Sealed };
  ChangeUserRoles: { readonly roles: readonly string[] };
  SetPassword: { readonly verifier: Sealed };
  ChangeBackchannelCode: { readonly backchannelCode: Sealed | null };
  DisableUser: { readonly reason: string };
  EnableUser: Record<string, never>;
  EndUserSessions: BulkEnd;
  RevokeUserGrants: BulkEnd;
  EraseUser: Record<string, never>;
};

export interface UserState {
  readonly status: 'none' | 'enabled' | 'disabled' | 'erased';
  readonly roles: readonly string[];
  readonly usernameDigest: Digest | null;
  readonly hasBackchannelCode: boolean;
}

export const user: Decider<UserState, UserWishes, UserFacts> = {
  category: 'user',
  initial: { status: 'none', roles: [], usernameDigest: null, hasBackchannelCode: false },

  evolve: {
    UserRegistered: (_, { roles, usernameDigest }) => ({
      status: 'enabled',
      roles,
      usernameDigest,
      hasBackchannelCode: false,
    }),
    UserClaimsChanged: (state) => state,
    UserRolesChanged: (state, { roles }) => ({ ...state, roles }),
    PasswordSet: (state) => state,
    BackchannelCodeChanged: (state, { backchannelCode }) => ({
      ...state,
      hasBackchannelCode: backchannelCode !== null,
    }),
    UserDisabled: (state) => ({ ...state, status: 'disabled' }),
    UserEnabled: (state) => ({ ...state, status: 'enabled' }),
    UserSessionsEnded: (state) => state,
    UserGrantsRevoked: (state) => state,
    UserErased: () => ({ ...user.initial, status: 'erased' }),
  },

  decide: {
    RegisterUser(registration, state) {
      if (state.status !== 'none') {
        throw new DomainError('already_exists', 'this subject is registered already', {
          field: 'sub',
        });
      }
      return [{ type: 'UserRegistered', data: registration }];
    },
    ChangeUserClaims(claims, state) {
      present(state);
      return [{ type: 'UserClaimsChanged', data: claims }];
    },
    ChangeUserRoles({ roles }, state) {
      present(state);
      return same(state.roles, roles) ? [] : [{ type: 'UserRolesChanged', data: { roles } }];
    },
    SetPassword(password, state) {
      present(state);
      return [{ type: 'PasswordSet', data: password }];
    },
    ChangeBackchannelCode({ backchannelCode }, state) {
      present(state);
      if (backchannelCode === null && !state.hasBackchannelCode) return [];
      return [{ type: 'BackchannelCodeChanged', data: { backchannelCode } }];
    },
    DisableUser({ reason }, state) {
      present(state);
      return state.status === 'disabled' ? [] : [{ type: 'UserDisabled', data: { reason } }];
    },
    EnableUser(_, state) {
      present(state);
      return state.status === 'enabled' ? [] : [{ type: 'UserEnabled', data: {} }];
    },
    EndUserSessions(wish, state) {
      present(state);
      return [{ type: 'UserSessionsEnded', data: wish }];
    },
    RevokeUserGrants(wish, state) {
      present(state);
      return [{ type: 'UserGrantsRevoked', data: wish }];
    },
    EraseUser(_, state) {
      if (state.status === 'erased') return [];
      present(state);
      return [{ type: 'UserErased', data: {} }];
    },
  },
};

function present(state: UserState): void {
  if (state.status === 'none') throw new DomainError('not_found', 'no such user', { field: 'sub' });
  if (state.status === 'erased') {
    throw new DomainError('removed', 'the user has been erased', { field: 'sub' });
  }
}
