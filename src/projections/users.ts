import type { Instant, Sealed } from '../domain/ids.ts';
import type { UserFacts } from '../domain/user.ts';
import type { Projection } from './projection.ts';

/** A person as they are now; personal data stays sealed under the person's own key. */
export interface UserRow {
  readonly sub: string;
  /** null once the person has been erased. */
  readonly username_digest: string | null;
  readonly personal: Sealed | null;
  readonly password_verifier: Sealed | null;
  readonly password_set_at: Instant | null;
  /** By which they prove to be there to a client that asks for them elsewhere; null: nothing. */
  readonly backchannel_code: Sealed | null;
  readonly roles: readonly string[];
  readonly disabled_at: Instant | null;
  readonly erased_at: Instant | null;
  readonly created_at: Instant;
  readonly changed_at: Instant;
}

export const users: Projection<UserRow, 'sub', UserFacts> = {
  table: 'users',
  key: ['sub'],
  columns: {
    sub: 'text',
    username_digest: 'text',
    personal: 'text',
    password_verifier: 'text',
    password_set_at: 'timestamptz',
    backchannel_code: 'text',
    roles: 'jsonb not null',
    disabled_at: 'timestamptz',
    erased_at: 'timestamptz',
    created_at: 'timestamptz not null',
    changed_at: 'timestamptz not null',
  },
  indexes: [
    '(username_digest)',
    '(created_at, sub)',
    '(created_at, sub) where disabled_at is not null',
    '(created_at, sub) where erased_at is not null',
    'using gin (roles)',
  ],
  on: {
    UserRegistered: ({ data, at }) => [
      {
        put: {
          sub: data.sub,
          username_digest: data.usernameDigest,
          personal: data.personal,
          password_verifier: null,
          password_set_at: null,
          backchannel_code: null,
          roles: data.roles,
          disabled_at: null,
          erased_at: null,
          created_at: at,
          changed_at: at,
        },
      },
    ],
    UserClaimsChanged: ({ data, id: sub, at }) => [
      { set: { sub, personal: data.personal, changed_at: at } },
    ],
    UserRolesChanged: ({ data, id: sub, at }) => [
      { set: { sub, roles: data.roles, changed_at: at } },
    ],
    PasswordSet: ({ data, id: sub, at }) => [
      { set: { sub, password_verifier: data.verifier, password_set_at: at, changed_at: at } },
    ],
    BackchannelCodeChanged: ({ data, id: sub, at }) => [
      { set: { sub, backchannel_code: data.backchannelCode, changed_at: at } },
    ],
    UserDisabled: ({ id: sub, at }) => [{ set: { sub, disabled_at: at, changed_at: at } }],
    UserEnabled: ({ id: sub, at }) => [{ set: { sub, disabled_at: null, changed_at: at } }],
    UserSessionsEnded: ({ id: sub, at }) => [{ set: { sub, changed_at: at } }],
    UserGrantsRevoked: ({ id: sub, at }) => [{ set: { sub, changed_at: at } }],
    UserErased: ({ id: sub, at }) => [
      {
        set: {
          sub,
          username_digest: null,
          personal: null,
          password_verifier: null,
          backchannel_code: null,
          roles: [],
          disabled_at: at,
          erased_at: at,
          changed_at: at,
        },
      },
    ],
  },
};
