import { readFileSync } from 'node:fs';
import { client } from '../../domain/client.ts';
import { streamOf } from '../../domain/decider.ts';
import { DomainError } from '../../domain/errors.ts';
import type { Envelope } from '../../eventstore/event-store.ts';
import { randomToken } from '../../platform/secrets.ts';
import { ADMIN_SCOPES } from '../admin-rights.ts';
import { registerClient } from '../clients.ts';
import { type CommandContext, systemEnvelope } from '../command.ts';
import { declareMissing } from '../configuration/plan.ts';
import { registerUser } from '../users.ts';

/** Audience of the Admin API's tokens (RFC 8707). */
export const ADMIN_RESOURCE = 'urn:muniment:admin';
export const ADMIN_CLIENT = 'muniment-admin';
/** The role of the first operator. */
const OWNER = 'owner';

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
  /** Whether the demo application is to find its client. */
  readonly demo: boolean;
}

/**
 * Puts in place what a server needs to be of use: the standard scopes, the Admin API's resource and
 * scopes, and on the first start an operator, the client for scripts, and the demo client. What is
 * there already stays as it is, and what was removed stays away.
 * @returns what was made up on the first start; undefined on any other
 */
export async function seed(
  context: CommandContext,
  options: SeedOptions,
): Promise<FirstRun | undefined> {
  const envelope = systemEnvelope();
  await declareMissing(context, configuration('standard'), envelope);
  await declareMissing(context, JSON.stringify(adminApi()), envelope);

  // The client comes last, so that a start that was cut short is made up for by the next.
  const seeded = await context.store.read(streamOf(client, ADMIN_CLIENT), { limit: 1 });
  if (seeded.length > 0) return undefined;
  if (options.demo) await declareMissing(context, configuration('demo'), envelope);
  const adminPassword = options.adminPassword ?? randomToken(12);
  const operator = await whenMissing(() =>
    registerUser(
      context,
      {
        username: options.adminUsername,
        password: adminPassword,
        claims: { name: 'Administrator' },
        roles: [OWNER],
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

function configuration(name: 'standard' | 'demo'): string {
  const file = new URL(`../../../src/commands/seed/${name}.yaml`, import.meta.url);
  return readFileSync(file, 'utf8');
}

function adminApi() {
  const rights = ADMIN_SCOPES.map((name) => name.replace('admin:', ''));
  return {
    apiResources: [{ identifier: ADMIN_RESOURCE, displayName: 'Muniment administration' }],
    scopes: rights.map((right) => ({
      name: `admin:${right}`,
      displayName: `Administration: ${right}`,
      description: right === '*' ? 'Everything in the Admin API' : `Admin API, ${right}`,
      resources: [ADMIN_RESOURCE],
    })),
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
        scopes: [...ADMIN_SCOPES],
      },
      secret,
    },
    envelope,
  );
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
