/**
 * Every list of the Admin API, what of its entries is asked for, and by which filters and orders.
 *
 * @typedef {{ list: string, fields: string, asked: Record<string, string> }} List
 */

const MIDDLE = new Date(Date.now() - 15 * 86_400_000).toISOString();
const MONTH = new Date(Date.now() - 31 * 86_400_000).toISOString();
const since = `filter: { since: "${MIDDLE}" }`;
const until = `filter: { until: "${MIDDLE}" }`;
const ofClient = 'filter: { clientId: "bench-client-7" }';
const ofUser = 'filter: { sub: "bench-user-7" }';

/** @type {List[]} */
export const lists = [
  {
    list: 'tokens',
    fields: 'tokenId kind status expiresAt',
    asked: {
      'of a client': ofClient,
      'of a person': ofUser,
      'of a grant': 'filter: { grantId: "bench-7" }',
      'by kind': 'filter: { kind: REFRESH_TOKEN }',
      active: 'filter: { status: ACTIVE }',
      revoked: 'filter: { status: REVOKED }',
      'issued since': since,
      'issued until': until,
    },
  },
  {
    list: 'grants',
    fields: 'grantId sub clientId openedAt client { clientId } user { sub }',
    asked: {
      'of a client': ofClient,
      'of a person': ofUser,
      'of a session': 'filter: { sessionUid: "bench-7" }',
      revoked: 'filter: { revoked: true }',
      'by basis': 'filter: { basis: CONSENT }',
      since,
      until,
    },
  },
  {
    list: 'sessions',
    fields: 'uid startedAt endedAt clients { clientId } user { sub }',
    asked: { 'of a person': ofUser, 'not ended': 'filter: { ended: false }', since, until },
  },
  {
    list: 'consents',
    fields: 'sub clientId grantedAt client { clientId }',
    asked: {
      'of a client': ofClient,
      'of a person': ofUser,
      withdrawn: 'filter: { withdrawn: true }',
      since,
      until,
    },
  },
  {
    list: 'notices',
    fields: 'noticeId status triedAt',
    asked: {
      'of a client': ofClient,
      failed: 'filter: { status: FAILED }',
      'by kind': 'filter: { kind: "backchannel_logout" }',
      since,
      until,
    },
  },
  {
    list: 'deviceAuthorizations',
    fields: 'requestId status requestedAt',
    asked: {
      'of a client': ofClient,
      'of a person': ofUser,
      pending: 'filter: { status: PENDING }',
      denied: 'filter: { status: DENIED }',
    },
  },
  {
    list: 'backchannelRequests',
    fields: 'requestId status requestedAt',
    asked: {
      'of a client': ofClient,
      'of a person': ofUser,
      pending: 'filter: { status: PENDING }',
      denied: 'filter: { status: DENIED }',
    },
  },
  {
    list: 'users',
    fields: 'sub roles createdAt disabled',
    asked: {
      'by name': 'filter: { username: "bench" }',
      'by role': 'filter: { role: "auditor" }',
      disabled: 'filter: { disabled: true }',
      'earliest first': 'orderBy: { field: CREATED_AT, direction: ASC }',
    },
  },
  {
    list: 'clients',
    fields: 'clientId displayName createdAt secrets { secretId }',
    asked: {
      search: 'filter: { query: "cation 77" }',
      disabled: 'filter: { disabled: true }',
      'by type': 'filter: { clientType: CONFIDENTIAL }',
      'by display name': 'orderBy: { field: DISPLAY_NAME, direction: ASC }',
    },
  },
  {
    list: 'events',
    fields: 'position at type entity clientId subject',
    asked: {
      'of a client': ofClient,
      'about a person': 'filter: { subject: "bench-user-7" }',
      'by actor': 'filter: { actor: "bench-client-7" }',
      'by type': 'filter: { types: ["ClientSecretAdded"] }',
      'by category': 'filter: { category: "client" }',
      'of an entity': 'filter: { category: "grant", entity: "bench-7" }',
      'from an address': 'filter: { address: "127.0.0.1" }',
      'by correlation': 'filter: { correlationId: "c7" }',
      since: `filter: { since: "${MONTH}" }`,
      until,
    },
  },
  { list: 'scopes', fields: 'name displayName', asked: { search: 'filter: { query: "open" }' } },
  { list: 'apiResources', fields: 'identifier displayName', asked: {} },
  { list: 'initialAccessTokens', fields: 'tokenId createdAt', asked: {} },
  { list: 'trustedIssuers', fields: 'issuer displayName', asked: {} },
  { list: 'signingKeys', fields: 'kid status', asked: {} },
];
