import { flag, setting, wholeNumber } from './setting.ts';

/** When what is over leaves the read models. */
export const pruningSettings = {
  pruning: setting({
    variable: 'PRUNING',
    default: 'true',
    description:
      'Whether tokens and authorizations that are over are taken away from the read models. The log keeps them.',
    schema: flag,
  }),
  pruningPeriod: setting({
    variable: 'PRUNING_PERIOD',
    default: '3600',
    description: 'Seconds from one time to the next.',
    schema: wholeNumber(60, 604_800),
  }),
  pruneTokens: setting({
    variable: 'PRUNE_TOKENS',
    default: 'true',
    description: 'Whether tokens, device authorizations and delivered notices are among them.',
    schema: flag,
  }),
  pruneAuthorizations: setting({
    variable: 'PRUNE_AUTHORIZATIONS',
    default: 'true',
    description: 'Whether grants, withdrawn consents and sessions are among them.',
    schema: flag,
  }),
  minimumTokenLifespan: setting({
    variable: 'MINIMUM_TOKEN_LIFESPAN',
    default: '1209600',
    description:
      'Seconds that a token is kept after it expired: two weeks by default, and never less than `UNUSED_CLIENT_DAYS` where clients registered themselves.',
    schema: wholeNumber(600, 400_000_000),
  }),
  minimumAuthorizationLifespan: setting({
    variable: 'MINIMUM_AUTHORIZATION_LIFESPAN',
    default: '1209600',
    description: 'Seconds that an authorization is kept, however soon it is over.',
    schema: wholeNumber(600, 400_000_000),
  }),
};
