import { randomUUID } from 'node:crypto';
import { client } from '../domain/client.ts';
import { streamOf } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import type { Envelope } from '../eventstore/event-store.ts';
import { SCHEMA_VERSION } from '../eventstore/upcast.ts';
import { randomToken } from '../platform/secrets.ts';
import { defineApiResource } from './api-resources.ts';
import { registerClient } from './clients.ts';
import type { CommandContext } from './command.ts';
import { defineScope } from './scopes.ts';
import { ADMINISTRATOR, registerUser } from './users.ts';

/** Audience of the Admin API's tokens (RFC 8707). */
export const ADMIN_RESOURCE = 'urn:muniment:admin';
export const ADMIN_CLIENT = 'muniment-admin';
export const DEMO_CLIENT = 'demo';

/** What can be read and not written. */
const ADMIN_RECORDS = ['schema', 'audit', 'personal'];
const ADMIN_ENTITIES = [
  'clients',
  'scopes',
  'resources',
  'users',
  'keys',
  'issuers',
  'consents',
  'grants',
  'sessions',
  'tokens',
  'requests',
  'configuration',
  'housekeeping',
];

const IDENTITY_SCOPES = [
  { name: 'openid', displayName: 'Your identity', description: 'Sign you in', claims: ['sub'] },
  {
    name: 'profile',
    displayName: 'Your profile',
    description: 'Your name and other public details',
    claims: [
      'name',
      'family_name',
      'given_name',
      'middle_name',
      'nickname',
      'preferred_username',
      'profile',
      'picture',
      'website',
      'gender',
      'birthdate',
      'zoneinfo',
      'locale',
      'updated_at',
    ],
  },
  {
    name: 'email',
    displayName: 'Your e-mail address',
    description: 'The address, and whether it was verified',
    claims: ['email', 'email_verified'],
  },
  {
    name: 'phone',
    displayName: 'Your phone number',
    description: 'The number, and whether it was verified',
    claims: ['phone_number', 'phone_number_verified'],
  },
  {
    name: 'address',
    displayName: 'Your postal address',
    description: 'Where you get your post',
    claims: ['address'],
  },
  {
    name: 'roles',
    displayName: 'Your roles',
    description: 'What you may do here',
    claims: ['roles'],
  },
  {
    name: 'offline_access',
    displayName: 'Access while you are away',
    description: 'Stay connected when you do not use the application',
    claims: [],
  },
];

/** What the first start made up and nobody can read again. */
export interface FirstRun {
  readonly adminUsername: string;
  /** null when the operator gave it. */
  readonly adminPassword: string | null;
  readonly adminClientSecret: string | null;
}

export interface SeedOptions {
  readonly adminUsername: string;
  readonly adminPassword: string | null;
  readonly adminClientSecret: string | null;
  /** Where the demo application is called back; null: no demo client. */
  readonly demoRedirectUri: string | null;
}

/**
 * Puts in place what a server needs to be of use: the standard scopes, the Admin API's resource and
 * scopes, and on the first start an operator, the client for scripts, and the demo client. What is
 * there already stays as it is.
 * @returns what was made up on the first start; undefined on any other
 */
export async function seed(
  context: CommandContext,
  options: SeedOptions,
): Promise<FirstRun | undefined> {
  // The client comes last, so that a start that was cut short is made up for by the next.
  const seeded = await context.store.read(streamOf(client, ADMIN_CLIENT), { limit: 1 });
  if (seeded.length > 0) return undefined;

  const envelope = systemEnvelope();
  await whenMissing(() =>
    defineApiResource(
      context,
      { identifier: ADMIN_RESOURCE, displayName: 'Muniment administration' },
      envelope,
    ),
  );
  for (const scope of [...IDENTITY_SCOPES.map(withoutResources), ...adminScopes()]) {
    await whenMissing(() => defineScope(context, scope, envelope));
  }
  const { demoRedirectUri } = options;
  if (demoRedirectUri) {
    await whenMissing(() => registerDemoClient(context, demoRedirectUri, envelope));
  }
  const adminPassword = options.adminPassword ?? randomToken(12);
  const operator = await whenMissing(() =>
    registerUser(
      context,
      {
        username: options.adminUsername,
        password: adminPassword,
        claims: { name: 'Administrator' },
        roles: [ADMINISTRATOR],
      },
      envelope,
    ),
  );
  const adminClientSecret = options.adminClientSecret ?? `mun_${randomToken()}`;
  await registerAdminClient(context, adminClientSecret, envelope);
  return {
    adminUsername: options.adminUsername,
    adminPassword: options.adminPassword || !operator ? null : adminPassword,
    adminClientSecret: options.adminClientSecret ? null : adminClientSecret,
  };
}

async function registerAdminClient(
  context: CommandContext,
  secret: string,
  envelope: Envelope,
): Promise<void> {
  await registerClient(
    context,
    {
      clientId: ADMIN_CLIENT,
      displayName: 'Muniment administration',
      clientType: 'confidential',
      consentType: 'implicit',
      permissions: {
        grantTypes: ['client_credentials'],
        responseTypes: [],
        scopes: adminScopes().map(({ name }) => name),
      },
      secret,
    },
    envelope,
  );
}

async function registerDemoClient(
  context: CommandContext,
  redirectUri: string,
  envelope: Envelope,
): Promise<void> {
  await registerClient(
    context,
    {
      clientId: DEMO_CLIENT,
      displayName: 'Demo application',
      clientType: 'public',
      redirectUris: [redirectUri],
      postLogoutRedirectUris: [new URL('/', redirectUri).href],
      permissions: {
        grantTypes: ['authorization_code', 'refresh_token'],
        responseTypes: ['code'],
        scopes: IDENTITY_SCOPES.map(({ name }) => name),
      },
    },
    envelope,
  );
}

function withoutResources(scope: (typeof IDENTITY_SCOPES)[number]) {
  return { ...scope, resources: [] as string[] };
}

function adminScopes() {
  const verbs = ADMIN_ENTITIES.flatMap((entity) => [`${entity}:read`, `${entity}:write`]);
  const records = ADMIN_RECORDS.map((record) => `${record}:read`);
  return ['*', ...records, ...verbs].map((right) => ({
    name: `admin:${right}`,
    displayName: `Administration: ${right}`,
    description: right === '*' ? 'Everything in the Admin API' : `Admin API, ${right}`,
    claims: [] as string[],
    resources: [ADMIN_RESOURCE],
  }));
}

/** @returns undefined when it was there already */
async function whenMissing<T>(define: () => Promise<T>): Promise<T | undefined> {
  try {
    return await define();
  } catch (error) {
    if (error instanceof DomainError && error.code === 'already_exists') return undefined;
    throw error;
  }
}

/** The envelope of what the server does of its own accord. */
export function systemEnvelope(): Envelope {
  const requestId = randomUUID();
  return {
    at: new Date().toISOString(),
    actor: { type: 'system', id: 'muniment' },
    authentication: 'none',
    source: null,
    requestId,
    $correlationId: requestId,
    $causationId: requestId,
    schema: SCHEMA_VERSION,
  };
}
