/** THE LIST: every read model there is. */
import type { Decider } from '../domain/decider.ts';
import type { deciders } from '../domain/index.ts';
import type { ProjectionFacts } from '../domain/projection.ts';
import { apiResources } from './api-resources.ts';
import { backchannelRequests } from './backchannel-requests.ts';
import { clientSecrets, clients, clientTexts } from './clients.ts';
import { consents } from './consents.ts';
import { cookieKeys } from './cookie-keys.ts';
import { deviceAuthorizations } from './device-authorizations.ts';
import { grants } from './grants.ts';
import { initialAccessTokens } from './initial-access-tokens.ts';
import { notices } from './notices.ts';
import { scopes, scopeTexts } from './scopes.ts';
import { sessionClients, sessions } from './sessions.ts';
import { signingKeys } from './signing-keys.ts';
import { tokens } from './tokens.ts';
import { trustedIssuers } from './trusted-issuers.ts';
import { users } from './users.ts';

/** The consistency group that the protocol reads: joined with each other, so one checkpoint for all. */
export const protocolReadModels = [
  clients,
  clientSecrets,
  clientTexts,
  scopes,
  scopeTexts,
  apiResources,
  users,
  consents,
  grants,
  tokens,
  deviceAuthorizations,
  backchannelRequests,
  sessions,
  sessionClients,
  signingKeys,
  cookieKeys,
  trustedIssuers,
  notices,
  initialAccessTokens,
] as const;

/**
 * Facts that no row of the protocol shows: the claim on a user name is settled in its stream and
 * asked only there; failed sign-ins, looks at the record, contained leaks and what operators do with
 * projections are for the audit trail.
 */
type Unshown =
  | 'UsernameClaimed'
  | 'UsernameReleased'
  | 'SignInFailed'
  | 'AuditRead'
  | 'LeakContained'
  | keyof ProjectionFacts;

type AllFacts = {
  [D in keyof typeof deciders]: (typeof deciders)[D] extends Decider<infer _S, infer _W, infer F>
    ? keyof F & string
    : never;
}[keyof typeof deciders];

type FactsOf<P> = P extends { readonly on: infer On } ? keyof On & string : never;

type Answered = FactsOf<(typeof protocolReadModels)[number]>;

/** A fact that no read model answers is a compile error here, and the error names it. */
export const unansweredFacts: never[] = [] as Exclude<AllFacts, Answered | Unshown>[];
