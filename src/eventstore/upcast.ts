import { PROTECTED_BY_DEFAULT } from '../domain/client-responses.ts';
import type { Fact } from './event-store.ts';

/** Version of the shapes of facts that this code writes. A field that is added does not raise it. */
export const SCHEMA_VERSION = 1;

type Upcaster = <E extends Fact>(event: E) => E;
type Fields = Readonly<Record<string, unknown>>;

/** From version n to n + 1, by the name of the fact in version n. None so far. */
const upcasters: Readonly<Record<number, Readonly<Record<string, Upcaster>>>> = {};

const CLIENT_TOKENS = { accessTokenSigningAlg: null, claims: {}, claimsPrefix: 'client_' };

/**
 * Fields that a fact has got since it was first written, with what held before there was the field.
 * Objects are filled in field by field.
 */
const ADDED: Readonly<Record<string, Fields>> = {
  GrantOpened: { assertedBy: null },
  ApiResourceDefined: {
    tokenPolicy: { accessTokenSigningAlg: null },
    authorizationDetailTypes: [],
    isolated: false,
    encryption: null,
  },
  ApiResourceTokenPolicyChanged: { tokenPolicy: { accessTokenSigningAlg: null } },
  ClientRegistered: {
    origin: 'administrator',
    description: '',
    consentLifetime: null,
    tokenExchange: { impersonation: true, delegation: true, resources: ['*'], once: false },
    logout: { revokesOfflineAccess: null },
    certificateSubject: null,
    profile: 'none',
    ciba: {
      deliveryMode: 'poll',
      notificationEndpoint: null,
      userCodeParameter: false,
      requestSigningAlg: null,
    },
    permissions: { endpoints: ['*'], authorizationDetailTypes: [] },
    requirements: { dpopNonce: false, certificateBoundTokens: false },
    tokenPolicy: CLIENT_TOKENS,
    responseProtection: PROTECTED_BY_DEFAULT,
  },
  ScopeDefined: { claimDestinations: {} },
  ClientPermissionsChanged: { permissions: { endpoints: ['*'], authorizationDetailTypes: [] } },
  ClientRequirementsChanged: {
    requirements: { dpopNonce: false, certificateBoundTokens: false },
  },
  ClientTokenPolicyChanged: { tokenPolicy: CLIENT_TOKENS },
  ClientLogoutChanged: { logout: { revokesOfflineAccess: null } },
  UserSessionsEnded: { since: null },
  UserGrantsRevoked: { since: null },
  ClientGrantsRevoked: { since: null },
  ClientLeftSession: { sid: null },
  SessionEnded: { clients: [] },
  ClientPresentationChanged: { description: '' },
};

/**
 * Brings an event of an older schema version up to date. Everything that folds or projects sees
 * events through here, so deciders and projections know one shape only.
 * @throws TypeError for an event written by a newer version of the software
 */
export function upcast<E extends Fact>(event: E): E {
  let current = event;
  for (let version = event.metadata.schema; version < SCHEMA_VERSION; version++) {
    const step = upcasters[version]?.[current.type];
    if (step) current = step(current);
  }
  if (event.metadata.schema > SCHEMA_VERSION) {
    throw new TypeError(
      `${event.type} at ${event.position} was written in schema version ${event.metadata.schema}`,
    );
  }
  const added = ADDED[current.type];
  return added ? { ...current, data: filledIn(current.data as Fields, added) } : current;
}

/** What an older record holds, with a default for each field it lacks. @example filledIn({ a: 1 }, { b: 2 }) */
export function filledIn(record: Fields, defaults: Fields): Fields {
  const filled: Record<string, unknown> = { ...record };
  for (const [field, fallback] of Object.entries(defaults)) {
    const value = record[field];
    if (value === undefined) filled[field] = fallback;
    else if (isRecord(value) && isRecord(fallback)) filled[field] = filledIn(value, fallback);
  }
  return filled;
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
