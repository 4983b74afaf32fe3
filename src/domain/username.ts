import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';

/** A user name belongs to one person at a time: its stream is where the claim is settled. */
export type UsernameFacts = {
  UsernameClaimed: { readonly sub: string };
  UsernameReleased: Record<string, never>;
};

export type UsernameWishes = {
  ClaimUsername: { readonly sub: string };
  /** Only its holder releases a name: a release that comes late must not take it from the next one. */
  ReleaseUsername: { readonly sub: string };
};

export interface UsernameState {
  readonly sub: string | null;
}

/** Streams are named by the keyed digest of the user name: `username-<digest>`. */
export const username: Decider<UsernameState, UsernameWishes, UsernameFacts> = {
  category: 'username',
  initial: { sub: null },

  evolve: {
    UsernameClaimed: (_, { sub }) => ({ sub }),
    UsernameReleased: () => ({ sub: null }),
  },

  decide: {
    ClaimUsername({ sub }, state) {
      if (state.sub === sub) return [];
      if (state.sub)
        throw new DomainError('already_exists', 'the user name is taken', { field: 'username' });
      return [{ type: 'UsernameClaimed', data: { sub } }];
    },
    ReleaseUsername: ({ sub }, state) =>
      state.sub === sub ? [{ type: 'UsernameReleased', data: {} }] : [],
  },
};
